"""Finetuning with a proximal term, and selection of the checkpoint on the ``select`` role."""

import copy
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Final, Self

import numpy as np
import torch
from torch import Tensor

from molweight._progress import progress_bar
from molweight.arrays import Indices
from molweight.datasets import Splits, score
from molweight.datasets.internal import exact_labels, format_score, higher_is_better
from molweight.devices import matmul_precision
from molweight.distributed import of_first
from molweight.errors import ConfigError, TrainingError, mention
from molweight.graphs import MoleculeDataset
from molweight.models import Predictor
from molweight.models.internal import calibrate_on, evaluating, predict_positions
from molweight.options import Job
from molweight.runs.internal import Finetuning
from molweight.training._batches import Batches, generator_for
from molweight.training._state import Session, Stage

__all__ = ["finetune"]

_LOG: Final = logging.getLogger(__name__)
_SHARE: Final = 0.85
"""Share of the remaining time, if there is a limit; the rest is for scores and the report."""


def finetune(
    job: Job,
    model: Predictor,
    data: MoleculeDataset,
    splits: Splits,
    device: torch.device,
    *,
    progress: str | None = None,
    stage: Stage | None = None,
) -> Finetuning:
    """Solve level 2: minimise ``task loss + gamma |omega - theta|^2`` from ``omega = theta`` by Adam.

    The initial encoder of ``model`` is theta. After each epoch the model is evaluated on ``splits.select``; at the end
    it is restored to its best epoch, with statistics of batch normalisation from training molecules.

    Args:
        job: The options: those of finetuning, and the seed.
        model: Encoder and head, e.g. from :func:`molweight.training.internal.new_predictor`; changed in place, and left
            in evaluation mode.
        data: The table.
        splits: Roles; only ``train`` and ``select`` are used.
        device: Device to compute on.
        progress: Title of a progress bar; ``None`` for none.
        stage: Checkpoints and callbacks; training resumes from an existing checkpoint.

    Returns:
        The record of finetuning.

    Raises:
        ConfigError: If the table has no labels.
        TrainingError: If predictions are no longer finite.
    """
    if data.metric is None:
        raise ConfigError(f"{data.name} has no labels to finetune on. Load a table with targets.")
    stage = stage or Session().stage("finetune")
    tuner = _Tuner.of(job, model, splits, data.metric)
    # Without pretraining the encoder is random, so the proximal term is left out.
    gamma = 0.0 if job.init == "scratch" and not job.adapts else job.finetune_proximal_strength
    judge = partial(_judge, model, data, splits, tuner.result, device)
    tuner.start(stage, judge, stage.session.seconds_for(_SHARE))
    with progress_bar(progress, job.epochs, "epochs", done=tuner.epoch) as bar, stage.interruptible():
        while tuner.epoch < job.epochs and tuner.epoch - tuner.result.best_epoch < job.patience:
            if tuner.epoch and tuner.limit.reached():
                _LOG.warning("finetuning: only %d of %d epochs, because of the time limit", tuner.epoch, job.epochs)
                break
            model.encoder.requires_grad_(tuner.epoch >= job.freeze_epochs)
            for indices in tuner.parts():
                stage.checkpoint(tuner.state)
                loss = model.bound_loss(data.graphs(indices, device), int(tuner.seeds.integers(2**31)))
                with matmul_precision(job.precision):  # only for training; evaluation runs in full precision
                    _descend(model, loss(dict(model.named_parameters())), tuner.optimizer, tuner.anchor, gamma)
            tuner.finish_epoch(stage, judge)
            bar.set_postfix_str(_shown(data, tuner.result))
            bar.update()
    model.encoder.requires_grad_(requires_grad=True)
    if tuner.best is not None:
        model.load_state_dict(tuner.best)
    model.eval()
    return tuner.result


@dataclass
class _Limit:
    """The time that a finetuning may take, which an interruption does not extend.

    Args:
        seconds: The limit; ``None`` for none.
        used: Seconds before the last interruption.
    """

    seconds: float | None = None
    used: float = 0.0

    def __post_init__(self) -> None:
        """Start the clock."""
        self._started = time.monotonic()

    @classmethod
    def of(cls, seconds: float | None, state: Mapping[str, Any] | None) -> Self:
        """A limit that starts now, or continues.

        Args:
            seconds: The limit of a new finetuning.
            state: State of an interrupted one, if any, whose limit holds if it is lower; earlier versions saved no
                times.
        """
        saved = state or {}
        limits = [value for value in (seconds, saved.get("limit")) if value is not None]
        return cls(None if seconds is None else min(limits), saved.get("seconds", 0.0))

    def spent(self) -> float:
        """Seconds so far, without the interruptions."""
        return self.used + time.monotonic() - self._started

    def reached(self) -> bool:
        """Whether the time is over, in all processes of a job or in none."""
        return self.seconds is not None and of_first(self.spent()) >= self.seconds


