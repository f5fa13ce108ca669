"""Predictions of small tables: graph members by cross-fitting, boosted trees, and what they are worth out of fold.

:func:`cross_fit` trains one :class:`Member` per fold on all other folds and :class:`BoostedTrees` on all rows, weighs
both by their out-of-fold errors, and returns an :class:`Ensemble` with the out-of-fold predictions that estimate its
score.
"""

from molweight.ensemble._boosted import BoostedTrees
from molweight.ensemble._cross_fit import CrossFitted, Keeper, cross_fit
from molweight.ensemble._ensemble import Ensemble
from molweight.ensemble._fit_member import Schedule
from molweight.ensemble._label_transform import TRANSFORMS, LabelTransform
from molweight.ensemble._member import Member
from molweight.ensemble._recipe import DEFAULT_FEATURES, TREE_FEATURES, Recipe, members_for
from molweight.ensemble._spec import EnsembleSpec
from molweight.ensemble._spread import ErrorModel
from molweight.ensemble._stacking import combine, convex_weights
from molweight.ensemble._train_members import TrainedMember

__all__ = [
    "DEFAULT_FEATURES",
    "TRANSFORMS",
    "TREE_FEATURES",
    "BoostedTrees",
    "CrossFitted",
    "Ensemble",
    "EnsembleSpec",
    "ErrorModel",
    "Keeper",
    "LabelTransform",
    "Member",
    "Recipe",
    "Schedule",
    "TrainedMember",
    "combine",
    "convex_weights",
    "cross_fit",
    "members_for",
]
