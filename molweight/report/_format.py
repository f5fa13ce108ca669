"""Format of numbers and names on a page."""

import math
from typing import Final

from molweight.datasets.internal import higher_is_better, ogb_metric
from molweight.report._bootstrap import Interval

__all__ = ["NONE", "direction", "metric_name", "number", "padded", "spread", "tested", "verdict", "with_spread"]

NONE: Final = "-"
"""Shown in place of a missing number."""

_METRICS: Final = {
    "ap": "average precision",
    "mae": "mean absolute error",
    "prc_auc": "PRC-AUC",
    "r2": "R\N{SUPERSCRIPT TWO}",
    "rmse": "RMSE",
    "roc_auc": "ROC-AUC",
    "scaled_rmse": "RMSE over the standard deviation",
}


def number(value: float | None, digits: int = 4) -> str:
    """A number with the given significant digits; a dash if missing.

    Example:
        >>> number(0.123456), number(float("nan")), number(None), number(1234567.0), number(-0.0)
        ('0.1235', '-', '-', '1.235e+06', '0')
    """
    if value is None or not math.isfinite(value):
        return NONE
    return f"{value + 0.0:.{digits}g}"  # minus zero is zero


def padded(value: float) -> str:
    """A score with three significant digits, trailing zeros included; a dash if missing.

    Example:
        >>> padded(0.7), padded(312.4), padded(float("nan"))
        ('0.700', '312', '-')
    """
    return f"{value + 0.0:#.3g}".rstrip(".") if math.isfinite(value) else NONE


def spread(found: Interval, digits: int = 3) -> str:
    """The ends of an interval as text.

    Example:
        >>> spread(Interval(0.5, 0.25, 0.75))
        '0.25 to 0.75'
    """
    return NONE if math.isnan(found.low) else f"{number(found.low, digits)} to {number(found.high, digits)}"


def with_spread(found: Interval, digits: int = 4) -> str:
    """A value with the ends of its interval in brackets, without them if there is no interval.

    Example:
        >>> with_spread(Interval(0.5, 0.25, 0.75)), with_spread(Interval(0.5, math.nan, math.nan))
        ('0.5 (0.25 to 0.75)', '0.5')
    """
    return number(found.value, digits) if math.isnan(found.low) else f"{number(found.value, digits)} ({spread(found)})"


def tested(count: int) -> str:
    """A number of test molecules in words.

    Example:
        >>> tested(1), tested(20)
        ('1 test molecule', '20 test molecules')
    """
    return f"{count} test molecule{'' if count == 1 else 's'}"


def metric_name(metric: str) -> str:
    """The display name of a metric.

    Example:
        >>> metric_name("roc_auc"), metric_name("ogbg-molhiv:rocauc")
        ('ROC-AUC', 'ROC-AUC (ogbg-molhiv:rocauc)')
    """
    if "," in metric:
        return "mean skill (2 ROC-AUC - 1; 1 - RMSE over the standard deviation)"
    base = ogb_metric(metric)
    return f"{_METRICS[base]} ({metric})" if base else _METRICS.get(metric, metric)


def direction(metric: str) -> str:
    """Whether higher or lower values of a metric are better, in words."""
    return "higher is better" if higher_is_better(metric) else "lower is better"


def verdict(gain: Interval) -> str:
    """The verdict from the interval of a gain; positive gains mean that the first method is better.

    Example:
        >>> verdict(Interval(0.1, 0.05, 0.2)), verdict(Interval(0.1, -0.05, 0.2)), verdict(Interval(-1, -2, -0.5))
        ('better', 'no significant difference', 'worse')
    """
    if gain.low > 0:
        return "better"
    return "worse" if gain.high < 0 else "no significant difference"
