"""How well predicted uncertainties match the errors."""

from typing import Final

import numpy as np

from molweight.arrays import FloatArray
from molweight.report._bootstrap import Interval

__all__ = ["coverage", "rank_correlation", "rank_correlation_interval", "wrong_shares"]

_NORMAL: Final = 1.96
"""97.5th percentile of the normal distribution."""
_LARGEST: Final = 1 - 1e-9
"""Largest correlation in magnitude; the transformation of 1 is infinite."""


def coverage(labels: FloatArray, predictions: FloatArray, deviations: FloatArray, level: float) -> float:
    """Share of labels inside the central interval of a normal distribution around each prediction.

    Args:
        labels: ``n`` labels, none missing.
        predictions: ``n`` predictions.
        deviations: ``n`` standard deviations.
        level: Nominal coverage of the interval, e.g. 0.95.

    Returns:
        The observed coverage; NaN without labels.

    Example:
        >>> zeros, ones = np.zeros(4), np.ones(4)
        >>> coverage(np.array([-1.9, 0.0, 1.0, 2.1]), zeros, ones, 0.95)
        0.75
    """
    from scipy.stats import norm

    if not len(labels):
        return float("nan")
    return float(np.mean(np.abs(labels - predictions) <= norm.ppf((1 + level) / 2) * deviations))


def rank_correlation(errors: FloatArray, deviations: FloatArray) -> float:
    """Spearman's correlation of errors and predicted deviations; 1 if the deviations rank the errors perfectly.

    Args:
        errors: ``n`` absolute errors.
        deviations: ``n`` standard deviations.

    Returns:
        From -1 to 1; NaN if one of them is constant, or there are fewer than three.

    Example:
        >>> rank_correlation(np.array([0.1, 0.5, 9.0]), np.array([1.0, 2.0, 3.0]))
        1.0
    """
    from scipy.stats import spearmanr

    if len(errors) < 3 or np.ptp(errors) == 0 or np.ptp(deviations) == 0:  # noqa: PLR2004 - fewer say nothing
        return float("nan")
    return float(spearmanr(errors, deviations).statistic)


def rank_correlation_interval(errors: FloatArray, deviations: FloatArray) -> Interval:
    """:func:`rank_correlation` with its 95 % interval, by Fisher's transformation.

    Source: Bonett and Wright, *Sample size requirements for estimating Pearson, Kendall and Spearman correlations*,
    Psychometrika 2000, for the standard error.

    Args:
        errors: ``n`` absolute errors.
        deviations: ``n`` standard deviations.

    Returns:
        The correlation and its interval; -1 to 1 for fewer than four.

    Example:
        >>> rising = np.arange(100.0)
        >>> rank_correlation_interval(rising, rising % 10).low > 0
        False
    """
    value, degrees = rank_correlation(errors, deviations), len(errors) - 3
    if not np.isfinite(value) or degrees < 1:
        return Interval(value, -1.0, 1.0)
    centre, margin = np.arctanh(np.clip(value, -_LARGEST, _LARGEST)), _NORMAL * np.sqrt((1 + value**2 / 2) / degrees)
    return Interval(value, float(np.tanh(centre - margin)), float(np.tanh(centre + margin)))


def wrong_shares(labels: FloatArray, probabilities: FloatArray, deviations: FloatArray) -> tuple[float, float]:
    """Share of wrong classes among the smaller and the larger half of the deviations.

    Args:
        labels: ``n`` zeros and ones, none missing.
        probabilities: ``n`` probabilities of a one; from 0.5 on, a one is predicted.
        deviations: ``n`` standard deviations.

    Returns:
        The share for the smaller and for the larger half; NaN for an empty half.

    Example:
        >>> wrong_shares(np.array([0, 1, 1, 0]), np.array([0.1, 0.9, 0.6, 0.8]), np.array([0.01, 0.02, 0.2, 0.3]))
        (0.0, 0.5)
    """
    wrong = (np.asarray(probabilities) >= 0.5) != (np.asarray(labels) == 1)  # noqa: PLR2004 - the middle
    order = np.argsort(deviations, kind="stable")
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    sure, unsure = (float(wrong[half].mean()) if len(half) else float("nan") for half in halves)
    return sure, unsure
