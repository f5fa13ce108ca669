"""Statistics of the results of a study."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy import stats

from molweight.arrays import Float64Array
from molweight.datasets.internal import higher_is_better

__all__ = [
    "ROUNDING",
    "Contrast",
    "Ranks",
    "cliques",
    "contrasts",
    "critical_difference",
    "holm",
    "mean_ranks",
    "spreads",
]

ROUNDING: Final = 1e-9
"""Differences below this fraction of the values are rounding errors."""


@dataclass(frozen=True)
class Contrast:
    """Comparison of the reference with another method, paired by table and seed.

    Args:
        method: The other method.
        pairs: Number of pairs.
        wins: Share of pairs in which the reference is better; ties count half.
        tables: Number of tables.
        ahead: Number of tables on which the mean of the reference is better.
        effect: Mean difference in standard deviations of the differences (Cohen's d_z), positive if the reference is
            better; NaN if all differences are equal. Differences are first divided by the standard deviation of their
            table's scores.
        low: Lower end of the 95 % bootstrap interval of the mean difference.
        high: Upper end.
        p: p value of the two-sided Wilcoxon signed-rank test, with Holm's correction for the number of methods.
        direction: Sign of the sum of signed ranks, which that test is about: 1 if the reference is better, -1 if it is
            worse, 0 for neither. A few large differences may give the mean difference the other sign.
    """

    method: str
    pairs: int
    wins: float
    tables: int
    ahead: int
    effect: float
    low: float
    high: float
    p: float
    direction: int

    @property
    def mean_disagrees(self) -> bool:
        """Whether the mean difference has the opposite sign of the signed ranks."""
        return self.effect * self.direction < 0


def contrasts(results: pd.DataFrame, reference: str, level: float = 0.95) -> list[Contrast]:
    """Compare the reference with every other method.

    Args:
        results: Rows of a study; rows with an error and incomplete pairs are left out.
        reference: The method to compare with.
        level: Level of the bootstrap intervals.

    Returns:
        One contrast per other method with at least two pairs.
    """
    scores = _scores(results)
    found = []
    for method in scores.columns.drop(reference):
        pair = scores[[reference, method]].dropna()
        differences = (pair[reference] - pair[method]).where(_apart(pair), 0.0)
        if len(differences) > 1:
            found.append((str(method), differences))
    corrected = holm([_wilcoxon(differences.to_numpy(dtype=np.float64)) for _, differences in found])
    return [_contrast(method, values, p, level) for (method, values), p in zip(found, corrected, strict=True)]


def _scores(results: pd.DataFrame) -> pd.DataFrame:
    """Test scores, larger is better, in standard deviations of their table: pairs of table and seed x methods."""
    good = results[results["error"].isna()]
    signs = good["metric"].map(lambda metric: 1.0 if higher_is_better(metric) else -1.0)
    scaled = good.assign(score=good["test"].astype(float) * signs)
    spread = scaled.groupby("table")["score"].transform("std").replace(0.0, np.nan).fillna(1.0)
    return scaled.assign(score=scaled["score"] / spread).pivot_table(
        index=["table", "seed"], columns="method", values="score"
    )


def _apart(pair: pd.DataFrame) -> "pd.Series[bool]":
    """Whether two scores differ by more than a rounding error."""
    return (pair.max(axis=1) - pair.min(axis=1)) > ROUNDING * pair.abs().max(axis=1)


def _wilcoxon(differences: Float64Array) -> float:
    return 1.0 if not differences.any() else float(stats.wilcoxon(differences).pvalue)


def _signed_ranks(differences: Float64Array) -> int:
    """Sign of the sum of the signed ranks; differences of zero have no rank."""
    kept = differences[differences != 0]
    return int(np.sign((np.sign(kept) * stats.rankdata(np.abs(kept))).sum()))


def _contrast(method: str, pairs: "pd.Series[float]", p: float, level: float) -> Contrast:
    differences = np.asarray(pairs, dtype=np.float64)
    spread = float(differences.std(ddof=1))
    mean = float(differences.mean())
    varied = spread > ROUNDING * abs(mean)
    interval = (mean, mean)
    if varied:
        random = np.random.default_rng(0)
        found = stats.bootstrap((differences,), np.mean, confidence_level=level, rng=random).confidence_interval
        interval = (float(found.low), float(found.high))
    wins = float((differences > 0).mean() + (differences == 0).mean() / 2)
    effect = mean / spread if varied else float("nan")
    means = pairs.groupby(level="table").mean()
    counts = len(means), int((means > 0).sum())
    return Contrast(method, len(differences), wins, *counts, effect, *interval, p, _signed_ranks(differences))


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


@dataclass(frozen=True)
class Ranks:
    """Ranks of the methods over tables and seeds.

    Args:
        means: Mean rank by method, from the best (lowest) to the worst; empty without blocks.
        blocks: Number of pairs of table and seed for which every method has a score.
        p: p value of Friedman's test for equal ranks; NaN with fewer than three methods or two blocks.
    """

    means: dict[str, float]
    blocks: int
    p: float


def mean_ranks(results: pd.DataFrame) -> Ranks:
    """Mean rank of each method over tables and seeds, and Friedman's test.

    Args:
        results: Rows of a study; pairs of table and seed without a score of some method are left out.
    """
    complete = _scores(results).dropna()
    ranks = complete.rank(axis=1, ascending=False).mean().dropna().sort_values()  # NaN without a complete pair
    few = complete.shape[1] < 3 or len(complete) < 2  # noqa: PLR2004 - what the test needs
    p: Any = float("nan") if few else stats.friedmanchisquare(*complete.to_numpy().T).pvalue
    return Ranks({str(method): float(rank) for method, rank in ranks.items()}, len(complete), float(p))


def spreads(results: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Spread of the methods' mean scores on each table, and the spread expected from seeds alone.

    Args:
        results: Rows of a study; those with an error are left out.

    Returns:
        By table, the standard deviation of the methods' mean scores, and the root of the average variance of such a
        mean, ``s² / n`` for ``n`` seeds. Tables with fewer than two methods with two seeds are left out. If methods
        share their seeds, the spread may be smaller even without any other difference.

    Example:
        >>> rows = {"table": "esol", "method": list("aabb"), "test": [1.0, 3.0, 2.0, 4.0], "error": None}
        >>> {table: (round(means, 2), round(seeds, 2)) for table, (means, seeds) in spreads(pd.DataFrame(rows)).items()}
        {'esol': (0.71, 1.0)}
    """
    good = results[results["error"].isna()]
    scores = good.assign(test=good["test"].astype(float)).groupby(["table", "method"])["test"]
    found = pd.DataFrame({"mean": scores.mean(), "noise": scores.var(ddof=1) / scores.count()}).dropna()
    return {
        str(table): (float(own["mean"].std(ddof=1)), float(np.sqrt(own["noise"].mean())))
        for table, own in found.groupby(level="table")
        if len(own) > 1
    }


def critical_difference(methods: int, blocks: int, level: float = 0.05) -> float:
    """Nemenyi's critical difference of mean ranks.

    Source: Demšar, JMLR 7 (2006), section 3.2.2.

    Args:
        methods: Number of methods, at least two.
        blocks: Number of rankings.
        level: Level of the test.

    Example:
        With four methods and 14 blocks, as in the example of the source:

        >>> round(critical_difference(4, 14), 2)
        1.25
    """
    quantile = float(stats.studentized_range.ppf(1 - level, methods, np.inf)) / float(np.sqrt(2))
    return quantile * float(np.sqrt(methods * (methods + 1) / (6 * blocks)))


def cliques(ranks: Mapping[str, float], difference: float) -> list[tuple[float, float]]:
    """Lowest and highest rank of each maximal group of methods whose mean ranks lie within the critical difference.

    Args:
        ranks: Mean ranks by method.
        difference: The critical difference.

    Example:
        >>> cliques({"a": 1.0, "b": 1.8, "c": 2.4, "d": 4.0}, 1.0)
        [(1.0, 1.8), (1.8, 2.4)]
    """
    ordered = sorted(ranks.values())
    found: list[tuple[float, float]] = []
    for place, low in enumerate(ordered):
        within = [rank for rank in ordered[place:] if rank - low <= difference]
        if len(within) > 1 and not (found and found[-1][1] >= within[-1]):
            found.append((low, within[-1]))
    return found
