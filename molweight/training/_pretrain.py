"""The pretraining loop: the same for general and for task-adaptive pretraining, whatever the weighting."""

import time
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from tqdm import tqdm

from molweight.errors import MolweightError, TrainingError
from molweight.graphs import MoleculeDataset
from molweight.mlo import LossFn, Record, ThreeLevel
from molweight.training._models import Predictor, Pretrainer
from molweight.training._sampling import Batches
from molweight.training._watch import Watch

__all__ = ["Corpus", "TaskSource", "pretrain", "take_step"]

_FLUSH: Final = 20
"""Steps between reading the records, the only time the loop waits for the device."""


@dataclass(frozen=True)
class Corpus:
    """Where pretraining takes its molecules from.

    Args:
        data: The molecules, with the columns that the objectives need.
        batches: Which of them a step trains on.
        solve_batches: Which of them the curvature of level 1 is taken on; ``None`` for those of the step itself.
        generator: Source of what the objectives draw, on the device.
    """

    data: MoleculeDataset
    batches: Batches
    solve_batches: Batches | None
    generator: torch.Generator

    def losses(self, model: Pretrainer, *, solve: bool = False) -> dict[str, LossFn]:
        """Draw a batch and views of it; the losses of the objectives on them as pure functions.

        Args:
            model: Whose objectives draw.
            solve: Whether the batch is for the curvature.
        """
        batches = self.solve_batches if solve and self.solve_batches else self.batches
        return model.draw(self.data.graphs(batches.next(), self.generator.device), self.generator)


@dataclass(frozen=True)
class TaskSource:
    """Where levels 2 and 3 take their labelled molecules from.

    Args:
        model: The model of level 2.
        data: The labelled molecules.
        train: Which of them a step finetunes on.
        meta: Which of them a step judges the weights on.
        seeds: Source of dropout seeds.
        device: Where to compute.
        meta_batches: Meta batches that one hypergradient is averaged over.
    """

    model: Predictor
    data: MoleculeDataset
    train: Batches
    meta: Batches
    seeds: np.random.Generator
    device: torch.device
    meta_batches: int = 1

    def loss(self, batches: Batches, *, dropout: bool) -> LossFn:
        """The loss on the next batch as a pure function."""
        seed = int(self.seeds.integers(2**31)) if dropout else None
        return self.model.bound_loss(self.data.graphs(batches.next(), self.device), seed)


def pretrain(
    model: Pretrainer,
    corpus: Corpus,
    loop: ThreeLevel,
    *,
    steps: int,
    task: TaskSource | None = None,
    progress: str | None = None,
) -> list[dict[str, Any]]:
    """Take ``steps`` steps of the three-level loop.

    Args:
        model: Encoder and heads, whose parameters ``loop`` moves.
        corpus: Unlabelled molecules.
        loop: The three levels.
        steps: How many steps to take.
        task: Labelled molecules; needed where the loop's weighting learns from the task.
        progress: Title of a progress bar; ``None`` for none.

    Returns:
        One record per step as plain numbers: see :meth:`molweight.mlo.Record.summary`, and ``seconds`` since the start.
        What goes wrong is logged when it first shows, and stands under ``findings`` in the record of that step.

    Raises:
        TrainingError: If a loss stops being a finite number.
    """
    history: list[dict[str, Any]] = []
    pending: list[tuple[float, Record]] = []
    watch = Watch(loop.weighting.names, progress or "pretraining")
    start = time.perf_counter()
    with tqdm(total=steps, desc=progress, unit=" steps", disable=progress is None or None) as bar:
        for step in range(steps):
            record = _watched_step(model, corpus, loop, task, watch)
            pending.append((time.perf_counter() - start, record))
            if len(pending) == _FLUSH or step == steps - 1:
                history.extend(_flush(pending, watch))
                bar.set_postfix_str(_weights(history[-1]))
            bar.update()
    return history


def _watched_step(model: Pretrainer, corpus: Corpus, loop: ThreeLevel, task: TaskSource | None, watch: Watch) -> Record:
    """Take a step and count what it shows; where it cannot be taken, what was wrong before is named first."""
    try:
        record = take_step(model, corpus, loop, task)
    except MolweightError:
        watch.report()
        raise
    watch.observe(record)
    return record


def take_step(model: Pretrainer, corpus: Corpus, loop: ThreeLevel, task: TaskSource | None) -> Record:
    """Draw what the coming step needs, and take it.

    Args:
        model: Encoder and heads, whose parameters ``loop`` moves.
        corpus: Unlabelled molecules.
        loop: The three levels.
        task: Labelled molecules; ``None`` where the weighting does not learn from the task.
    """
    objectives = corpus.losses(model)
    train = task.loss(task.train, dropout=True) if task and loop.wants_train else None
    if not (task and loop.wants_meta):
        return loop.step(objectives, train)
    meta = [task.loss(task.meta, dropout=False) for _ in range(task.meta_batches)]
    solve = corpus.losses(model, solve=True) if corpus.solve_batches else None
    return loop.step(objectives, train, meta, solve_objectives=solve)


def _flush(pending: list[tuple[float, Record]], watch: Watch) -> list[dict[str, Any]]:
    """Read the pending records off the device, and empty the list; what is found wrong goes into the last of them."""
    rows = [{**record.summary(), "seconds": seconds} for seconds, record in pending]
    pending.clear()
    new = watch.report()
    if new:
        rows[-1]["findings"] = "; ".join(finding.key for finding in new)
    for row in rows:
        for name, loss in row["losses"].items():
            if not np.isfinite(loss):
                raise TrainingError(
                    f"objective {name!r}: its loss is {loss} at step {row['step']}. Lower pretrain_lr, or leave the "
                    "objective out."
                )
    return rows


def _weights(row: dict[str, Any]) -> str:
    return " ".join(f"{name} {weight:.2f}" for name, weight in row["weights"].items())
