"""Bootstrap intervals: how much a test score varies with the choice of the test molecules."""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from molweight.arrays import FloatArray, Int64Array
from molweight.datasets import score
from molweight.datasets.internal import higher_is_better, metrics_of, ogb_metric
from molweight.report._resampled import resampled_metric

__all__ = [
    "DRAWS",
    "Interval",
    "bootstrap",
    "draw_counts",
    "draw_scores",
    "gain_interval",
    "interval",
    "interval_elsewhere",
]


DRAWS: Final = 1000
"""Number of bootstrap resamples: each end of a 95 % interval is then determined by 25 of them."""
_LEVEL: Final = 0.95
_FEWEST: Final = 3
"""Minimum number of labelled molecules for an interval: the resamples of fewer hardly differ."""
_AT_ONCE: Final = 2_000_000
"""Maximum number of counts in memory: 16 MB."""


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % bootstrap interval.

    Args:
        value: The value on the test set itself.
        low: 2.5th percentile of the resamples; NaN with fewer than three molecules, or if none could be scored.
        high: 97.5th percentile, or NaN.
    """

    value: float
    low: float
    high: float


def bootstrap(
    metric: str, truth: FloatArray, predictions: Mapping[str, FloatArray], *, draws: int = DRAWS, seed: int = 0
) -> tuple[dict[str, Interval], dict[str, FloatArray]]:
    """Percentile intervals of the scores of several methods, on the same resamples of the test molecules.

    Source: Efron and Tibshirani, *An Introduction to the Bootstrap* (1993), chapter 13. Molecules are resampled as if
    independent. The interval accounts neither for the grouping of related molecules by a scaffold split, nor for the
    variation of the model between training seeds.

    Args:
        metric: Name of the metric.
        truth: Labels, ``n x T``, NaN where missing.
        predictions: By method, ``n x T``.
        draws: Number of resamples.
        seed: Seed of the resamples.

    Returns:
        The intervals by method, with NaN ends for fewer than three labelled molecules; and the scores of all resamples
        by method, for paired differences of methods.

    Example:
        >>> labels = np.array([[0.0], [1.0], [2.0], [3.0]])
        >>> found, _ = bootstrap("mae", labels, {"off by one": labels + 1})
        >>> found["off by one"]
        Interval(value=1.0, low=1.0, high=1.0)
    """
    parts: dict[str, list[FloatArray]] = {name: [] for name in predictions}
    for counts in draw_counts(len(truth), draws, seed):
        for name, predicted in predictions.items():
            parts[name].append(draw_scores(metric, truth, predicted, counts))
    drawn = {name: np.concatenate(scores) for name, scores in parts.items()}
    values = {name: score(metric, truth, predicted).value for name, predicted in predictions.items()}
    return {name: _interval_on(truth, values[name], drawn[name]) for name in predictions}, drawn


def gain_interval(
    metric: str, found: Mapping[str, Interval], drawn: Mapping[str, FloatArray], method: str, other: str
) -> Interval:
    """The gain of a method over another with its interval; positive if the method is better.

    Args:
        metric: Name of the metric.
        found: Intervals of both methods, of :func:`bootstrap`.
        drawn: Scores of both methods in the resamples, of :func:`bootstrap`.
        method: The method.
        other: The other method.

    Example:
        >>> labels = np.array([[0.0], [1.0], [2.0], [3.0]])
        >>> gain_interval("mae", *bootstrap("mae", labels, {"a": labels, "b": labels + 1}), "a", "b")
        Interval(value=1.0, low=1.0, high=1.0)
    """
    sign = 1.0 if higher_is_better(metric) else -1.0
    value = sign * (found[method].value - found[other].value)
    if np.isnan(found[method].low):
        return Interval(value, float("nan"), float("nan"))
    return interval(value, sign * (drawn[method] - drawn[other]))


def interval_elsewhere(metric: str, truth: FloatArray, predicted: FloatArray, size: int, *, seed: int = 0) -> Interval:
    """95 % interval of the score on ``size`` other molecules from the same distribution.

    Each resample of the molecules, as in :func:`bootstrap`, is resampled again to ``size`` molecules. The interval
    therefore includes both the uncertainty of the score and the variance of a score on few molecules.

    Args:
        metric: Name of the metric.
        truth: Labels, ``n x T``, NaN where missing.
        predicted: ``n x T``, from models that have not seen the molecules.
        size: Number of other molecules.
        seed: Seed of the resamples.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> truth, predicted = rng.normal(size=(200, 1)), np.zeros((200, 1))
        >>> few, many = (interval_elsewhere("rmse", truth, predicted, size) for size in (10, 1000))
        >>> few.high - few.low > 2 * (many.high - many.low)
        True
    """
    rng = np.random.default_rng(seed + 1)
    drawn = []
    for resamples in draw_counts(len(truth), DRAWS, seed):
        counts = np.stack([rng.multinomial(size, own / own.sum()) for own in resamples])
        drawn.append(draw_scores(metric, truth, predicted, counts))
    return _interval_on(truth, score(metric, truth, predicted).value, np.concatenate(drawn))


def _interval_on(truth: FloatArray, value: float, draws: FloatArray) -> Interval:
    """The interval of a score on labelled molecules; NaN ends for too few of them."""
    enough = int((~np.isnan(truth)).any(axis=1).sum()) >= _FEWEST
    return interval(value, draws if enough else draws[:0])


def draw_counts(size: int, draws: int, seed: int) -> Iterator[Int64Array]:
    """How often each of ``size`` molecules occurs in each resample; each row sums to ``size``.

    Args:
        size: Number of molecules.
        draws: Number of resamples.
        seed: Seed.

    Yields:
        Some of the resamples, ``k x size``, to bound the memory; their number does not change the resamples.
    """
    rng, step = np.random.default_rng(seed), max(_AT_ONCE // max(size, 1), 1)
    for start in range(0, draws, step):
        yield rng.multinomial(size, np.full(size, 1 / size), size=min(step, draws - start))


def draw_scores(metric: str, truth: FloatArray, predicted: FloatArray, counts: Int64Array) -> FloatArray:
    """Mean of the metric over tasks, one value per resample; tasks that cannot be scored in it are left out."""
    metric, columns = ogb_metric(metric) or metric, []
    for place, own in enumerate(metrics_of(metric, truth.shape[1])):
        known = ~np.isnan(truth[:, place])
        if known.any():
            name = own if "," not in metric else "roc_auc" if higher_is_better(own) else "scaled_rmse"
            drawn = resampled_metric(name, truth[known, place], predicted[known, place], counts[:, known])
            columns.append(drawn if "," not in metric else 2 * drawn - 1 if higher_is_better(own) else 1 - drawn)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a resample without a task to score is NaN, left out later
        return np.asarray(np.nanmean(np.stack(columns), axis=0)) if columns else np.full(len(counts), np.nan)


def interval(value: float, draws: FloatArray) -> Interval:
    """The central 95 % of the resamples that could be scored; NaN ends if none could.

    Args:
        value: The value itself.
        draws: Its values in the resamples.
    """
    scored = draws[~np.isnan(draws)]
    if len(scored) == 0:
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(scored, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Interval(value, float(low), float(high))
