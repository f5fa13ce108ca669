"""The pretraining loop: the same for general and for task-adaptive pretraining, whatever the weighting."""

from typing import Any

from tqdm import tqdm

from molweight.errors import MolweightError
from molweight.mlo import Loop, Record
from molweight.training._models import Pretrainer
from molweight.training._session import Session, Stage
from molweight.training._sources import Corpus, TaskSource
from molweight.training._travel import Travel
from molweight.training._watch import Watch

__all__ = ["pretrain", "take_step"]


def pretrain(
    model: Pretrainer,
    corpus: Corpus,
    loop: Loop,
    *,
    steps: int,
    task: TaskSource | None = None,
    progress: str | None = None,
    stage: Stage | None = None,
) -> list[dict[str, Any]]:
    """Take ``steps`` steps of the three-level loop.

    Args:
        model: Encoder and heads, whose parameters ``loop`` moves.
        corpus: Unlabelled molecules.
        loop: The three levels.
        steps: How many steps to take.
        task: Labelled molecules; needed where the loop's weighting learns from the task.
        progress: Title of a progress bar; ``None`` for none.
        stage: Where states are kept and whom to tell; a state found there is gone on from.

    Returns:
        One record per step as plain numbers: see :meth:`molweight.mlo.Record.summary`, and ``seconds`` since the start.
        What goes wrong is logged when it first shows, and stands under ``findings`` in the record of that step.

    Raises:
        TrainingError: If a loss stops being a finite number.
        KeyboardInterrupt: If the process was asked to stop; the state is written.
    """
    stage = stage or Session().stage("pretraining")
    travel = Travel(model, corpus, loop, task, Watch(loop.weighting.names, progress or "pretraining"))
    end = loop.steps + steps
    travel.resume(stage)
    bar = tqdm(total=end, initial=loop.steps, desc=progress, unit=" steps", disable=progress is None or None)
    with bar, stage.interruptible():
        while loop.steps < end:
            travel.observe(_watched_step(model, corpus, loop, task, travel.watch))
            if loop.steps == end or travel.full or stage.due:
                travel.flush(stage, report=loop.steps == end or travel.full)
                bar.set_postfix_str(_weights(travel.history[-1]))
                stage.boundary(travel.state)
            bar.update()
    if stage.session.folder is not None:
        stage.write(travel.state())
    return travel.history


def _watched_step(model: Pretrainer, corpus: Corpus, loop: Loop, task: TaskSource | None, watch: Watch) -> Record:
    """Take a step; where it cannot be taken, what was wrong before is named first."""
    try:
        return take_step(model, corpus, loop, task)
    except MolweightError:
        watch.report()
        raise


def take_step(model: Pretrainer, corpus: Corpus, loop: Loop, task: TaskSource | None) -> Record:
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


def _weights(row: dict[str, Any]) -> str:
    return " ".join(f"{name} {weight:.2f}" for name, weight in row["weights"].items())
