"""Partners that limited time does not allow."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from molweight.distributed import of_first
from molweight.ensemble._partner_kinds import MINIMOL, OF_VECTORS
from molweight.ensemble._profile import PROFILE, profile_seconds, profile_tables
from molweight.ensemble._recipe import Recipe
from molweight.features import get as feature_set
from molweight.graphs import MoleculeDataset
from molweight.graphs.internal import column_seconds

__all__ = ["affordable"]

_VECTOR_SHARE: Final = 0.6
"""Maximum share of limited time that is spent on vectors of MiniMol, and on models of auxiliary tables; members gain
less from the same time."""
_LOG: Final = logging.getLogger(__name__)


def affordable(recipe: Recipe, data: MoleculeDataset, seconds: float | None) -> Recipe:
    """The recipe without partners that would take too much of the time; all others are cheap.

    Args:
        recipe: The settings.
        data: The table of the task.
        seconds: The limit; ``None`` for none.
    """
    if seconds is None:
        return recipe
    if any(name in OF_VECTORS for name in recipe.partners):
        needed = of_first(column_seconds(data, feature_set(MINIMOL).spec))
        recipe = _within(recipe, OF_VECTORS, "the vectors of MiniMol", needed, seconds)
    if PROFILE in recipe.partners:
        needed = of_first(profile_seconds(profile_tables(recipe.sources, data), recipe.profile_features))
        recipe = _within(recipe, (PROFILE,), "models of the auxiliary tables", needed, seconds)
    return recipe


def _within(recipe: Recipe, names: Sequence[str], what: str, needed: float, seconds: float) -> Recipe:
    """The recipe, without some partners if they need too large a share of the time."""
    if needed <= _VECTOR_SHARE * seconds:
        return recipe
    _LOG.warning(
        "ensemble: without %s, because %s would take %.2g of %.2g minutes",
        ", ".join(name for name in recipe.partners if name in names), what, needed / 60, seconds / 60,
    )  # fmt: skip
    return replace(recipe, partners=tuple(name for name in recipe.partners if name not in names))
