"""What the results of a study do and do not support."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from molweight.datasets import higher_is_better

__all__ = ["Contrast", "contrasts", "holm", "mean_ranks"]

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True)
class Contrast:
    """The reference method against another one, paired by table and seed.

    Args:
        method: The other one.
        pairs: Number of pairs.
        wins: Share of pairs in which the reference is better; ties count half.
        effect: Mean difference in standard deviations of the differences (Cohen's d_z), positive where the reference
            is better. Differences are divided by the standard deviation of their table's scores before.
        low: Lower end of the 95 % bootstrap interval of the mean difference.
        high: Upper end.
        p: Of the Wilcoxon signed-rank test, two-sided, corrected by Holm for the number of methods.
    """

    method: str
    pairs: int
    wins: float
    effect: float
    low: float
    high: float
    p: float


def contrasts(results: pd.DataFrame, reference: str, level: float = 0.95) -> list[Contrast]:
    """Compare the reference with every other method.

    Args:
        results: Rows of a study; those with an error are left out, and so are pairs that lack a partner.
        reference: The method to compare with.
        level: Of the bootstrap intervals.

    Returns:
        One contrast per other method with at least two pairs.
    """
    scores = _scores(results)
    found = []
    for method in scores.columns.drop(reference):
        pair = scores[[reference, method]].dropna()
        differences = (pair[reference] - pair[method]).to_numpy(dtype=np.float64)
        if len(differences) > 1:
            found.append((str(method), differences))
    corrected = holm([_wilcoxon(differences) for _, differences in found])
    return [_contrast(method, values, p, level) for (method, values), p in zip(found, corrected, strict=True)]


def _scores(results: pd.DataFrame) -> pd.DataFrame:
    """Test scores with larger ones better, in standard deviations of their table: pairs of table and seed x methods."""
    good = results[results["error"].isna()]
    signs = good["metric"].map(lambda metric: 1.0 if higher_is_better(metric) else -1.0)
    scaled = good.assign(score=good["test"].astype(float) * signs)
    spread = scaled.groupby("table")["score"].transform("std").replace(0.0, np.nan).fillna(1.0)
    return scaled.assign(score=scaled["score"] / spread).pivot_table(
        index=["table", "seed"], columns="method", values="score"
    )


def _wilcoxon(differences: Array) -> float:
    return 1.0 if not differences.any() else float(stats.wilcoxon(differences).pvalue)


def _contrast(method: str, differences: Array, p: float, level: float) -> Contrast:
    spread = float(differences.std(ddof=1))
    interval = (float(differences.mean()),) * 2
    if spread > 0:
        random = np.random.default_rng(0)
        found = stats.bootstrap((differences,), np.mean, confidence_level=level, rng=random).confidence_interval
        interval = (float(found.low), float(found.high))
    wins = float((differences > 0).mean() + (differences == 0).mean() / 2)
    effect = float(differences.mean()) / spread if spread > 0 else 0.0
    return Contrast(method, len(differences), wins, effect, *interval, p)


def holm(p: Sequence[float]) -> list[float]:
    """Step-down correction for testing several hypotheses.

    Source: Holm, *A simple sequentially rejective multiple test procedure*, Scand. J. Stat. 6, 65 (1979).

    Args:
        p: One value per hypothesis.

    Returns:
        The corrected values, in the same order.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    corrected, least = [0.0] * len(p), 0.0
    for rank, place in enumerate(sorted(range(len(p)), key=lambda place: p[place])):
        least = max(least, min((len(p) - rank) * p[place], 1.0))
        corrected[place] = least
    return corrected


def mean_ranks(results: pd.DataFrame) -> tuple[dict[str, float], float]:
    """Mean rank of each method over tables and seeds, 1 the best, and Friedman's test that all are alike.

    Args:
        results: Rows of a study; tables and seeds at which a method is missing are left out.

    Returns:
        Mean ranks by method, and the p value; NaN with fewer than three methods or two complete rows.
    """
    complete = _scores(results).dropna()
    ranks = complete.rank(axis=1, ascending=False).mean().sort_values()
    few = complete.shape[1] < 3 or len(complete) < 2  # noqa: PLR2004 - what the test needs
    p: Any = float("nan") if few else stats.friedmanchisquare(*complete.to_numpy().T).pvalue
    return {str(method): float(rank) for method, rank in ranks.items()}, float(p)
