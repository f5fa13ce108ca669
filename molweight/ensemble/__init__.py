"""Predictions of small tables: graph members by cross-fitting, partners without a graph, their worth out of fold.

:func:`cross_fit` trains one :class:`Member` per fold on all other folds and partners (boosted trees, a Gaussian
process) on all rows, weighs them by their out-of-fold errors, and returns an :class:`Ensemble` with the out-of-fold
predictions that estimate its score.
"""

from typing import TYPE_CHECKING

from molweight.deprecation import moved_names
from molweight.ensemble._boosted import BoostedTrees
from molweight.ensemble._ensemble import Ensemble
from molweight.ensemble._member import Member

__all__ = [
    "BoostedTrees",
    "Ensemble",
    "Member",
]

if not TYPE_CHECKING:  # type checkers report the names that have left
    __getattr__ = moved_names(__name__, "internal", "_label_transform", "_recipe", "_spread", "_stacking")
