"""Label weights without a unit: only their ratios matter."""

import numpy as np

from molweight.arrays import AnyArray

__all__ = ["relative_weights"]


def relative_weights(weights: AnyArray, labels: AnyArray, *, per_target: bool) -> AnyArray:
    """Weights divided by their mean over the labels that count: known ones of positive weight.

    A model whose penalty or noise has a fixed size would otherwise depend on the unit of the weights. Weights that are
    all equal become exactly 1.

    Args:
        weights: Weight of each label, ``n x T`` or ``n x 1``.
        labels: ``n x T``, NaN where missing.
        per_target: Whether each target has its own mean, for models that are fitted to each target separately; the
            ratio of two targets' weights is then lost.

    Example:
        >>> weights = np.array([[1.0, 0.5], [3.0, 0.5]])
        >>> relative_weights(weights, np.zeros((2, 2)), per_target=True).tolist()
        [[0.5, 1.0], [1.5, 1.0]]
        >>> relative_weights(weights, np.zeros((2, 2)), per_target=False).round(1).tolist()
        [[0.8, 0.4], [2.4, 0.4]]
    """
    axis = 0 if per_target else None
    counted = ~np.isnan(labels) & (weights > 0)
    # Divided by the largest first, so that the mean of equal weights has no rounding error.
    shares = weights / _positive(np.where(counted, weights, 0.0).max(axis=axis, keepdims=True, initial=0.0))
    total = np.where(counted, shares, 0.0).sum(axis=axis, keepdims=True)
    found: AnyArray = shares / _positive(total / np.maximum(counted.sum(axis=axis, keepdims=True), 1))
    return found


def _positive(values: AnyArray) -> AnyArray:
    """The values, with 1 in place of 0."""
    return np.where(values > 0, values, 1.0)
