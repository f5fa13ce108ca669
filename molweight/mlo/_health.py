"""Silent failures of a run, counted on the device and read on request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from molweight.mlo._record import Record
from molweight.mlo.solvers import Outcome

__all__ = ["Finding", "Health", "diagnose"]

EXPLODED = 1e3
"""A loss has exploded if it exceeds its first value by this factor."""
COLLAPSED = 1e-6
"""A loss has collapsed, and no longer trains the encoder, if it falls below this fraction of its first value."""
SATURATED = 0.95
"""A weight above this value is saturated."""
OFTEN = 0.1
"""Share of the steps above which a problem is reported."""
_WHAT = {
    "zero_gradient": "gave the encoder no gradient",
    "not_finite": "had a loss or gradient that is not finite",
    "exploded": f"had a loss over {EXPLODED:g} times its first value",
    "collapsed": f"had a loss under {COLLAPSED:g} times its first value",
    "saturated": f"held over {SATURATED:.0%} of the weight",
}
_ADVICE = {
    "zero_gradient": "its weight is wasted; drop or repair it",
    "not_finite": "look for overflow or division by zero in it",
    "exploded": "lower the learning rate of level 1",
    "collapsed": "it is solved and no longer trains the encoder, whatever its weight",
    "saturated": "set a floor or lower the weighting's lr if the other objectives should count",
}
_FAILURES = (Outcome.BUDGET_SPENT, Outcome.NEGATIVE_CURVATURE, Outcome.DIVERGED, Outcome.NON_FINITE)


@dataclass(frozen=True)
class Finding:
    """A detected problem.

    Args:
        kind: ``"zero_gradient"``, ``"not_finite"``, ``"exploded"``, ``"collapsed"``, ``"saturated"`` or ``"solve"``.
        name: The objective, or the level for ``"solve"``.
        share: Share of the affected steps (or solves), from 0 to 1.
        message: One sentence with the problem, its frequency and the remedy.
        outcome: How the solves ended, for ``"solve"``; empty otherwise.
    """

    kind: str
    name: str
    share: float
    message: str
    outcome: str = ""

    @property
    def key(self) -> str:
        """Kind and name, without the frequency: ``"collapsed: graphcl"``, ``"budget spent: finetune"``."""
        return f"{self.outcome or self.kind.replace('_', ' ')}: {self.name}"


class Health:
    """Monitors the records of a run without synchronising with the device; only :meth:`findings` reads it.

    Args:
        names: Names of the objectives.

    Example:
        >>> health = Health(["useful", "constant"])
        >>> steps = [Record(0, health.names, torch.ones(2), torch.full((2,), 0.5), torch.tensor([1.0, 0.0]))] * 5
        >>> for record in steps:
        ...     health.observe(record)
        >>> print(health.findings()[0].message)
        objective 'constant' gave the encoder no gradient in 100% of 5 steps: its weight is wasted; drop or repair it.
    """

    def __init__(self, names: Sequence[str]) -> None:
        """Create empty counts."""
        self.names = tuple(names)
        self._steps = 0
        self._counts: dict[str, Tensor] = {}
        self._first: Tensor | None = None
        self._solves: dict[str, Tensor] = {}
        self._residuals: dict[str, Tensor] = {}

    def observe(self, record: Record) -> None:
        """Count the problems of one step.

        Args:
            record: The result of :meth:`Loop.step`.
        """
        self._steps += 1
        losses = record.losses
        first = losses.abs() if self._first is None else self._first.to(losses.device)
        # "First" is the first usable loss: finite and not zero. It is chosen on the device, like all counts.
        self._first = torch.where(first.isfinite() & (first > 0), first, losses.abs())
        sizes = losses.new_ones(len(losses)) if record.sizes is None else record.sizes
        self._count("zero_gradient", sizes == 0)
        self._count("not_finite", ~losses.isfinite() | ~sizes.isfinite())
        self._count("exploded", losses.abs() > EXPLODED * self._first)
        self._count("collapsed", losses.abs() < COLLAPSED * self._first)
        self._count("saturated", record.weights > SATURATED)
        for level, stats in record.solves.items():
            _add(self._solves, level, torch.nn.functional.one_hot(stats.code, len(Outcome)))
            if stats.residual is not None:
                # A single NaN would make the mean residual of the whole run NaN; that solve is counted by its outcome.
                _add(self._residuals, level, stats.residual.nan_to_num())

    def findings(self) -> list[Finding]:
        """Findings, the most frequent first (reads the device)."""
        found = []
        for kind, counts in self._counts.items():
            shares = (counts / self._steps).tolist()
            for name, share in zip(self.names, shares, strict=True):
                if share > (0.0 if kind == "not_finite" else OFTEN):
                    found.append(Finding(kind, name, share, self._sentence(kind, name, share)))
        for level, counts in self._solves.items():
            found += _solve_findings(level, counts.tolist(), self._residuals.get(level))
        return sorted(found, key=lambda finding: -finding.share)

    def state_dict(self) -> dict[str, Any]:
        """The counts, for an exact resume."""
        return {
            "steps": self._steps,
            "counts": dict(self._counts),
            "first": self._first,
            "solves": dict(self._solves),
            "residuals": dict(self._residuals),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from saved counts, which may be on another device.

        Args:
            state: The result of :meth:`state_dict`.
        """
        self._steps, self._first = int(state["steps"]), state["first"]
        self._counts, self._solves = dict(state["counts"]), dict(state["solves"])
        self._residuals = dict(state["residuals"])

    def _count(self, kind: str, happened: Tensor) -> None:
        # A single objective has the weight one by definition.
        if len(self.names) == 1 and kind == "saturated":
            return
        _add(self._counts, kind, happened.long())

    def _sentence(self, kind: str, name: str, share: float) -> str:
        return f"objective {name!r} {_WHAT[kind]} in {share:.0%} of {self._steps} steps: {_ADVICE[kind]}."


def _add(sums: dict[str, Tensor], name: str, value: Tensor) -> None:
    # Loaded counts may still be on the device from which they were read.
    sums[name] = sums[name].to(value.device) + value if name in sums else value


def _solve_findings(level: str, counts: list[int], residuals: Tensor | None) -> list[Finding]:
    total = sum(counts)
    mean = "" if residuals is None else f" (mean relative residual {float(residuals) / total:.2g})"
    found = []
    for outcome in _FAILURES:
        share = counts[outcome] / total
        if share > (0.0 if outcome is Outcome.NON_FINITE else OFTEN):
            what = outcome.name.lower().replace("_", " ")
            message = f"level {level!r}: {share:.0%} of {total} solves ended with {what}{mean}: {outcome.advice}."
            found.append(Finding("solve", level, share, message, what))
    return found


def diagnose(history: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Findings about a run, from its history alone.

    Args:
        history: Summaries of the steps; see :meth:`Record.summary`.

    Returns:
        The result of :meth:`Health.findings`; empty for an empty history.

    Example:
        >>> step = {"step": 0, "losses": {"a": 1.0}, "weights": {"a": 1.0}, "norms": {"a": 0.0}}
        >>> [finding.key for finding in diagnose([step])]
        ['zero gradient: a']
    """
    if not history:
        return []
    records = [Record.of_summary(row) for row in history]
    health = Health(records[0].names)
    for record in records:
        health.observe(record)
    return health.findings()
