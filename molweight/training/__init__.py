"""The stages of a job: generic pretraining, adaptive pretraining under learned weights, finetuning.

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
from molweight.training._adaptive import AdaptivePretraining, adapt, adaptive_pretraining, new_predictor
from molweight.training._batches import Batches, generator_for
from molweight.training._callback import Callback, TensorBoard
from molweight.training._compare import BASELINES, Comparison, compare, format_findings, format_table
from molweight.training._deprecated import TapWeight
from molweight.training._features import with_stereo
from molweight.training._finetune import finetune
from molweight.training._fit import fit
from molweight.training._generic import generic_pretraining
from molweight.training._leakage import HeldOut
from molweight.training._pretrain import pretrain
from molweight.training._resolve import SOLVER_DEFAULTS, check_job, create_solver, resolve, variant
from molweight.training._search import WeightSearch, search_weights
from molweight.training._state import Session

__all__ = [
    "BASELINES",
    "SOLVER_DEFAULTS",
    "AdaptivePretraining",
    "Batches",
    "Callback",
    "Comparison",
    "HeldOut",
    "Session",
    "TapWeight",
    "TensorBoard",
    "WeightSearch",
    "adapt",
    "adaptive_pretraining",
    "check_job",
    "compare",
    "create_solver",
    "finetune",
    "fit",
    "format_findings",
    "format_table",
    "generator_for",
    "generic_pretraining",
    "new_predictor",
    "pretrain",
    "resolve",
    "search_weights",
    "variant",
    "with_stereo",
]

if not TYPE_CHECKING:  # type checkers report the names that have left
    __getattr__ = moved_names(__name__, "_batches", "_compare", "_resolve", "_search")
