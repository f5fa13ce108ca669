"""Finetuning of one pretrained encoder with restarts; the best one on ``select`` is kept."""

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, Final, TypeAlias

from molweight.datasets.internal import higher_is_better
from molweight.models import Predictor, Pretrainer
from molweight.options import Job
from molweight.runs.internal import Finetuning
from molweight.training._adaptive import new_predictor
from molweight.training._batches import generator_for
from molweight.training._finetune import finetune
from molweight.training._state import Context

__all__ = ["argbest", "finetune_with_restarts", "restart_seed", "restart_stages"]

_KEPT: Final = "kept"
_Tuned: TypeAlias = tuple[Predictor, Finetuning]


def restart_stages(job: Job) -> list[str]:
    """Names of the stages that save the states of finetunings.

    Args:
        job: The options.
    """
    return [_KEPT, *(_stage_name(number) for number in range(1, job.finetune_restarts + 1))]


def finetune_with_restarts(job: Job, pretrainer: Pretrainer, context: Context) -> tuple[Predictor, Finetuning]:
    """Finetune ``job.finetune_restarts`` times, each time with another head, batch order and dropout.

    The first one equals that of a job without restarts. After an interruption, finished ones are not repeated.

    Args:
        job: The options.
        pretrainer: Model with the initial encoder.
        context: The labelled table, of which ``train`` and ``select`` are used, and the device.

    Returns:
        The model with the best metric on ``select``, and the record of its finetuning.
    """
    stage = context.session.stage(_KEPT)
    best, tried = _kept(stage.read(), job, pretrainer, context)
    for number in range(len(tried) + 1, job.finetune_restarts + 1):
        left = job.finetune_restarts - number + 1
        own, part = restart_seed(job, number), context.session.within(None, 1 / left).stage(_stage_name(number))
        model = _start(own, pretrainer, context)
        title = context.title("stage 3 of 3, finetuning")
        result = finetune(own, model, context.data, context.splits, context.device, progress=title, stage=part)
        tried.append(result.best)
        best = [*best, (model, result)]
        best = [best[argbest([made for _, made in best])]]
        if number < job.finetune_restarts:
            stage.write({"model": best[0][0].state_dict(), "result": asdict(best[0][1]), "tried": tried})
            part.discard()
    best[0][1].tried = tried
    return best[0]


def _start(job: Job, pretrainer: Pretrainer, context: Context) -> Predictor:
    return new_predictor(job, pretrainer, context.data, context.splits, context.device)


def _kept(state: Any, job: Job, pretrainer: Pretrainer, context: Context) -> tuple[list[_Tuned], list[float]]:
    """The best model so far of an interrupted job, if there is one, and the metrics of all restarts."""
    if state is None:
        return [], []
    model = _start(job, pretrainer, context)
    model.load_state_dict(state["model"])
    return [(model, Finetuning(**state["result"]))], state["tried"]


def _stage_name(number: int) -> str:
    return "finetune" if number == 1 else f"finetune-{number}"


def restart_seed(job: Job, number: int) -> Job:
    """The job with the random numbers of one of its restarts.

    Args:
        job: The options.
        number: Number of the restart, from 1.
    """
    seed = int(generator_for(job.seed, f"finetuning {number}").integers(2**31))
    return job if number == 1 else replace(job, seed=seed)


def argbest(tuned: Sequence[Finetuning]) -> int:
    """Index of the record with the best metric on ``select``; the first one among ties.

    Args:
        tuned: Records of finetunings on one table; a record with an undefined metric counts as worst.

    Example:
        >>> argbest([Finetuning("rmse", best=math.nan), Finetuning("rmse", best=2.0), Finetuning("rmse", best=1.0)])
        2
    """
    sign = 1.0 if higher_is_better(tuned[0].metric) else -1.0
    merits = [-math.inf if math.isnan(result.best) else sign * result.best for result in tuned]
    return merits.index(max(merits))
