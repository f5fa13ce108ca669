"""Calibration of predicted probabilities: of all molecules predicted at 80 %, are 80 % positive?"""

from dataclasses import dataclass

import numpy as np

from molweight.arrays import FloatArray

__all__ = ["Bin", "brier_score", "expected_calibration_error", "known_pairs", "reliability"]


@dataclass(frozen=True)
class Bin:
    """Predictions of similar probability.

    Args:
        count: Number of predictions.
        predicted: Their mean probability.
        observed: Share of ones among them.
    """

    count: int
    predicted: float
    observed: float


def known_pairs(truth: FloatArray, predicted: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Labels and predictions of all tasks, concatenated, without missing labels.

    Args:
        truth: ``n x T``, NaN where missing.
        predicted: ``n x T``.
    """
    known = ~np.isnan(truth)
    return truth[known].astype(np.float64), predicted[known].astype(np.float64)


def reliability(labels: FloatArray, probabilities: FloatArray, bins: int = 10) -> list[Bin]:
    """The predictions in bins of equal width; empty bins are left out.

    Args:
        labels: Zeros and ones, 1-D.
        probabilities: Probabilities of a one, in ``[0, 1]``.
        bins: Number of bins; each includes its lower edge, the last one both.

    Example:
        >>> reliability(np.array([0, 1, 1]), np.array([0.1, 0.95, 1.0]))
        [Bin(count=1, predicted=0.1, observed=0.0), Bin(count=2, predicted=0.975, observed=1.0)]
    """
    place = np.minimum((np.asarray(probabilities, dtype=np.float64) * bins).astype(np.int64), bins - 1)
    return [
        Bin(int(inside.sum()), float(probabilities[inside].mean()), float(labels[inside].mean()))
        for inside in (place == which for which in np.unique(place))
    ]


def expected_calibration_error(labels: FloatArray, probabilities: FloatArray, bins: int = 10) -> float:
    """Mean distance between predicted probability and observed share over bins of equal width, weighted by size.

    Source: Naeini, Cooper, Hauskrecht, *Obtaining Well Calibrated Probabilities Using Bayesian Binning*, AAAI 2015.

    Args:
        labels: Zeros and ones, 1-D.
        probabilities: Probabilities of a one.
        bins: Number of bins.

    Returns:
        0 for perfect calibration, at most 1; NaN without labels.

    Example:
        >>> expected_calibration_error(np.array([0, 1, 0, 1]), np.array([0.5, 0.5, 0.5, 0.5]))
        0.0
    """
    found = reliability(labels, probabilities, bins)
    if not found:
        return float("nan")
    return sum(item.count * abs(item.predicted - item.observed) for item in found) / len(labels)


def brier_score(labels: FloatArray, probabilities: FloatArray) -> float:
    """Mean squared distance between probability and label: calibration and discrimination in one number.

    Source: Brier, *Verification of Forecasts Expressed in Terms of Probability*, Mon. Weather Rev. 78, 1 (1950), in the
    form for two classes, with maximum 1.

    Args:
        labels: Zeros and ones, 1-D.
        probabilities: Probabilities of a one.

    Returns:
        0 for perfect predictions; always predicting the share ``s`` of ones gives ``s (1 - s)``. NaN without labels.

    Example:
        >>> brier_score(np.array([0, 1]), np.array([0.5, 1.0]))
        0.125
    """
    return float(np.mean((np.asarray(probabilities) - labels) ** 2)) if len(labels) else float("nan")
