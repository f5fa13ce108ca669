"""Training of one member: AdamW with warm-up and decay, gradient clipping, and weight averaging."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from molweight.arrays import AnyArray, Indices
from molweight.encoders.internal import calibrate
from molweight.ensemble._balance import FOCUS, Balance
from molweight.ensemble._member import Member
from molweight.errors import TrainingError
from molweight.graphs import MoleculeDataset, Task
from molweight.graphs.internal import is_mixed, tasks_of
from molweight.models.internal import bounded_square, class_loss, label_loss

__all__ = ["Schedule", "TrainingSet", "epochs_for", "fit_member", "schedule_for"]

_STEPS: Final = 1000
"""Minimum number of steps for a small table."""
_FEWEST: Final = 40
_MOST: Final = 100
_VISITS: Final = 150_000
"""Maximum number of molecule visits in training, subject to the minimum number of epochs."""
_SHORT: Final = 75_000
"""The same for short training, which has no minimum but one epoch."""
_LEAST: Final = ((15, 400_000), (5, 1_000_000))
"""Minimum number of epochs, as long as they do not exceed this number of visits; always at least one epoch."""
_SMALL: Final = 2_000
"""Maximum number of rows for small batches."""
_BATCHES: Final = ((32, 3e-4), (128, 1e-3))
"""Batch size and peak learning rate for small and for large tables."""
_SMOOTH: Final = 1e-4
_CALIBRATION: Final = 2048
"""Maximum number of molecules for estimating the statistics of batch normalisation."""


@dataclass(frozen=True)
class Schedule:
    """Training schedule of a member. The defaults were chosen out of fold; see ``experiments/results/recipes.md``.

    Args:
        epochs: Passes over the training rows.
        batch_size: Rows per step.
        lr: Peak learning rate.
        weight_decay: Weight decay of the head; the encoder has none.
        warm_up: Share of the steps with a rising learning rate; afterwards it decays as a half cosine.
        average: Number of steps over which weights are averaged, as a share of all steps.
        clip: Maximum gradient norm.
        frozen: Epochs at the beginning in which only the head is trained.
    """

    epochs: int
    batch_size: int = 32
    lr: float = 3e-4
    weight_decay: float = 0.01
    warm_up: float = 0.1
    average: float = 0.1
    clip: float = 1.0
    frozen: int = 0

    def factor(self, step: int, steps: int) -> float:
        """Learning rate of a step as a share of the peak.

        Args:
            step: Number of the step, from 0.
            steps: Total number of steps.

        Example:
            >>> [round(Schedule(1).factor(step, 10), 2) for step in (0, 1, 5, 9)]
            [1.0, 1.0, 0.59, 0.03]
        """
        rising = max(1, round(steps * self.warm_up))
        if step < rising:
            return (step + 1) / rising
        return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


def schedule_for(rows: int, *, most: int = _MOST, frozen: int = 0, short: bool = False) -> Schedule:
    """Training schedule for a number of rows: above 2,000, larger batches with a higher learning rate.

    Out of fold, large batches are as good as batches of 32 on lipophilicity, and take 0.7 times as long per molecule
    (``experiments/results/recipes.md``).

    Args:
        rows: Number of training rows.
        most: Maximum number of epochs.
        frozen: Epochs at the beginning in which only the head is trained.
        short: Whether a large table has fewer epochs; see :func:`epochs_for`.

    Example:
        >>> schedule_for(800).batch_size, schedule_for(8_000).batch_size
        (32, 128)
    """
    size, lr = _BATCHES[rows > _SMALL]
    return Schedule(min(most, epochs_for(rows, short=short)), size, lr, frozen=frozen)


def epochs_for(rows: int, *, short: bool = False) -> int:
    """Number of epochs: about 1,000 steps of 32 rows for a small table, and a bounded number of visits for a large one.

    A small table has at least 40 and at most 100 epochs. From 3,750 rows on, a member makes 150,000 molecule visits.
    This is raised to 15 epochs within a limit of 400,000 visits, and to 5 epochs within a limit of a million visits.
    Above 500,000 rows there is one epoch.

    Args:
        rows: Number of training rows.
        short: Whether to make 75,000 visits at most, in at least one epoch: next to a linear model of a pretrained
            network's vectors, members of a large table add little to the ensemble.

    Example:
        >>> epochs_for(20_000, short=True)
        3
        >>> [epochs_for(rows) for rows in (100, 800, 2_500, 8_000, 20_000, 80_000, 250_000, 1_500_000)]
        [100, 40, 40, 18, 15, 5, 4, 1]
    """
    rows = max(1, rows)
    epochs = max(_FEWEST, round(_STEPS * _BATCHES[0][0] / rows))
    if short:
        return min(_MOST, max(1, min(epochs, _SHORT // rows)))
    least = max(1, *(min(floor, visits // rows) for floor, visits in _LEAST))
    return min(_MOST, max(least, min(epochs, _VISITS // rows)))


@dataclass(frozen=True)
class TrainingSet:
    """Labelled molecules as training data of a member.

    Args:
        data: The molecules.
        features: Standardised features of all of them, ``n x F``.
        labels: Target outputs: 0 and 1, or labels in standard units, ``n x T``; NaN where missing.
        task: Task of the table.
        absolute: Whether regression minimises the absolute error instead of the squared one.
        balance: Treatment of rare classes; ``None`` for none.
    """

    data: MoleculeDataset
    features: Tensor
    labels: Tensor
    task: Task = "regression"
    absolute: bool = False
    balance: Balance | None = None

    def batch_loss(self, member: Member, rows: Indices, seed: int | None, device: torch.device) -> Tensor:
        """Weighted mean loss over the known labels of some rows, 0-dim; one-sided for labels that are bounds."""
        where, graphs = torch.from_numpy(rows), self.data.graphs(rows, device)
        outputs = member(graphs, self.features[where].to(device), seed)
        labels = self.labels[where].to(device)
        bounds, weights = graphs.columns.get("label_bounds"), graphs.columns.get("label_weight")
        if self.task == "multiclass":
            return class_loss(outputs, labels, weights=weights)
        if self.absolute and self.task == "regression":
            return _absolute(outputs, labels, bounds, weights)
        classes = self._classes(device)
        if self.balance and self.balance.kind == "weights":
            positive = torch.from_numpy(self.balance.positive).to(outputs)
            own = positive.where(labels == 1, positive.new_ones(()))
            weights = own if weights is None else own * weights
        if self.balance and self.balance.kind == "focal" and classes is not False:
            return _focal(outputs, labels, classes, bounds, weights)
        return label_loss(outputs, labels, classes=classes, bounds=bounds, weights=weights)

    def draw(self, rows: Indices, rng: np.random.Generator) -> Indices:
        """The rows of an epoch, in their order."""
        if self.balance is None:
            return rng.permutation(rows)
        return self.balance.draw(rows, self.labels[torch.from_numpy(rows)].numpy(), rng)

    def _classes(self, device: torch.device) -> bool | Tensor:
        if not is_mixed(self.task):
            return self.task == "classification"
        kinds = [task == "classification" for task in tasks_of(self.task, self.labels.size(1))]
        return torch.tensor(kinds, device=device)


def _absolute(outputs: Tensor, labels: Tensor, bounds: Tensor | None, weights: Tensor | None) -> Tensor:
    known = ~labels.isnan()
    square = bounded_square(outputs, labels.nan_to_num(), bounds)
    share = known.to(outputs.dtype) if weights is None else weights * known
    # A constant under the root makes its slope at 0 finite.
    return _mean_of((square + _SMOOTH**2).sqrt(), share)


def _focal(
    outputs: Tensor, labels: Tensor, classes: bool | Tensor, bounds: Tensor | None, weights: Tensor | None
) -> Tensor:
    """:func:`label_loss` with the focal loss for classes, in which well-predicted labels count less."""
    known, filled = ~labels.isnan(), labels.nan_to_num()
    entropy = nn.functional.binary_cross_entropy_with_logits(outputs, filled.clamp(0, 1), reduction="none")
    each = (1 - (-entropy).exp()) ** FOCUS * entropy
    if isinstance(classes, Tensor):
        each = bounded_square(outputs, filled, bounds).where(~classes, each)
    share = known.to(each.dtype) if weights is None else weights * known
    return _mean_of(each, share)


def _mean_of(each: Tensor, share: Tensor) -> Tensor:
    """The weighted mean, whatever the unit of the weights; 0 if all are 0."""
    total = share.sum()
    found: Tensor = (each * share).sum() / total.where(total > 0, total.new_ones(()))
    return found


def fit_member(
    member: Member, training: TrainingSet, rows: Indices, schedule: Schedule, *, seed: int, device: torch.device
) -> list[float]:
    """Train a member; at the end it holds its averaged weights, in evaluation mode.

    The number of steps is fixed in advance and the learning rate decays to 0, so no rows are held out for early
    stopping. On small tables, the best epoch on a few dozen molecules is mostly chance.

    Source: Izmailov et al., *Averaging Weights Leads to Wider Optima and Better Generalization*, UAI 2018; exponential
    averaging as in Tarvainen and Valpola, NeurIPS 2017.

    Args:
        member: Changed in place.
        training: The labelled molecules.
        rows: Positions of the training rows.
        schedule: Training schedule.
        seed: Seed of the batches and of dropout.
        device: Device of the member.

    Returns:
        Mean training loss of each epoch.

    Raises:
        TrainingError: If the loss is no longer finite.
    """
    rng = np.random.default_rng(seed)
    batches = max(1, round(len(rows) / schedule.batch_size))
    steps = batches * schedule.epochs
    optimizer = torch.optim.AdamW(_groups(member, schedule.weight_decay), lr=schedule.lr)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: schedule.factor(step, steps))
    decay = 1 - 1 / max(1.0, steps * schedule.average)
    average = AveragedModel(member, multi_avg_fn=get_ema_multi_avg_fn(decay))  # type: ignore[no-untyped-call]  # of PyTorch
    member.train()
    curve = []
    for epoch in range(schedule.epochs):
        member.encoder.requires_grad_(epoch >= schedule.frozen)
        losses = []
        for part in np.array_split(training.draw(rows, rng), batches):
            loss = training.batch_loss(member, part, int(rng.integers(2**31)), device)
            losses.append(_step(member, loss, optimizer, schedule.clip))
            scheduler.step()
            average.update_parameters(member)
        curve.append(_mean(losses))
    member.encoder.requires_grad_(requires_grad=True)
    member.load_state_dict(average.module.state_dict())
    if training.balance and training.balance.kind in ("weights", "batches"):
        _shift(member, training.balance.odds(training.labels[torch.from_numpy(rows)].numpy()))
    calibrate(member.encoder, _calibration(training.data, rows, device))
    member.eval()
    return curve


def _shift(member: Member, odds: AnyArray) -> None:
    """Correct the bias for the effect of balancing on the odds of classes."""
    with torch.no_grad():
        member.output.bias.sub_(torch.from_numpy(np.log(odds)).to(member.output.bias))


def _groups(member: Member, decay: float) -> list[dict[str, Any]]:
    head = [*member.hidden.parameters(), *member.output.parameters()]
    return [
        {"params": head, "weight_decay": decay},
        {"params": list(member.encoder.parameters()), "weight_decay": 0.0},
    ]


def _step(member: Member, loss: Tensor, optimizer: torch.optim.Optimizer, clip: float) -> Tensor:
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]  # PyTorch leaves it without annotations
    nn.utils.clip_grad_norm_(member.parameters(), clip)
    optimizer.step()
    return loss.detach()


def _mean(losses: list[Tensor]) -> float:
    """Mean loss of an epoch.

    Raises:
        TrainingError: If it is not finite.
    """
    value = float(torch.stack(losses).mean())
    if not math.isfinite(value):
        raise TrainingError(f"the finetuning loss became {value}. Check the labels and features for extreme values.")
    return value


def _calibration(data: MoleculeDataset, rows: Indices, device: torch.device) -> Iterator[Any]:
    chosen = rows[:: -(-len(rows) // _CALIBRATION)]
    for start in range(0, len(chosen), 256):
        yield data.graphs(chosen[start : start + 256], device)