@dataclass
class _Tuner:
    """A finetuning in progress, with the state to resume it exactly."""

    model: Predictor
    optimizer: torch.optim.Optimizer
    batches: Batches
    seeds: np.random.Generator
    result: Finetuning
    best: dict[str, Any] | None = None
    anchor: dict[str, Tensor] = field(default_factory=dict)
    ahead: list[Indices] = field(default_factory=list)
    limit: _Limit = field(default_factory=_Limit)

    @classmethod
    def of(cls, job: Job, model: Predictor, splits: Splits, metric: str) -> Self:
        """The start of a finetuning."""
        batches = Batches(splits.train, job.task_batch_size, generator_for(job.seed, "finetune"))
        optimizer = torch.optim.Adam(model.parameters(), lr=job.finetune_lr)
        return cls(model, optimizer, batches, generator_for(job.seed, "finetune dropout"), Finetuning(metric))

    @property
    def epoch(self) -> int:
        """Number of finished epochs."""
        return len(self.result.curve) - 1

    def start(self, stage: Stage, judge: Callable[[], dict[str, Any] | None], seconds: float | None) -> None:
        """Resume from a checkpoint; without one, the encoder becomes the proximal term's anchor and is evaluated."""
        state = stage.read()
        self.limit = _Limit.of(seconds, state)
        if state is None:
            self.anchor = {name: tensor.detach().clone() for name, tensor in self.model.encoder.named_parameters()}
            self.best = judge()
            stage.log(0, {"select": self.result.curve[-1]})
            return
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.batches.load_state_dict(state["batches"])
        self.seeds.bit_generator.state = state["seeds"]
        self.best, self.ahead = state["best"], [part.numpy() for part in state["ahead"]]
        vars(self.result).update(state["result"])
        device = next(self.model.parameters()).device
        self.anchor = {name: tensor.to(device) for name, tensor in state["anchor"].items()}

    def parts(self) -> Iterator[Indices]:
        """The remaining batches of the epoch, or a new epoch."""
        self.ahead = self.ahead or self.batches.epoch()
        while self.ahead:
            yield self.ahead[0]
            del self.ahead[0]

    def finish_epoch(self, stage: Stage, judge: Callable[[], dict[str, Any] | None]) -> None:
        """Evaluate and notify callbacks."""
        self.best = judge() or self.best
        stage.log(self.epoch, {"select": self.result.curve[-1]})
        stage.checkpoint(self.state)

    def state(self) -> dict[str, Any]:
        """The state for an exact resume; ``ahead`` has the remaining batches of the epoch."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "batches": self.batches.state_dict(),
            "seeds": self.seeds.bit_generator.state,
            "best": self.best,
            "ahead": [torch.from_numpy(part) for part in self.ahead],
            "anchor": self.anchor,
            "result": asdict(self.result),
            "limit": self.limit.seconds,
            "seconds": self.limit.spent(),
        }


def _shown(data: MoleculeDataset, result: Finetuning) -> str:
    """The last score and the best, for a progress bar."""
    return f"select {data.metric} {format_score(result.curve[-1])}, best {format_score(result.best)}"


def _descend(
    model: Predictor, loss: Tensor, optimizer: torch.optim.Optimizer, anchor: dict[str, Tensor], gamma: float
) -> None:
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]  # PyTorch leaves it without annotations
    for name, tensor in model.encoder.named_parameters():
        if gamma and tensor.grad is not None:
            tensor.grad.add_(tensor.detach() - anchor[name], alpha=2 * gamma)
    optimizer.step()


def _judge(
    model: Predictor, data: MoleculeDataset, splits: Splits, result: Finetuning, device: torch.device
) -> dict[str, Any] | None:
    """Score the model on ``select``; returns its state if it is the best so far."""
    calibrate_on(model, data, splits.train, device)
    with evaluating(model):
        predicted = predict_positions(model, data, splits.select, device)
    if not np.isfinite(predicted).all():
        raise TrainingError(
            f"finetuning: after epoch {len(result.curve)} the predictions are no longer finite. Lower the learning "
            f"rate: {mention('finetune_lr', 0.001)}."
        )
    value = score(result.metric, exact_labels(data, splits.select), predicted).value
    result.curve.append(value)
    sign = 1.0 if higher_is_better(result.metric) else -1.0
    if math.isnan(result.best) or sign * value > sign * result.best:
        result.best, result.best_epoch = value, len(result.curve) - 1
        return copy.deepcopy(model.state_dict())
    return None
