"""A pretraining in progress: its records, and everything needed to resume it exactly."""

import logging
import time
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import torch

from molweight.errors import TrainingError
from molweight.mlo import Loop, Record
from molweight.models import Pretrainer
from molweight.training._batches import Corpus, TaskSource
from molweight.training._contracts import check_weights
from molweight.training._monitor import HealthLogger
from molweight.training._state import Stage

__all__ = ["PretrainingState"]

_FLUSH: Final = 20
"""Steps between reading the records, the only time the loop waits for the device."""
_log = logging.getLogger(__name__)


@dataclass
class PretrainingState:
    """The records of a pretraining and its state.

    Args:
        model: Encoder and heads of level 1.
        corpus: Source of unlabelled molecules.
        loop: The three levels.
        task: Source of labelled molecules, if any.
        health: Logs what goes wrong.
        history: One record per step as plain numbers.
    """

    model: Pretrainer
    corpus: Corpus
    loop: Loop
    task: TaskSource | None
    health: HealthLogger
    history: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start the clock."""
        self._pending: list[tuple[float, Record]] = []
        self._started = time.perf_counter()

    @property
    def flush_due(self) -> bool:
        """Whether it is time to read the records: at the same steps with and without interruptions."""
        return self.loop.steps % _FLUSH == 0

    def observe(self, record: Record) -> None:
        """Keep a record, without waiting for the device."""
        self.health.observe(record)
        self._pending.append((time.perf_counter() - self._started, record))

    def flush(self, stage: Stage, *, report: bool) -> None:
        """Read the pending records off the device and pass them to the callbacks.

        Args:
            stage: Its callbacks are called.
            report: Whether to log new findings; they go into the last record.

        Raises:
            TrainingError: If a loss is not finite, or weights are not on the simplex.
        """
        rows = [{**record.summary(), "seconds": seconds} for seconds, record in self._pending]
        self._pending.clear()
        new = self.health.report() if report and rows else []
        if new:
            rows[-1]["findings"] = "; ".join(finding.key for finding in new)
        self.history.extend(rows)
        for row in rows:
            stage.log(row["step"], row)
            self._check_weights(row)
            for name, loss in row["losses"].items():
                if not np.isfinite(loss):
                    raise TrainingError(
                        f"objective {name!r}: its loss is {loss} at step {row['step']}. Lower pretrain_lr, or leave "
                        "the objective out."
                    )

    def _check_weights(self, row: dict[str, Any]) -> None:
        """Refuse weights that are not on the simplex, those of the step and those after its update."""
        name = type(self.loop.weighting).__name__
        for step, key in ((row["step"], "weights"), (row["step"] + 1, "next_weights")):
            if key in row:
                check_weights(name, step, list(row[key].values()))

    def state(self) -> dict[str, Any]:
        """Everything an exact resumption needs, after a :meth:`flush`."""
        task = self.task
        return {
            "loop": self.loop.state_dict(),
            "buffers": dict(self.model.named_buffers()),
            "task_buffers": {} if task is None else dict(task.model.named_buffers()),
            "corpus": self.corpus.state_dict(),
            "task": None if task is None else task.state_dict(),
            "health": self.health.state_dict(),
            "history": self.history,
            "seconds": time.perf_counter() - self._started,
        }

    def resume(self, stage: Stage) -> None:
        """Resume from a checkpoint, if there is one."""
        state = stage.read()
        if state is None:
            return
        device = self.corpus.generator.device
        state["loop"] |= {key: _placed(state["loop"][key], device) for key in ("starts", "scales")}
        self.loop.load_state_dict(state["loop"])
        self.model.load_state_dict(state["buffers"], strict=False)
        self.corpus.load_state_dict(state["corpus"])
        if self.task is not None:
            self.task.model.load_state_dict(state["task_buffers"], strict=False)
            self.task.load_state_dict(state["task"])
        self.health.load_state_dict(_placed(state["health"], device))
        self.history = state["history"]
        self._started = time.perf_counter() - state["seconds"]
        _log.info("%s pretraining: resuming after step %d", stage.name, self.loop.steps)


def _placed(value: Any, device: torch.device) -> Any:
    """The same with its tensors on the device."""
    if isinstance(value, dict):
        return {key: _placed(item, device) for key, item in value.items()}
    return value.to(device) if isinstance(value, torch.Tensor) else value
