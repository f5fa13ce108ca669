"""Test sets with too few labels of a class for an interval or a verdict."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from molweight.arrays import BoolArray, FloatArray

__all__ = ["FEWEST_OF_CLASS", "judged_targets", "rare_classes"]

FEWEST_OF_CLASS: Final = 10
"""Minimum number of positives, and of negatives, for a verdict. With one positive a bootstrap repeats its rank in every
resample, so that two random rankings differ significantly in most cases."""


def judged_targets(targets: FloatArray, kinds: Sequence[str]) -> BoolArray:
    """Which targets have enough labels of both classes; those that are numbers always have.

    Args:
        targets: Labels, ``n x T``, NaN where missing.
        kinds: ``"classification"`` or ``"regression"`` for each target.

    Example:
        >>> labels = np.stack([np.arange(20) < 9, np.arange(20) < 10], axis=1).astype(float)
        >>> judged_targets(labels, ["classification", "classification"]).tolist()
        [False, True]
    """
    numbers = np.array([kind == "regression" for kind in kinds], dtype=bool)
    fewer = np.minimum((targets == 1).sum(axis=0), (targets == 0).sum(axis=0))
    found: BoolArray = numbers | (fewer >= FEWEST_OF_CLASS)
    return found


def rare_classes(targets: FloatArray, kinds: Sequence[str]) -> str:
    """The class with too few labels, in words; empty if a target has enough of both, or is a number.

    Args:
        targets: Labels, ``n x T``, NaN where missing.
        kinds: ``"classification"`` or ``"regression"`` for each target.

    Example:
        >>> rare_classes((np.arange(120.0) == 3)[:, None].astype(float), ["classification"])
        'only 1 positive'
    """
    if judged_targets(targets, kinds).any():
        return ""
    if len(kinds) > 1:
        return "too few positives or negatives of each target"
    count, name = min((int((targets == label).sum()), name) for label, name in ((1, "positive"), (0, "negative")))
    return f"only {count} {name}{'' if count == 1 else 's'}" if count else f"no {name}s"
