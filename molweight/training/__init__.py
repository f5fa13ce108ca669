"""The stages of a job: generic pretraining, adaptive pretraining with learned weights, finetuning.

Example:
    >>> from molweight import datasets
    >>> from molweight.options import Job
    >>> data = datasets.load("freesolv")
    >>> job = Job(encoder_options={"layers": 1, "width": 8}, init="scratch", steps=2, epochs=1, batch_size=16)
    >>> run = fit(job, data, datasets.split(data))
    >>> len(run.weights)
    4
"""

from typing import TYPE_CHECKING

from molweight.deprecation import moved_names
from molweight.training._callback import Callback, TensorBoard
from molweight.training._compare import Comparison, compare, format_table
from molweight.training._deprecated import TapWeight as TapWeight
from molweight.training._fit import fit
from molweight.training._generic import generic_pretraining
from molweight.training._resolve import resolve, variant
from molweight.training._search import WeightSearch, search_weights
from molweight.training._state import Session

__all__ = [
    "Callback",
    "Comparison",
    "Session",
    "TensorBoard",
    "WeightSearch",
    "compare",
    "fit",
    "format_table",
    "generic_pretraining",
    "resolve",
    "search_weights",
    "variant",
]

if not TYPE_CHECKING:  # so that type checkers report names that have moved
    __getattr__ = moved_names(
        __name__, "internal", "_batches", "_compare", "_resolve", "_search", "_pretrain", "_adaptive"
    )
