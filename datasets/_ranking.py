"""Ranking metrics for rare positives: enrichment at the top of a list."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from molweight.arrays import FloatArray

__all__ = ["Ranking", "format_rankings", "rankings"]

_RARE: Final = 0.1
"""Share of positives below which a class is rare."""
_ALPHA: Final = 20.0
"""Parameter of BEDROC: about 80 % of the score comes from the first 8 % of the list."""
_TOP: Final = 100


@dataclass(frozen=True)
class Ranking:
    """The ranking of one target; ties are averaged over their orders.

    Args:
        base_rate: Share of positives.
        average_precision: Mean precision at each positive; a random order has the base rate.
        enrichment_1: Share of positives among the first 1 %, divided by the base rate.
        enrichment_5: The same for the first 5 %.
        bedroc: BEDROC with alpha 20, between 0 and 1. Source: Truchon and Bayly, *Evaluating virtual screening methods:
            good and bad metrics for the "early recognition" problem*, J. Chem. Inf. Model. 2007.
        top: Length of the list whose precision is given: 100, or a tenth of the rows if that is less.
        precision_top: Share of positives in it.
    """

    base_rate: float
    average_precision: float
    enrichment_1: float
    enrichment_5: float
    bedroc: float
    top: int
    precision_top: float


def rankings(truth: Any, predicted: Any, names: Sequence[str], *, rare: float = _RARE) -> dict[str, Ranking]:
    """The rankings of targets whose positives are rare.

    Args:
        truth: Labels, ``n x T``, NaN for missing.
        predicted: Predictions, ``n x T``.
        names: Names of the targets.
        rare: Share of positives below which a target is included; 1 for every binary target.

    Returns:
        The rankings by name; targets that are not classes, or have no positive or no negative, are left out.

    Example:
        >>> truth = np.zeros((200, 1))
        >>> truth[:4] = 1
        >>> found = rankings(truth, -np.arange(200.0)[:, None], ["active"])["active"]
        >>> found.base_rate, found.average_precision, found.enrichment_1, found.precision_top
        (0.02, 1.0, 50.0, 0.2)
    """
    labels, scores = np.asarray(truth, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    found = {}
    for place, name in enumerate(names):
        known = ~np.isnan(labels[:, place])
        own = labels[known, place]
        if len(own) and np.isin(own, (0, 1)).all() and 0 < own.mean() < rare:
            found[name] = _ranking(own, scores[known, place])
    return found


def format_rankings(found: dict[str, Ranking]) -> list[str]:
    """One line per target.

    Args:
        found: See :func:`rankings`.
    """
    return [
        f"{name}: {100 * item.base_rate:.1f} % positive; average precision {item.average_precision:.3f}, enrichment "
        f"{item.enrichment_1:.1f} at 1 % and {item.enrichment_5:.1f} at 5 %, BEDROC {item.bedroc:.3f}, "
        f"{100 * item.precision_top:.0f} % of the top {item.top} positive"
        for name, item in found.items()
    ]


def _ranking(truth: FloatArray, predicted: FloatArray) -> Ranking:
    from sklearn.metrics import average_precision_score

    order = np.argsort(-predicted, kind="stable")
    gains = _shared(truth[order], predicted[order])
    base, count = float(truth.mean()), len(truth)
    top = min(_TOP, max(count // 10, 1))
    return Ranking(
        base_rate=base,
        average_precision=float(average_precision_score(truth, predicted)),
        enrichment_1=_precision(gains, 0.01 * count) / base,
        enrichment_5=_precision(gains, 0.05 * count) / base,
        bedroc=_bedroc(gains),
        top=top,
        precision_top=_precision(gains, top),
    )


def _shared(truth: FloatArray, predicted: FloatArray) -> FloatArray:
    """Expected label at each rank if ties are ordered at random."""
    starts = np.flatnonzero(np.r_[True, np.diff(predicted) != 0])
    lengths = np.diff(np.r_[starts, len(truth)])
    shared: FloatArray = np.repeat(np.add.reduceat(truth, starts) / lengths, lengths)
    return shared


def _precision(gains: FloatArray, length: float) -> float:
    """Share of positives among the first rows, at least one."""
    first = max(int(np.ceil(length - 1e-9)), 1)
    return float(gains[:first].mean())


def _bedroc(gains: FloatArray) -> float:
    """RIE, rescaled from its minimum and maximum to [0, 1]."""
    count, share = len(gains), float(gains.mean())
    weights = np.exp(-_ALPHA * np.arange(1, count + 1) / count)
    rie = float(gains @ weights) / (share * float(weights.sum()))
    low = (1 - np.exp(_ALPHA * share)) / (share * (1 - np.exp(_ALPHA)))
    high = (1 - np.exp(-_ALPHA * share)) / (share * (1 - np.exp(-_ALPHA)))
    return float((rie - low) / (high - low))
