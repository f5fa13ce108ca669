"""Finetuning held near the pretrained encoder, with the checkpoint picked on the ``select`` role."""

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from molweight.datasets import Splits, exact_labels, format_score, higher_is_better, score
from molweight.encoders import calibrate
from molweight.errors import ConfigError
from molweight.graphs import MoleculeDataset
from molweight.training._models import Predictor
from molweight.training._sampling import Batches
from molweight.training._session import Session, Stage

__all__ = ["Finetuning", "finetune", "label_statistics", "predict_positions"]

Index = np.ndarray[tuple[int, ...], np.dtype[np.int64]]
Predictions = np.ndarray[tuple[int, int], np.dtype[np.float32]]

_CALIBRATION: Final = 2048
"""Molecules that the statistics of batch normalisation are estimated on, at most."""
_EVALUATION_BATCH: Final = 512


@dataclass
class Finetuning:
    """How finetuning went.

    Args:
        metric: Name of the metric on ``select``.
        best_epoch: Epoch of the checkpoint that was kept, counted from 1; 0 is the state before training.
        best: The metric there.
        curve: Metric on ``select`` after each epoch.
        tried: Of several finetunings of one encoder, of which this is the best, the metric of each.
    """

    metric: str
    best_epoch: int = 0
    best: float = math.nan
    curve: list[float] = field(default_factory=list)
    tried: list[float] = field(default_factory=list)


def finetune(
    model: Predictor,
    data: MoleculeDataset,
    splits: Splits,
    batches: Batches,
    *,
    epochs: int,
    patience: int,
    lr: float,
    gamma: float,
    seeds: np.random.Generator,
    device: torch.device,
    progress: str | None = None,
    stage: Stage | None = None,
) -> Finetuning:
    """Solve level 2: minimise ``task loss + gamma |omega - theta|^2`` from ``omega = theta`` by Adam.

    The encoder of ``model`` as it comes in is theta. After each epoch the model is judged on ``splits.select``; it
    ends at its best epoch, with its statistics of batch normalisation estimated on training molecules.

    Args:
        model: Encoder and head; changed in place.
        data: The table.
        splits: Roles; only ``train`` and ``select`` are used.
        batches: Source of the training batches.
        epochs: Passes over the training molecules.
        patience: Epochs without a better metric after which training stops.
        lr: Learning rate of Adam.
        gamma: Strength of the proximal term; 0 lets the encoder go.
        seeds: Source of dropout seeds.
        device: Where to compute.
        progress: Title of a progress bar; ``None`` for none.
        stage: Where states are kept and whom to tell; a state found there is gone on from.

    Returns:
        How it went.

    Raises:
        ConfigError: If the table has no labels.
    """
    if data.metric is None:
        raise ConfigError(f"{data.name} has no labels to finetune on. Load a table with targets.")
    stage = stage or Session().stage("finetune")
    tuner = _Tuner(model, torch.optim.Adam(model.parameters(), lr=lr), batches, seeds, Finetuning(data.metric))
    judge = partial(_judge, model, data, splits, tuner.result, device)
    tuner.start(stage, judge)
    with tqdm(range(epochs), desc=progress, unit=" epochs", disable=progress is None or None) as bar:
        bar.update(tuner.epoch)
        with stage.interruptible():
            while tuner.epoch < epochs and tuner.epoch - tuner.result.best_epoch < patience:
                for indices in tuner.parts():
                    stage.boundary(tuner.state)
                    loss = model.bound_loss(data.graphs(indices, device), int(seeds.integers(2**31)))
                    _descend(model, loss(dict(model.named_parameters())), tuner.optimizer, tuner.anchor, gamma)
                tuner.finish_epoch(stage, judge)
                bar.set_postfix_str(_shown(data, tuner.result))
                bar.update()
    if tuner.best is not None:
        model.load_state_dict(tuner.best)
    return tuner.result


