"""The pretraining loop, common to generic and task-adaptive pretraining with any weighting."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from molweight._progress import progress_bar
from molweight.distributed import of_first
from molweight.errors import ConfigError, MolweightError, TrainingError, mention
from molweight.mlo import Finding, Health, Loop, LossFn, Record, check_deterministic
from molweight.mlo.internal import check_simplex, name_of
from molweight.models import Pretrainer
from molweight.training._batches import Corpus, TaskSource
from molweight.training._state import Session, Stage

__all__ = ["HealthLogger", "PretrainingState", "check_losses", "pretrain", "take_step"]

_LOG: Final = logging.getLogger(__name__)
_DIVERGED: Final = 1e6
"""Variables of a converging network are smaller than this by orders of magnitude."""
_FLUSH: Final = 20
"""Steps between reads of the records, the only synchronisation of the loop with the device."""


class HealthLogger:
    """The health of a running loop.

    Args:
        names: Names of the objectives.
        stage: Name of the loop in the log.
    """

    def __init__(self, names: Sequence[str], stage: str) -> None:
        """Create empty counts."""
        self._health, self._stage, self._said, self._steps = Health(names), stage, set[str](), 0

    def observe(self, record: Record) -> None:
        """Count the problems of a step, without synchronising with the device."""
        self._health.observe(record)
        self._steps += 1

    def report(self) -> list[Finding]:
        """Log new findings (reads the device).

        Returns:
            The new findings: each kind is reported once per objective or level.
        """
        found = self._health.findings() if self._steps else []
        new = [finding for finding in found if finding.key not in self._said]
        for finding in new:
            self._said.add(finding.key)
            # A truncated solve spends its budget by design: information, not a warning.
            level = logging.INFO if finding.kind == "solve" else logging.WARNING
            _LOG.log(level, "%s, step %d: %s", self._stage, self._steps, finding.message)
        return new

    def state_dict(self) -> dict[str, Any]:
        """Counters and messages, to resume after an interruption."""
        return {"health": self._health.state_dict(), "said": sorted(self._said), "steps": self._steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state saved by :meth:`state_dict`.

        Args:
            state: A result of :meth:`state_dict`.
        """
        self._health.load_state_dict(state["health"])
        self._said, self._steps = set(state["said"]), int(state["steps"])


Decided: TypeAlias = Callable[[list[dict[str, Any]]], bool]
"""Decides from the records so far whether training may end."""


@dataclass
class PretrainingState:
    """The records of a pretraining and its state.

    Args:
        model: Encoder and heads of level 1.
        corpus: Source of unlabelled molecules.
        loop: The three levels.
        task: Source of labelled molecules, if any.
        health: Logs problems.
        history: One record per step as plain numbers.
        ended: Whether a time limit has ended it; a resumed job does not continue it, whatever its own limit.
    """

    model: Pretrainer
    corpus: Corpus
    loop: Loop
    task: TaskSource | None
    health: HealthLogger
    history: list[dict[str, Any]] = field(default_factory=list)
    ended: bool = False

    def __post_init__(self) -> None:
        """Start the clock."""
        self._pending: list[tuple[float, Record]] = []
        self._started = time.perf_counter()

    def lasted(self, seconds: float | None) -> bool:
        """Whether pretraining has taken this many seconds, now or in an earlier session, which is remembered."""
        if seconds is not None and not self.ended:
            self.ended = of_first(time.perf_counter() - self._started) >= seconds
        return self.ended

    def decided(self, rule: "Decided | None") -> bool:
        """Whether a rule ends training here; interruptions do not change when it is evaluated."""
        return rule is not None and self.flush_due and rule(self.history)

    @property
    def flush_due(self) -> bool:
        """Whether to read the records now; at the same steps with and without interruptions."""
        return self.loop.steps % _FLUSH == 0

    def observe(self, record: Record) -> None:
        """Store a record, without synchronising with the device."""
        self.health.observe(record)
        self._pending.append((time.perf_counter() - self._started, record))

    def flush(self, stage: Stage, *, report: bool) -> None:
        """Read the pending records off the device and pass them to the callbacks.

        Args:
            stage: The stage, whose callbacks are called.
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
        self._check_task()

    def _check_task(self) -> None:
        """Refuse diverged variables of level 2, as from a learning rate that is too large."""
        values = [tensor.detach().abs().max() for tensor in self.loop.finetuned.values() if tensor.numel()]
        largest = float(torch.stack(values).max()) if values else 0.0
        if not largest < _DIVERGED:
            rate = mention("finetune_lr" if self.loop.graph.moves_task else "pretrain_lr", 0.001)
            raise TrainingError(
                f"adaptive pretraining: the task model diverges: its variables reach {largest:.3g} at step "
                f"{self.loop.steps}. Lower the learning rate: {rate}."
            )

    def _check_weights(self, row: dict[str, Any]) -> None:
        """Refuse weights that are not on the simplex, both before and after the update of the step."""
        name = name_of(self.loop.weighting)
        for step, key in ((row["step"], "weights"), (row["step"] + 1, "next_weights")):
            if key in row:
                check_simplex(name, step, list(row[key].values()))

    def state(self) -> dict[str, Any]:
        """The state for an exact resume, after a :meth:`flush`."""
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
            "ended": self.ended,
        }

    def resume(self, stage: Stage) -> None:
        """Resume from a checkpoint, if there is one."""
        state = stage.read()
        if state is not None:
            self.load_state_dict(state)
            _LOG.info("%s pretraining: resuming after step %d", stage.name, self.loop.steps)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a state of :meth:`state`.

        Args:
            state: The state.
        """
        self.loop.load_state_dict(state["loop"])
        self.model.load_state_dict(state["buffers"], strict=False)
        self.corpus.load_state_dict(state["corpus"])
        if self.task is not None:
            self.task.model.load_state_dict(state["task_buffers"], strict=False)
            self.task.load_state_dict(state["task"])
        self.health.load_state_dict(state["health"])
        self.history = state["history"]
        self._started = time.perf_counter() - state["seconds"]
        self.ended = state.get("ended", False)  # earlier states do not have it


