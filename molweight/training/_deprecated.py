"""The former class of a job, from before options, stages and runs were separated."""

import warnings
from dataclasses import dataclass
from typing import Any

from molweight.datasets import Splits
from molweight.graphs import MoleculeDataset
from molweight.options import Job
from molweight.runs import Run
from molweight.training._fit import fit

__all__ = ["TapWeight"]


@dataclass(frozen=True, kw_only=True, init=False)
class TapWeight(Job):
    """Deprecated: a :class:`molweight.Job` with a method ``fit``.

    Args:
        **options: The options of a job, by their present or old names.
    """

    def __init__(self, **options: Any) -> None:
        """Warn, then check the options."""
        warnings.warn(
            "TapWeight is now molweight.Job, and TapWeight(...).fit(...) is molweight.fit(Job(...), ...)",
            DeprecationWarning,
            stacklevel=2,
        )
        super().__init__(**options)

    def fit(self, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset | None = None, **options: Any) -> Run:
        """Run the job; see :func:`molweight.fit`.

        Args:
            data: The labelled table.
            splits: Its roles.
            corpus: Unlabelled molecules to pretrain on.
            **options: See :func:`molweight.fit`.
        """
        return fit(Job(**vars(self)), data, splits, corpus, **options)