@dataclass
class _Tuner:
    """A finetuning under way: everything needed to go on with it exactly."""

    model: Predictor
    optimizer: torch.optim.Optimizer
    batches: Batches
    seeds: np.random.Generator
    result: Finetuning
    best: dict[str, Any] | None = None
    anchor: dict[str, Tensor] = field(default_factory=dict)
    ahead: list[Index] = field(default_factory=list)

    @property
    def epoch(self) -> int:
        """Epochs that are done."""
        return len(self.result.curve) - 1

    def start(self, stage: Stage, judge: Callable[[], dict[str, Any] | None]) -> None:
        """Go on from the state that is found; otherwise the encoder as it is becomes the anchor, and is judged."""
        state = stage.read()
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

    def parts(self) -> Iterator[Index]:
        """What is left of the epoch, or a new one."""
        self.ahead = self.ahead or self.batches.epoch()
        while self.ahead:
            yield self.ahead[0]
            del self.ahead[0]

    def finish_epoch(self, stage: Stage, judge: Callable[[], dict[str, Any] | None]) -> None:
        """Judge the model, and tell so."""
        self.best = judge() or self.best
        stage.log(self.epoch, {"select": self.result.curve[-1]})
        stage.boundary(self.state)

    def state(self) -> dict[str, Any]:
        """Everything an exact resumption needs; ``ahead`` are the batches of the epoch that are still to come."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "batches": self.batches.state_dict(),
            "seeds": self.seeds.bit_generator.state,
            "best": self.best,
            "ahead": [torch.from_numpy(part) for part in self.ahead],
            "anchor": self.anchor,
            "result": asdict(self.result),
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
    """Score the model on ``select``; its state if that is the best so far."""
    calibrate_on(model, data, splits.train, device)
    value = score(
        result.metric, exact_labels(data, splits.select), predict_positions(model, data, splits.select, device)
    ).value
    result.curve.append(value)
    sign = 1.0 if higher_is_better(result.metric) else -1.0
    if math.isnan(result.best) or sign * value > sign * result.best:
        result.best, result.best_epoch = value, len(result.curve) - 1
        return copy.deepcopy(model.state_dict())
    return None


def calibrate_on(model: Predictor, data: MoleculeDataset, indices: Index, device: torch.device) -> None:
    """Estimate the statistics of batch normalisation on (at most 2,048 of) the molecules at ``indices``."""
    chosen = indices[:_CALIBRATION] if len(indices) <= _CALIBRATION else indices[:: -(-len(indices) // _CALIBRATION)]
    calibrate(model.encoder, (data.graphs(part, device) for part in _chunks(chosen)))


def predict_positions(
    model: Predictor, data: MoleculeDataset, indices: Index, device: torch.device, seed: int | None = None
) -> Predictions:
    """Predictions for molecules of a dataset.

    Args:
        model: The model; evaluated in evaluation mode, its mode is restored.
        data: The molecules.
        indices: Their positions.
        device: Where to compute.
        seed: Of dropout masks, which are then applied, with everything else in evaluation mode; ``None`` for none.

    Returns:
        Probabilities or labels, ``len(indices) x T``.
    """
    was_training = model.training
    model.eval()
    model.encoder.training = seed is not None  # of the encoder alone: its norms keep their statistics
    try:
        with torch.no_grad():
            parts = [model.predict(data.graphs(part, device), seed).cpu().numpy() for part in _chunks(indices)]
    finally:
        model.train(was_training)
    return np.concatenate([np.empty((0, len(model.mean)), dtype=np.float32), *parts])


def label_statistics(data: MoleculeDataset, train: Index) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each label over the training molecules; 0 and 1 for classification.

    Labels that are bounds count only where a target has no others. A label that is constant there gets a standard
    deviation of 1.
    """
    count = len(data.target_names)
    if data.task == "classification":
        return torch.zeros(count), torch.ones(count)
    labels, exact = data.targets[train].astype(np.float64), exact_labels(data, train).astype(np.float64)
    labels = np.where(np.isnan(exact).all(axis=0), labels, exact)
    known = ~np.isnan(labels)
    number = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, labels, 0.0).sum(axis=0) / number
    deviation = np.sqrt(np.where(known, (labels - mean) ** 2, 0.0).sum(axis=0) / number)
    return torch.tensor(mean).float(), torch.tensor(np.where(deviation > 0, deviation, 1.0)).float()


def _chunks(indices: Index) -> Iterator[Index]:
    for start in range(0, len(indices), _EVALUATION_BATCH):
        yield indices[start : start + _EVALUATION_BATCH]
