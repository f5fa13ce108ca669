"""Logs what goes wrong in a run when it first shows, and not only at its end."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from molweight.mlo import Finding, Health, Record

__all__ = ["HealthLogger"]

_log: Final = logging.getLogger(__name__)


class HealthLogger:
    """The health of a running loop.

    Args:
        names: Names of the objectives.
        stage: What the loop is called in the log.
    """

    def __init__(self, names: Sequence[str], stage: str) -> None:
        """Start with nothing seen."""
        self._health, self._stage, self._said, self._steps = Health(names), stage, set[str](), 0

    def observe(self, record: Record) -> None:
        """Count what a step shows, without waiting for the device."""
        self._health.observe(record)
        self._steps += 1

    def report(self) -> list[Finding]:
        """Log what is new since the last time (reads the device).

        Returns:
            What is new: each kind of finding of each objective or level comes once.
        """
        found = self._health.findings() if self._steps else []
        new = [finding for finding in found if finding.key not in self._said]
        for finding in new:
            self._said.add(finding.key)
            # A truncated solve spends its budget by design: worth knowing, nothing to warn of.
            level = logging.INFO if finding.kind == "solve" else logging.WARNING
            _log.log(level, "%s, step %d: %s", self._stage, self._steps, finding.message)
        return new

    def state_dict(self) -> dict[str, Any]:
        """What was seen and said, to go on after an interruption."""
        return {"health": self._health.state_dict(), "said": sorted(self._said), "steps": self._steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken.

        Args:
            state: What it gave.
        """
        self._health.load_state_dict(state["health"])
        self._said, self._steps = set(state["said"]), int(state["steps"])
