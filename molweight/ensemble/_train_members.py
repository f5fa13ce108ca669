"""Training of all members, each without one fold, in parallel if that saves time."""

import copy
import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing import current_process
from typing import Final

import numpy as np
import torch
from joblib import cpu_count, delayed, parallel_config
from torch import Tensor

from molweight.arrays import Indices
from molweight.distributed import of_first
from molweight.ensemble._fit_member import Schedule, TrainingSet, fit_member
from molweight.ensemble._member import Member
from molweight.graphs.internal import shielded, watched_pool

__all__ = ["MemberJob", "TrainedMember", "member_processes", "train_members"]


_PARALLEL_FROM: Final = 10_000
"""Minimum of rows times epochs per member for starting processes; below, this costs more than it saves."""
_CHUNK: Final = 512
_PROBED: Final = 4
"""Number of batches for estimating the time of an epoch."""
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class MemberJob:
    """A member to train.

    Args:
        member: The untrained member.
        training: The labelled rows.
        held_out: Rows to leave out, and to predict afterwards.
        schedule: Training schedule.
        seed: Seed of the batches and of dropout.
    """

    member: Member
    training: TrainingSet
    held_out: Indices
    schedule: Schedule
    seed: int


@dataclass(frozen=True)
class TrainedMember:
    """A trained member.

    Args:
        state: State of the member.
        outputs: Its outputs for the held-out rows, in the order of the fold, ``m x T`` float64.
        curve: Mean training loss of each epoch.
    """

    state: dict[str, Tensor]
    outputs: Tensor
    curve: list[float]


def train_members(
    jobs: Sequence[MemberJob], device: torch.device, *, epochs: int | None = None, seconds: float | None = None
) -> Iterator[TrainedMember]:
    """Train members one after another, or in parallel on a CPU with several cores; parallel training starts at once.

    Args:
        jobs: The members.
        device: Device to compute on.
        epochs: Number of epochs that overrides that of the jobs.
        seconds: Time limit for all of them if ``epochs`` is not given; it may reduce the epochs, to one at least.

    Returns:
        The result of each job, in order.
    """
    rows, planned = (len(jobs[0].training.labels), jobs[0].schedule.epochs) if jobs else (0, 0)
    processes = member_processes(len(jobs), rows, planned, device)
    if epochs is None and seconds is not None and jobs:
        epochs = _affordable(jobs[0], device, seconds / math.ceil(len(jobs) / processes))
    if epochs is not None:
        jobs = [replace(job, schedule=replace(job.schedule, epochs=epochs)) for job in jobs]
    if processes == 1:
        return (_train(job, device) for job in jobs)
    with parallel_config(backend="loky", inner_max_num_threads=1), shielded():
        members: Iterator[TrainedMember] = watched_pool(processes)(delayed(_train)(job, device) for job in jobs)
    return members


def member_processes(members: int, rows: int, epochs: int, device: torch.device) -> int:
    """Number of processes for training members, at least one.

    Args:
        members: Number of members.
        rows: Labelled rows.
        epochs: Epochs of each member.
        device: Device to compute on.

    Example:
        >>> member_processes(5, 100, 50, torch.device("cpu"))
        1
    """
    alone = device.type != "cpu" or current_process().daemon  # a worker of a study must not start processes
    return 1 if alone or rows * epochs < _PARALLEL_FROM else min(members, cpu_count())


def _affordable(job: MemberJob, device: torch.device, seconds: float) -> int:
    """Number of epochs affordable in a given time, estimated from a few steps of a copy of the member."""
    rows = np.setdiff1d(np.arange(len(job.training.labels)), job.held_out)
    few, planned = rows[: _PROBED * job.schedule.batch_size], job.schedule.epochs
    member, short = copy.deepcopy(job.member).to(device), replace(job.schedule, epochs=1)
    fit_member(member, job.training, few, short, seed=job.seed, device=device)  # warm-up
    started = time.perf_counter()
    fit_member(member, job.training, few, short, seed=job.seed, device=device)
    each = (time.perf_counter() - started) * len(rows) / len(few)
    epochs = max(1, int(seconds / max(of_first(each), 1e-9)))
    if epochs >= planned:
        return planned
    _LOG.warning("finetuning: only %d of %d epochs per member, because of the time limit", epochs, planned)
    return epochs


def _train(job: MemberJob, device: torch.device) -> TrainedMember:
    training = job.training
    rows = np.setdiff1d(np.arange(len(training.labels)), job.held_out)
    member = job.member.to(device)
    curve = fit_member(member, training, rows, job.schedule, seed=job.seed, device=device)
    outputs = _predict(member, training, job.held_out, device)
    state = {name: tensor.detach().cpu() for name, tensor in member.state_dict().items()}
    return TrainedMember(state, outputs, curve)


def _predict(member: Member, training: TrainingSet, rows: Indices, device: torch.device) -> Tensor:
    parts = [torch.empty(0, training.labels.size(1), dtype=torch.float64)]
    with torch.no_grad():
        for start in range(0, len(rows), _CHUNK):
            part = rows[start : start + _CHUNK]
            features = training.features[torch.from_numpy(part)].to(device)
            parts.append(member(training.data.graphs(part, device), features).double().cpu())
    return torch.cat(parts)
