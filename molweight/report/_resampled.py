"""Metrics of molecules with counts, for all resamples of a bootstrap at once."""

from collections.abc import Callable
from typing import Final

import numpy as np

from molweight.arrays import AnyArray, BoolArray, FloatArray
from molweight.errors import UnknownNameError

__all__ = ["resampled_metric"]

_LEAST_LABELS: Final = 5
"""Minimum number of labels, and of labels of a resample, for estimating their variance."""
_LEAST_VALUES: Final = 3
"""Minimum number of distinct labels for this, unless the labels have only two values."""
_MANY: Final = 100


def resampled_metric(metric: str, truth: FloatArray, predicted: FloatArray, counts: AnyArray) -> FloatArray:
    """Values of a metric for one task, one per resample.

    Equal to scoring the molecules of each resample, repeated as often as they occur in it.

    Args:
        metric: ``"roc_auc"``, ``"prc_auc"``, ``"ap"``, ``"rmse"``, ``"mae"``, ``"scaled_rmse"`` or ``"r2"``.
        truth: ``n`` labels, none missing.
        predicted: ``n`` predictions.
        counts: How often each molecule occurs in each resample, ``draws x n``; or weights with a mean of 1.

    Returns:
        One value per resample; NaN for one that cannot be scored because it is empty or has a single class, or, if the
        metric divides by the variance of the labels, fewer than five labels or three distinct ones.

    Raises:
        UnknownNameError: If there is no such metric.

    Example:
        >>> labels, scores = np.array([0.0, 1.0, 1.0]), np.array([0.2, 0.1, 0.9])
        >>> resampled_metric("roc_auc", labels, scores, np.array([[1, 1, 1], [2, 0, 1], [3, 0, 0]]))
        array([0.5, 1. , nan])
    """
    if metric not in _METRICS:
        raise UnknownNameError("metric", metric, _METRICS)
    with np.errstate(invalid="ignore", divide="ignore"):  # an empty resample is NaN
        return _METRICS[metric](truth.astype(np.float64), predicted.astype(np.float64), counts)


def _rmse(truth: FloatArray, predicted: FloatArray, counts: AnyArray) -> FloatArray:
    return np.asarray(np.sqrt(counts @ (truth - predicted) ** 2 / counts.sum(axis=1)))


def _mae(truth: FloatArray, predicted: FloatArray, counts: AnyArray) -> FloatArray:
    return np.asarray(counts @ np.abs(truth - predicted) / counts.sum(axis=1))


def _variance(truth: FloatArray, counts: AnyArray) -> FloatArray:
    """Variance of the labels in each resample; NaN if they are constant, or too few to estimate it."""
    total = counts.sum(axis=1)
    centred = truth - truth.mean()
    variance = counts @ centred**2 / total - (counts @ centred / total) ** 2
    enough = (np.minimum(total, len(truth)) >= _LEAST_LABELS) & _varied(truth, counts)
    return np.where(enough & (variance > 1e-12 * centred.var()), variance, np.nan)


def _varied(truth: FloatArray, counts: AnyArray) -> BoolArray:
    """Which resamples have three distinct labels, or two if there are no more."""
    values, place, sizes = np.unique(truth, return_inverse=True, return_counts=True)
    if len(truth) >= _MANY and 2 * np.sort(sizes)[-2:].sum() <= len(truth):
        return np.ones(len(counts), dtype=bool)  # the chance of fewer is below 2**-100
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    distinct = (np.add.reduceat(counts[:, np.argsort(place, kind="stable")], starts, axis=1) > 0).sum(axis=1)
    return np.asarray(distinct >= min(len(values), _LEAST_VALUES))


def _scaled_rmse(truth: FloatArray, predicted: FloatArray, counts: AnyArray) -> FloatArray:
    return np.asarray(_rmse(truth, predicted, counts) / np.sqrt(_variance(truth, counts)))


def _r2(truth: FloatArray, predicted: FloatArray, counts: AnyArray) -> FloatArray:
    return np.asarray(1 - _rmse(truth, predicted, counts) ** 2 / _variance(truth, counts))


def _cumulative(truth: FloatArray, predicted: FloatArray, counts: AnyArray) -> tuple[FloatArray, FloatArray]:
    """True and false positives at each threshold, from the highest prediction down, ``draws x (thresholds + 1)``.

    Successive thresholds that add negatives only are one: curves are straight or of width zero between them.
    """
    order = np.argsort(-predicted, kind="stable")
    positive = truth[order] == 1
    starts = np.flatnonzero(np.concatenate([[True], np.diff(predicted[order]) != 0]))
    holds = np.logical_or.reduceat(positive, starts)
    starts = starts[holds | np.concatenate([[True], holds[:-1]])]
    places = np.searchsorted(starts, np.flatnonzero(positive), side="right")
    true = np.zeros((len(counts), len(starts) + 1))
    if len(places):
        firsts = np.flatnonzero(np.concatenate([[True], np.diff(places) != 0]))
        true[:, places[firsts]] = np.add.reduceat(counts[:, order[positive]], firsts, axis=1)
    total = np.zeros_like(true)
    total[:, 1:] = np.add.reduceat(np.take(counts, order, axis=1), starts, axis=1)
    np.cumsum(true, axis=1, out=true)
    return true, np.cumsum(total, axis=1, out=total) - true


def _roc_auc(truth: FloatArray, predicted: FloatArray, counts: AnyArray) -> FloatArray:
    true, false = _cumulative(truth, predicted, counts)
    return np.asarray(np.trapezoid(true, false, axis=1) / (true[:, -1] * false[:, -1]))


def _precision_recall(truth: FloatArray, predicted: FloatArray, counts: AnyArray) -> tuple[FloatArray, FloatArray]:
    """Precision and recall at each threshold; recall is all NaN for a resample with a single class."""
    true, false = _cumulative(truth, predicted, counts)
    total = true + false
    precision = np.divide(true, total, out=np.ones_like(true), where=total > 0)
    positives = np.where(false[:, -1:] > 0, true[:, -1:], np.nan)
    return precision, true / positives


def _prc_auc(truth: FloatArray, predicted: FloatArray, counts: AnyArray) -> FloatArray:
    precision, recall = _precision_recall(truth, predicted, counts)
    return np.asarray(np.trapezoid(precision, recall, axis=1))


def _average_precision(truth: FloatArray, predicted: FloatArray, counts: AnyArray) -> FloatArray:
    precision, recall = _precision_recall(truth, predicted, counts)
    return np.asarray((np.diff(recall, axis=1) * precision[:, 1:]).sum(axis=1))


_METRICS: Final[dict[str, Callable[[FloatArray, FloatArray, AnyArray], FloatArray]]] = {
    "ap": _average_precision,
    "mae": _mae,
    "prc_auc": _prc_auc,
    "r2": _r2,
    "rmse": _rmse,
    "roc_auc": _roc_auc,
    "scaled_rmse": _scaled_rmse,
}
