"""Evidence on each objective from the hypergradients of a run, in standard errors."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

__all__ = ["Evidence", "format_evidence", "weigh_evidence"]

Verdict = Literal["helps", "hurts", "undecided"]

_EARLY: Final = 20
"""Hypergradients that are left out at most: heads are random and level 2 is far from its end, see ``EvidenceRule``."""
_LEVEL: Final = 0.05
"""Chance of any wrong verdict in a run where no objective matters."""
_LEAST: Final = 16
"""Hypergradients below which there is no verdict."""


@dataclass(frozen=True)
class Evidence:
    """Evidence on one objective.

    Args:
        name: Its name.
        errors: Mean effect of more weight on the meta loss against the average objective, in standard errors; positive
            where more weight lowers it.
        verdict: ``"helps"`` or ``"hurts"`` where that is more than chance, else ``"undecided"``.
    """

    name: str
    errors: float
    verdict: Verdict


def weigh_evidence(records: Sequence[Mapping[str, Any]]) -> list[Evidence]:
    """Weigh the hypergradients of a run.

    Each hypergradient is centred over the objectives: weights sum to one, so only differences count. Consecutive ones
    share a model and are correlated; standard errors are those of the means of ``sqrt(n)`` blocks (batch means; Flegal
    & Jones, Annals of Statistics 38, 2010). The first 20, or a third, are left out. A verdict takes more standard
    errors than Student's quantile for the number of blocks at 5 %, divided by the number of objectives (Bonferroni).

    Args:
        records: One per step, as of :attr:`molweight.Run.records`.

    Returns:
        One entry per objective, those that help first; empty where there are fewer than 16 hypergradients or two
        objectives.

    Example:
        >>> noise = np.random.default_rng(0).normal(size=(100, 2))
        >>> records = [{"hypergradient": {"useful": -1 + a, "noise": b}} for a, b in noise]
        >>> [(found.name, found.verdict) for found in weigh_evidence(records)]
        [('useful', 'helps'), ('noise', 'hurts')]
    """
    from scipy.special import stdtrit  # Student's quantile as of `scipy.stats`, which takes a second to import

    taken = [record["hypergradient"] for record in records if record.get("hypergradient")]
    names = list(taken[0]) if taken else []
    values = np.array([[row[name] for name in names] for row in taken], dtype=np.float64)
    values = values[min(_EARLY, len(values) // 3) :]
    if len(names) < 2 or len(taken) < _LEAST or not np.isfinite(values).all():  # noqa: PLR2004 - two to compare
        return []
    centred = values - values.mean(axis=1, keepdims=True)
    blocks = np.array([part.mean(axis=0) for part in np.array_split(centred, math.isqrt(len(centred)))])
    error = blocks.std(axis=0, ddof=1) / math.sqrt(len(blocks))
    errors = -np.divide(blocks.mean(axis=0), error, out=np.zeros_like(error), where=error > 0)
    bar = float(stdtrit(len(blocks) - 1, 1 - _LEVEL / (2 * len(names))))
    found = [Evidence(name, float(value), _verdict(value, bar)) for name, value in zip(names, errors, strict=True)]
    return sorted(found, key=lambda item: -item.errors)


def _verdict(errors: float, bar: float) -> Verdict:
    if abs(errors) <= bar:
        return "undecided"
    return "helps" if errors > 0 else "hurts"


def format_evidence(records: Sequence[Mapping[str, Any]]) -> str:
    """The verdict on each objective, one line each; empty where there is none.

    Args:
        records: One per step, as of :attr:`molweight.Run.records`.
    """
    found = weigh_evidence(records)
    if not found:
        return ""
    width = max(len(item.name) for item in found)
    lines = [f"  {item.name:<{width}}  {item.verdict:<9}  {item.errors:+.1f} s.e." for item in found]
    head = "evidence of each objective against the average one (positive: more weight lowers the meta loss):"
    undecided = [item for item in found if item.verdict == "undecided"]
    tail = ["  no objective is better or worse than chance explains: equal weights would do"]
    return "\n".join([head, *lines, *(tail if len(undecided) == len(found) else [])])
