"""The pretraining loop: the same for generic and for task-adaptive pretraining, whatever the weighting."""

from typing import Any

from tqdm import tqdm

from molweight.errors import MolweightError
from molweight.mlo import Loop, Record
from molweight.models import Pretrainer
from molweight.training._batches import Corpus, TaskSource
from molweight.training._contracts import check_losses
from molweight.training._monitor import HealthLogger
from molweight.training._pretraining_state import PretrainingState
from molweight.training._state import Session, Stage

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
        stage: Checkpoints and callbacks; training resumes from an existing checkpoint.

    Returns:
        One record per step as plain numbers: see :meth:`molweight.mlo.Record.summary`, and ``seconds`` since the start.
        What goes wrong is logged when it first shows, and stands under ``findings`` in the record of that step.

    Raises:
        TrainingError: If a loss stops being a finite number.
        KeyboardInterrupt: If the process was asked to stop; the state is written.
    """
    stage = stage or Session().stage("pretraining")
    state = PretrainingState(model, corpus, loop, task, HealthLogger(loop.weighting.names, progress or "pretraining"))
    end = loop.steps + steps
    state.resume(stage)
    bar = tqdm(total=end, initial=loop.steps, desc=progress, unit=" steps", disable=progress is None or None)
    with bar, stage.interruptible():
        while loop.steps < end:
            state.observe(_monitored_step(model, corpus, loop, task, state.health))
            if loop.steps == end or state.flush_due or stage.should_save:
                state.flush(stage, report=loop.steps == end or state.flush_due)
                bar.set_postfix_str(_weights(state.history[-1]))
                stage.checkpoint(state.state)
            bar.update()
    if stage.session.folder is not None:
        stage.write(state.state())
    return state.history


def _monitored_step(
    model: Pretrainer, corpus: Corpus, loop: Loop, task: TaskSource | None, health: HealthLogger
) -> Record:
    """Take a step; if it fails, log earlier findings first."""
    try:
        return take_step(model, corpus, loop, task)
    except MolweightError:
        health.report()
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
    if loop.steps == 0:
        check_losses(objectives, model)
    train = task.loss(task.train, dropout=True) if task and loop.wants_train else None
    if not (task and loop.wants_meta):
        return loop.step(objectives, train)
    meta = [task.loss(task.meta, dropout=False) for _ in range(task.meta_batches)]
    solve = corpus.losses(model, solve=True) if corpus.solve_batches else None
    return loop.step(objectives, train, meta, solve_objectives=solve)


def _weights(row: dict[str, Any]) -> str:
    return " ".join(f"{name} {weight:.2f}" for name, weight in row["weights"].items())
