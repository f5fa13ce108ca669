"""Evidence on each objective from the hypergradients of a run, in standard errors."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from molweight.arrays import Float64Array

__all__ = ["Evidence", "evidence_is_in", "format_evidence", "format_learned", "weigh_evidence", "why_no_evidence"]

Verdict = Literal["helps", "hurts", "undecided"]

_EARLY: Final = 20
"""Limit on the early hypergradients left out (heads are random, level 2 is unsolved); see ``EvidenceRule``."""
_LEVEL: Final = 0.05
"""Probability of any wrong verdict in a run in which no objective matters."""
_LEAST: Final = 16
"""Minimum number of hypergradients for a verdict."""
_LOOKS: Final = 10
"""Maximum number of tests for ending a run early."""
_READ: Final = 20
"""Steps between reads of the records from the device."""
_LEAST_TO_END: Final = 60
"""Minimum number of hypergradients for ending early: those left out, and twice as many that span more steps.

The first steps of a run agree with each other far better than they predict later ones.
"""
_OUTSIDE: Final = 0.05
"""Tail probability of the interval that must lie within the smallest effect that a whole run could detect."""


@dataclass(frozen=True)
class Evidence:
    """Evidence on one objective.

    Args:
        name: Its name.
        errors: Mean effect of more weight on the meta loss, relative to the average objective and in standard errors;
            positive if more weight lowers the loss.
        verdict: ``"helps"`` or ``"hurts"`` if the effect is significant, else ``"undecided"``.
        needed: Threshold of a verdict in standard errors: the fewer steps, the higher.
    """

    name: str
    errors: float
    verdict: Verdict
    needed: float


def weigh_evidence(records: Sequence[Mapping[str, Any]]) -> list[Evidence]:
    """Test the hypergradients of a run.

    Each hypergradient is centred over the objectives, because weights sum to one and only differences matter.
    Consecutive hypergradients are correlated, so standard errors are computed from the means of ``sqrt(n)`` blocks
    (batch means; Flegal & Jones, Annals of Statistics 38, 2010). The first 20 are left out, or a third if there are
    fewer than 60. The threshold for a verdict is Student's quantile for the number of blocks at 5 % divided by the
    number of objectives (Bonferroni).

    Args:
        records: One per step, as in :attr:`molweight.Run.records`.

    Returns:
        One entry per objective, the most helpful first; empty with fewer than 16 hypergradients or fewer than two
        objectives.

    Example:
        >>> noise = np.random.default_rng(0).normal(size=(100, 2))
        >>> records = [{"hypergradient": {"useful": -1 + a, "noise": b}} for a, b in noise]
        >>> [(found.name, found.verdict) for found in weigh_evidence(records)]
        [('useful', 'helps'), ('noise', 'hurts')]
    """
    found = _weighed(records)
    if found is None:
        return []
    bar = _bar(found.blocks, len(found.names))
    items = [Evidence(name, float(z), _verdict(z, bar), bar) for name, z in zip(found.names, found.errors, strict=True)]
    return sorted(items, key=lambda item: -item.errors)


@dataclass(frozen=True)
class _Weighed:
    """Effects in units of their standard errors."""

    names: list[str]
    errors: Float64Array
    blocks: int
    used: int
    """Hypergradients that were not left out."""


def _weighed(records: Sequence[Mapping[str, Any]]) -> _Weighed | None:
    """Effects in standard errors; ``None`` if there are too few hypergradients."""
    taken = [record["hypergradient"] for record in records if record.get("hypergradient")]
    names = list(taken[0]) if taken else []
    values = np.array([[row[name] for name in names] for row in taken], dtype=np.float64)
    values = values[_left_out(len(values)) :]
    if len(names) < 2 or len(taken) < _LEAST or not np.isfinite(values).all():  # noqa: PLR2004 - two to compare
        return None
    centred = values - values.mean(axis=1, keepdims=True)
    blocks = np.array([part.mean(axis=0) for part in np.array_split(centred, math.isqrt(len(centred)))])
    error = blocks.std(axis=0, ddof=1) / math.sqrt(len(blocks))
    errors = -np.divide(blocks.mean(axis=0), error, out=np.zeros_like(error), where=error > 0)
    return _Weighed(names, errors, len(blocks), len(centred))


def _left_out(count: int) -> int:
    """Number of uninformative first hypergradients among ``count``."""
    return min(_EARLY, count // 3)


def _bar(blocks: int, count: int, looks: int = 1) -> float:
    """Threshold of a verdict in standard errors: Bonferroni over the objectives and the tests."""
    return _quantile(blocks, 1 - _LEVEL / (2 * count * looks))


def _quantile(blocks: int, level: float) -> float:
    from scipy.special import stdtrit  # Student's quantile; importing `scipy.stats` would take a second

    return float(stdtrit(blocks - 1, level))


def evidence_is_in(records: Sequence[Mapping[str, Any]], steps: int) -> bool:
    """Whether a run may end before its last step, as no verdict of :func:`weigh_evidence` is likely to change.

    This holds if each objective is either

    - *decided*: its effect exceeds the threshold of a verdict, at 5 % divided by the number of objectives and of tests,
      because repeated testing inflates the error rate (Bonferroni; Jennison & Turnbull, *Group sequential methods*,
      2000); or
    - *too small to matter here*: the 90 % interval of its effect lies within the smallest effect that all ``steps``
      steps could detect, i.e. the final threshold of a verdict times the final standard error. The objective would
      remain undecided (stopping for futility; Lan, Simon & Halperin, Sequential Analysis 1, 1982).

    A run is tested ten times at most, at multiples of 20 steps, and not before 60 hypergradients. The rule assumes that
    effects are constant: one that grows late is missed.

    Args:
        records: One per step so far, as in :attr:`molweight.Run.records`.
        steps: Number of steps of the whole run.

    Example:
        >>> noise = np.random.default_rng(0).normal(size=(80, 2))
        >>> records = [{"hypergradient": {"useful": a - 2, "noise": b}} for a, b in noise]
        >>> evidence_is_in(records, 200), evidence_is_in(records[:79], 200)  # 79 is no multiple of 20
        (True, False)
    """
    between = -(-max(1, steps) // (_LOOKS * _READ)) * _READ
    done = len(records)
    found = _weighed(records) if done % between == 0 and done < steps else None
    taken = sum(bool(record.get("hypergradient")) for record in records)
    if found is None or taken < _LEAST_TO_END:
        return False
    planned = taken * steps // done
    later, sizes, count = planned - _left_out(planned), abs(found.errors), len(found.names)
    # In current standard errors; the final one is smaller by the root of this share.
    shown = _bar(math.isqrt(later), count) * math.sqrt(found.used / later)
    decided = sizes > _bar(found.blocks, count, looks=-(-steps // between))
    small = sizes + _quantile(found.blocks, 1 - _OUTSIDE) < shown
    return bool((decided | small).all())


def _verdict(errors: float, bar: float) -> Verdict:
    if abs(errors) <= bar:
        return "undecided"
    return "helps" if errors > 0 else "hurts"


def format_evidence(records: Sequence[Mapping[str, Any]]) -> str:
    """The verdict on each objective, one line each, and the threshold of a verdict; empty without hypergradients.

    Args:
        records: One per step, as in :attr:`molweight.Run.records`.
    """
    found = weigh_evidence(records)
    if not found:
        reason = why_no_evidence(records)
        return reason and f"evidence for each objective: {reason}"
    width = max(len(item.name) for item in found)
    lines = [f"  {item.name:<{width}}  {item.verdict:<9}  {item.errors:+.1f} s.e." for item in found]
    head = "evidence for each objective relative to the average one (positive: more weight lowers the meta loss):"
    undecided = any(item.verdict == "undecided" for item in found)
    needed = [f"  undecided: a verdict needs ±{found[0].needed:.1f} s.e.; more steps lower this threshold"]
    ended = [f"  adaptive pretraining {text}" for text in [records[-1].get("ended")] if text]
    tail = ["  No objective differs significantly from the average; there is no evidence against equal weights."]
    return "\n".join([head, *lines, *(needed * undecided), *(tail * _no_sign(records)), *ended])


def why_no_evidence(records: Sequence[Mapping[str, Any]]) -> str:
    """The reason why there is no verdict, if objectives were compared in too few steps; else empty.

    Example:
        >>> why_no_evidence([{"hypergradient": {"useful": -1.0, "noise": 0.1}}] * 10)
        'too few steps for a verdict (10 hypergradients; at least 16 are needed)'
    """
    taken = [record["hypergradient"] for record in records if record.get("hypergradient")]
    if not taken or len(taken) >= _LEAST or len(taken[0]) < 2:  # noqa: PLR2004 - two to compare
        return ""
    return f"too few steps for a verdict ({len(taken)} hypergradients; at least {_LEAST} are needed)"


def _no_sign(records: Sequence[Mapping[str, Any]]) -> bool:
    """Whether no effect would be significant even if it were the only one that is tested.

    An effect above that level but below the threshold of a verdict is weak evidence against equal weights.
    """
    found = _weighed(records)
    return found is not None and bool((abs(found.errors) <= _quantile(found.blocks, 1 - _LEVEL / 2)).all())


def format_learned(records: Sequence[Mapping[str, Any]]) -> str:
    """Initial and final value of each learned option, one line each; empty if there are none.

    Args:
        records: One per step, see :attr:`molweight.Run.records`.

    Example:
        >>> name = "graphcl.temperature"
        >>> print(format_learned([{"learned": {name: 0.1}, "next_learned": {name: 0.12}}]))
        learned options:
          graphcl.temperature  0.1 to 0.12
    """
    if not (records and records[-1].get("learned")):
        return ""
    first, last = records[0]["learned"], records[-1]["next_learned"]
    width = max(map(len, first))
    lines = [f"  {name:<{width}}  {first[name]:.3g} to {last[name]:.3g}" for name in first]
    return "\n".join(["learned options:", *lines])
