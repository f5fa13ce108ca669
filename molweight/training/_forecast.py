"""Forecast of a job's duration on this machine, from the time of a few batches."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
import torch
from joblib import cpu_count
from torch import Tensor

from molweight import features
from molweight.datasets import Splits
from molweight.devices import resolve_device
from molweight.distributed import alone, team
from molweight.ensemble.internal import (
    PROFILE,
    Schedule,
    fits_at_once,
    member_processes,
    partner_features,
    partner_seconds,
    probe_seconds,
    schedule_for,
    shortened,
)
from molweight.features.internal import COLUMN_PREFIX
from molweight.graphs import MoleculeDataset
from molweight.graphs.internal import guarded_target
from molweight.mlo import weightings
from molweight.models.internal import build_predictor, label_statistics
from molweight.options import Job
from molweight.training._resolve import resolve

__all__ = ["Forecast", "forecast"]

_TIMED: Final = 4
_SAMPLE: Final = 16
"""Number of molecules for timing the features."""
_EXTRA_PASSES: Final = 2
"""Additional passes of a step with learned weights: those of the task, on train and on meta."""
_FITS_WITH_BOUNDS: Final = 2
"""Fits of a partner if labels are bounds: on the exact labels, and with the bounds that this fit violates."""
_MINUTE: Final = 60.0


@dataclass(frozen=True)
class Forecast:
    """Expected seconds of the parts of a job, without reading, scores and report.

    Args:
        features: Features of molecules.
        pretraining: Generic and adaptive pretraining.
        finetuning: Finetuning, at most: a single model may stop early. Includes the partners of an ensemble, except
            TabICL.
    """

    features: float
    pretraining: float
    finetuning: float

    @property
    def total(self) -> float:
        """Total seconds."""
        return self.features + self.pretraining + self.finetuning

    def __str__(self) -> str:
        """The forecast in words."""
        parts = ", ".join(f"{name} {_rounded(seconds)}" for name, seconds in vars(self).items() if seconds >= 1)
        return f"about {_rounded(self.total)}" + (f" ({parts})" if parts else "")


def forecast(job: Job, data: MoleculeDataset, splits: Splits) -> Forecast:
    """Expected seconds of a job, from a few batches of an untrained model on the molecules of the table.

    The estimate holds for the current load of the machine. Cached results take less; objectives that encode molecules
    several times take more.

    Args:
        job: The options.
        data: The labelled table.
        splits: Its roles.

    Example:
        >>> from molweight import datasets
        >>> data = datasets.load("freesolv").subset(range(60))
        >>> job = Job(init="scratch", encoder_options={"layers": 1, "width": 8}, steps=0, epochs=2)
        >>> 0 < forecast(job, data, datasets.split(data, "random")).total < 60
        True
    """
    job = resolve(job, data)
    each = _seconds_per_molecule(job, data, _schedule(job, splits).batch_size)
    learns = job.adapts and weightings.get(job.weighting).needs.task
    passes = len(job.objectives) + (_EXTRA_PASSES if learns else 0)
    steps = (job.steps if job.adapts else 0) * passes
    if job.init == "pretrain":
        steps += job.pretrain_steps * len(job.objectives)
    return Forecast(_features(job, data), steps * job.batch_size * each, _finetuning(job, data, splits, each))


def _schedule(job: Job, splits: Splits) -> Schedule:
    """The schedule of a member; a single model has the batch size of a small table."""
    rows = len(splits.train) + len(splits.meta) + len(splits.select)
    members = cast(int, job.members)  # as resolved for the table
    short = shortened(job.partners or ())
    return schedule_for(rows * (members - 1) // members, most=job.epochs, short=short)


def _finetuning(job: Job, data: MoleculeDataset, splits: Splits, each: float) -> float:
    """Seconds of finetuning, at ``each`` per molecule visit."""
    if job.members == 1:
        return job.finetune_restarts * job.epochs * (len(splits.train) + len(splits.select) / 3) * each
    rows = len(splits.train) + len(splits.meta) + len(splits.select)
    members, device = cast(int, job.members), resolve_device(job.device)
    visits = rows * (members - 1) // members * (epochs := _schedule(job, splits).epochs)
    processes = member_processes(members, rows, epochs, device)
    trained: float = math.ceil(members / processes) * visits * each
    partners: float = partner_seconds(job.partners or (), rows, data.targets.shape[1], members, probe_seconds())
    partners *= _FITS_WITH_BOUNDS if "label_bounds" in data.columns else 1
    if processes == 1 and device.type == "cpu":  # one after the other
        return trained + partners
    # at the same time, on the same cores
    return max(
        trained,
        partners / fits_at_once(rows, data.targets.shape[1]),
        (trained * processes + partners) / int(cpu_count()),
    )


def _seconds_per_molecule(job: Job, data: MoleculeDataset, size: int) -> float:
    """Duration of a training step per molecule, in batches of ``size``; several processes share the molecules."""
    device = resolve_device(job.device)
    statistics = label_statistics(data, np.arange(len(data)))
    model = build_predictor(job.encoder, job.encoder_options, data.task or "regression", *statistics).to(device)
    params: dict[str, Tensor] = dict(model.named_parameters())

    def step(number: int) -> None:
        graphs = data.graphs(np.arange(number * size, (number + 1) * size) % len(data), device)
        torch.autograd.grad(model.bound_loss(graphs, 0)(params), list(params.values()))

    with alone():  # only the process that prints makes a forecast
        step(0)  # sets everything up
        seconds = _seconds(step, _TIMED)
    others = team()
    return seconds / _TIMED / size / (1 if others is None else others.size)


def _features(job: Job, data: MoleculeDataset) -> float:
    if job.members == 1:
        return 0.0
    rows = np.linspace(0, len(data) - 1, min(2 * _SAMPLE, len(data))).astype(int)
    drawn = sorted((data.smiles[row] for row in rows), key=len)
    quarter = len(drawn) // 4  # for a very large molecule the features may exceed their budget
    smiles = drawn[quarter : len(drawn) - quarter][:_SAMPLE]
    read = [*job.features, *(name for partner in job.partners or () for name in partner_features(partner, []))]
    names = [name for name in dict.fromkeys(read) if name != PROFILE and not name.startswith(COLUMN_PREFIX)]
    computed = [guarded_target(features.get(name).spec) for name in names]  # no molecule takes longer than its budget
    for compute in computed:
        compute(smiles[:1])  # sets everything up
    seconds: float = _seconds(lambda _: [compute(smiles) for compute in computed], 1)
    return seconds / len(smiles) * len(data) / int(cpu_count())


def _seconds(work: Callable[[int], object], times: int) -> float:
    started = time.perf_counter()
    for number in range(times):
        work(number + 1)
    return time.perf_counter() - started


def _rounded(seconds: float) -> str:
    """A duration in words, with at most two digits."""
    if seconds < _MINUTE:
        return f"{max(1, round(seconds))} s"
    minutes = seconds / _MINUTE
    return f"{minutes:.2g} min" if minutes < _MINUTE else f"{minutes / _MINUTE:.1f} h"
