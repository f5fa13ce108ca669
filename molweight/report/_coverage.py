"""How well predicted uncertainties match the errors."""

import numpy as np

from molweight.arrays import FloatArray

__all__ = ["coverage", "rank_correlation", "wrong_shares"]


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
