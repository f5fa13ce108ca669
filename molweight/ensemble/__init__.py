"""Ensembles for small tables: cross-fitted graph members and partners without a graph, weighted out of fold.

Cross-fitting trains one :class:`Member` per fold on all other folds and partners (boosted trees, a Gaussian process) on
all rows, and weights them by their out-of-fold errors. The result is an :class:`Ensemble` with the out-of-fold
predictions from which its score is estimated.
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

if not TYPE_CHECKING:  # so that type checkers report names that have moved
    __getattr__ = moved_names(__name__, "internal", "_label_transform", "_recipe", "_spread", "_stacking")