def pretrain(
    model: Pretrainer,
    corpus: Corpus,
    loop: Loop,
    *,
    steps: int,
    task: TaskSource | None = None,
    progress: str | None = None,
    stage: Stage | None = None,
    seconds: float | None = None,
    decided: Decided | None = None,
) -> list[dict[str, Any]]:
    """Take ``steps`` steps of the three-level loop.

    Args:
        model: Encoder and heads, whose parameters ``loop`` moves.
        corpus: Unlabelled molecules.
        loop: The three levels.
        steps: Number of steps.
        task: Labelled molecules; required if the loop's weighting learns from the task.
        progress: Title of a progress bar; ``None`` for none.
        stage: Checkpoints and callbacks; training resumes from an existing checkpoint.
        seconds: Time limit, but at least one step is taken; ``None`` for no limit.
        decided: Decides at every 20th step from the records so far whether to end early; ``None`` for never.

    Returns:
        One record per step as plain numbers: see :meth:`molweight.mlo.Record.summary`, and ``seconds`` since the start.
        A problem is logged when first detected, and is under ``findings`` in the record of that step. If training ended
        early, the last record has a field ``ended``.

    Raises:
        TrainingError: If a loss is no longer finite.
        MolweightError: If the code of an objective fails, or violates its contract.
        KeyboardInterrupt: If the process was asked to stop; the state is written.
    """
    stage = stage or Session().stage("pretraining")
    state = PretrainingState(model, corpus, loop, task, HealthLogger(loop.weighting.names, progress or "pretraining"))
    last = end = loop.steps + steps
    state.resume(stage)
    if loop.steps and (state.lasted(seconds) or state.decided(decided)):  # stopped early before the interruption
        end = loop.steps
    bar = progress_bar(progress, end, "steps", done=loop.steps)
    with bar, stage.interruptible():
        while loop.steps < end:
            try:
                record = take_step(model, corpus, loop, task)
            except MolweightError:
                state.health.report()  # earlier findings first: they may be the cause
                raise
            state.observe(record)
            if state.lasted(seconds):
                end = loop.steps
            if loop.steps == end or state.flush_due or stage.should_save:
                state.flush(stage, report=loop.steps == end or state.flush_due)
                end = loop.steps if state.decided(decided) else end
                bar.set_postfix_str(_weights(state.history[-1]))
                stage.checkpoint(state.state)
            bar.update()
    title = progress or "pretraining"
    if end < last and state.decided(decided):
        text = f"{end} of {last} steps, because no verdict on an objective is likely to change"
        state.history[-1]["ended"] = f"ended after {text}"
        _LOG.info("%s: %s", title, text)
    elif end < last:
        _LOG.warning("%s: only %d of %d steps, because of the time limit", title, end, last)
    if stage.session.folder is not None:
        stage.write(state.state())
    return state.history


def take_step(model: Pretrainer, corpus: Corpus, loop: Loop, task: TaskSource | None) -> Record:
    """Draw the batches of the next step, and take it.

    Args:
        model: Encoder and heads, whose parameters ``loop`` moves.
        corpus: Unlabelled molecules.
        loop: The three levels.
        task: Labelled molecules; ``None`` if the weighting does not learn from the task.
    """
    objectives = corpus.losses(model)
    if loop.steps == 0:
        check_losses(objectives, model)
    train = task.loss(task.train, dropout=True) if task and loop.wants_train else None
    if not (task and loop.wants_meta):
        return loop.step(objectives, train)
    meta = [task.loss(task.meta, dropout=False) for _ in range(task.meta_batches)]
    solve = corpus.losses(model, solve=True) if corpus.solve_batches else None
    own = corpus.own.losses(model) if corpus.own else None
    return loop.step(objectives, train, meta, solve_objectives=solve, mixed_objectives=own)


def _weights(row: dict[str, Any]) -> str:
    return " ".join(f"{name} {weight:.2f}" for name, weight in row["weights"].items())


def check_losses(losses: Mapping[str, LossFn], model: nn.Module) -> None:
    """Refuse objectives whose loss is not finite or differs between two evaluations: randomness belongs in ``draw``.

    Args:
        losses: Loss per objective, as drawn for one step.
        model: Model with their parameters.

    Raises:
        ConfigError: If there is such an objective; names it.
    """
    params: dict[str, Tensor] = dict(model.named_parameters())
    for name, loss in losses.items():
        with torch.no_grad():
            value: Any = loss(params)
        if not isinstance(value, Tensor) or value.dim() != 0:
            shape = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise ConfigError(f"objective {name!r}: its loss must be a single number as a tensor, got {shape}.")
        if not value.isfinite():
            raise ConfigError(
                f"objective {name!r}: its loss is {float(value)} before the first step. Look for overflow or division "
                "by zero in it, or leave the objective out."
            )
        check_deterministic(loss, params, f"objective {name!r}")
