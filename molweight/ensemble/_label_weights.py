"""Label weights without a unit: only their ratios matter."""

import numpy as np

from molweight.arrays import AnyArray
from molweight.datasets import score
from molweight.datasets.internal import OF_CLASSES, metrics_of, ogb_metric
from molweight.report.internal import resampled_metric

__all__ = ["relative_weights", "weighted_score"]


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


def weighted_score(metric: str, labels: AnyArray, predicted: AnyArray, weights: AnyArray | None) -> float:
    """A score in which labels count by their weights, for choices between models that are trained with them.

    Args:
        metric: A metric of :func:`molweight.datasets.score`.
        labels: ``n x T``, NaN where missing.
        predicted: ``n x T``.
        weights: Weight of each label, ``n x T`` or ``n x 1``; ``None`` for equal ones.

    Returns:
        The mean over targets, as :func:`molweight.datasets.score` without weights; NaN if none can be scored.

    Example:
        >>> labels, predicted = np.array([[1.0], [2.0]]), np.array([[1.0], [3.0]])
        >>> weighted_score("mae", labels, predicted, np.array([[3.0], [1.0]]))
        0.25
    """
    if weights is None:
        return score(metric, labels, predicted).value
    shares = np.broadcast_to(relative_weights(weights, labels, per_target=True), labels.shape)
    if (shares[~np.isnan(labels)] == 1).all():
        return score(metric, labels, predicted).value
    found = []
    for at, own in enumerate(metrics_of(ogb_metric(metric) or metric, labels.shape[1])):
        known = ~np.isnan(labels[:, at])
        if not known.any():
            continue
        name, factor, constant = _as_skill(own) if "," in metric else (own, 1.0, 0.0)
        value = resampled_metric(name, labels[known, at], predicted[known, at], shares[known, at][None])
        found.append(factor * value.item() + constant)
    scored = [value for value in found if not np.isnan(value)]
    return float(np.mean(scored)) if scored else float("nan")


def _as_skill(metric: str) -> tuple[str, float, float]:
    """The metric, factor and constant that give the skill, by which targets with different metrics are averaged."""
    return ("roc_auc", 2.0, -1.0) if metric in OF_CLASSES else ("scaled_rmse", -1.0, 1.0)


def _positive(values: AnyArray) -> AnyArray:
    """The values, with 1 in place of 0."""
    return np.where(values > 0, values, 1.0)
