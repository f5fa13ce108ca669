"""Labels that are only bounds, for models that know no one-sided loss."""

from typing import Final

import numpy as np

from molweight.arrays import AnyArray, BoolArray, Int8Array

__all__ = ["one_sided_bounds", "violated"]

_LEAST_EXACT: Final = 10
"""Minimum number of exact labels of a target; with fewer, no model can tell which bounds are violated."""


def one_sided_bounds(labels: AnyArray, bounds: Int8Array, weights: AnyArray | None = None) -> Int8Array:
    """The bounds that are treated as bounds; those of a target with fewer than ten exact labels are exact labels.

    Args:
        labels: ``n x T``, NaN where missing.
        bounds: ``n x T``: -1 where the true value is below the label, 1 where it is above, 0 where it is the label.
        weights: Weight of each label, ``n x T`` or ``n x 1``; ``None`` for equal ones. Labels of weight 0 do not count.

    Returns:
        ``n x T``, with 0 for exact and missing labels.

    Example:
        >>> signs = np.array([[1], *[[0]] * 10], dtype=np.int8)
        >>> [one_sided_bounds(np.zeros((rows, 1)), signs[:rows])[0].item() for rows in (11, 10)]
        [1, 0]
    """
    known = ~np.isnan(labels) if weights is None else ~np.isnan(labels) & (weights > 0)
    enough = (known & (bounds == 0)).sum(axis=0) >= _LEAST_EXACT
    return np.where(~np.isnan(labels) & enough, bounds, 0).astype(np.int8)


def violated(labels: AnyArray, bounds: Int8Array, predicted: AnyArray) -> BoolArray:
    """Which bounds the predictions violate, ``n x T``; a one-sided loss of the others is zero.

    Args:
        labels: ``n x T``, NaN where missing.
        bounds: ``n x T``, see :func:`one_sided_bounds`.
        predicted: ``n x T``, in the units of the labels.

    Example:
        >>> signs = np.array([[1], [1], [-1], [0]], dtype=np.int8)
        >>> violated(np.full((4, 1), 5.0), signs, np.array([[4.0], [6.0], [4.0], [6.0]])).ravel().tolist()
        [True, False, False, False]
    """
    found: BoolArray = ((bounds > 0) & (predicted < labels)) | ((bounds < 0) & (predicted > labels))
    return found
