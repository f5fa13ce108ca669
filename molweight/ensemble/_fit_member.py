"""Training of one member: AdamW with warm-up and decay, clipped gradients, an average of the weights."""

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
"""Steps that a small table is trained for at least."""
_FEWEST: Final = 40
_MOST: Final = 100
_VISITS: Final = 150_000
"""Molecules that a member sees in all, at most, but for the least number of epochs."""
_LEAST: Final = ((15, 400_000), (5, 1_000_000))
"""Epochs that a member has at least, while they add up to so many molecules at most; one epoch in any case."""
_SMALL: Final = 2_000
"""Rows up to which batches are small."""
_BATCHES: Final = ((32, 3e-4), (128, 1e-3))
"""Rows of a batch and peak of the learning rate, of small tables and of large ones."""
_SMOOTH: Final = 1e-4
_CALIBRATION: Final = 2048
"""Molecules that the statistics of batch normalisation are estimated on, at most."""


@dataclass(frozen=True)
class Schedule:
    """How a member is trained. The defaults were chosen out of fold; see ``experiments/results/recipes.md``.

    Args:
        epochs: Passes over the training rows.
        batch_size: Rows per step.
        lr: Peak of the learning rate.
        weight_decay: Weight decay of the head; the encoder has none.
        warm_up: Share of the steps over which the learning rate rises; after it, it falls as a half cosine.
        average: Share of the steps that the average of the weights remembers.
        clip: Largest norm of a gradient.
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
            step: From 0.
            steps: In all.

        Example:
            >>> [round(Schedule(1).factor(step, 10), 2) for step in (0, 1, 5, 9)]
            [1.0, 1.0, 0.59, 0.03]
        """
        rising = max(1, round(steps * self.warm_up))
        if step < rising:
            return (step + 1) / rising
        return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


def schedule_for(rows: int, *, most: int = _MOST, frozen: int = 0) -> Schedule:
    """How a member is trained on so many rows: larger batches at a higher rate above 2,000.

    Out of fold that is as good as batches of 32 on lipophilicity, and takes 0.7 times as long for each molecule
    (``experiments/results/recipes.md``).

    Args:
        rows: Training rows.
        most: Epochs at most.
        frozen: Epochs at the beginning in which only the head is trained.

    Example:
        >>> schedule_for(800).batch_size, schedule_for(8_000).batch_size
        (32, 128)
    """
    size, lr = _BATCHES[rows > _SMALL]
    return Schedule(min(most, epochs_for(rows)), size, lr, frozen=frozen)


def epochs_for(rows: int) -> int:
    """Epochs that give a small table about a thousand steps of 32 rows, and a large one a bounded number of visits.

    From 3,750 rows on a member sees 150,000 molecules, but at least 15 epochs while these are 400,000 molecules at
    most, and 5 epochs up to a million molecules; from 500,000 rows there is one epoch.

    Args:
        rows: Training rows.

    Example:
        >>> [epochs_for(rows) for rows in (100, 800, 2_500, 8_000, 20_000, 80_000, 250_000, 1_500_000)]
        [100, 40, 40, 18, 15, 5, 4, 1]
    """
    rows = max(1, rows)
    epochs = max(_FEWEST, round(_STEPS * _BATCHES[0][0] / rows))
    least = max(1, *(min(floor, visits // rows) for floor, visits in _LEAST))
    return min(_MOST, max(least, min(epochs, _VISITS // rows)))


@dataclass(frozen=True)
class TrainingSet:
    """Labelled molecules as a member is trained on them.

    Args:
        data: The molecules.
        features: Standardised features of all of them, ``n x F``.
        labels: What the outputs are to be: 0 and 1, or labels in standard units, ``n x T``; NaN where missing.
        task: Task of the table.
        absolute: Whether the absolute error of numbers is minimised in place of the squared one.
        balance: What is done about rare classes; ``None`` for nothing.
    """

    data: MoleculeDataset
    features: Tensor
    labels: Tensor
    task: Task = "regression"
    absolute: bool = False
    balance: Balance | None = None

    def batch_loss(self, member: Member, rows: Indices, seed: int | None, device: torch.device) -> Tensor:
        """Weighted mean loss over the known labels of some rows, 0-dim; one-sided where a label is a bound."""
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
    # The root is shifted by a constant so that its slope at 0 is finite.
    loss: Tensor = ((square + _SMOOTH**2).sqrt() * share).sum() / share.sum().clamp(min=_SMOOTH)
    return loss


def _focal(
    outputs: Tensor, labels: Tensor, classes: bool | Tensor, bounds: Tensor | None, weights: Tensor | None
) -> Tensor:
    """The mean of :func:`label_loss` with the focal loss for classes: what is predicted well counts less."""
    known, filled = ~labels.isnan(), labels.nan_to_num()
    entropy = nn.functional.binary_cross_entropy_with_logits(outputs, filled.clamp(0, 1), reduction="none")
    each = (1 - (-entropy).exp()) ** FOCUS * entropy
    if isinstance(classes, Tensor):
        each = bounded_square(outputs, filled, bounds).where(~classes, each)
    share = known.to(each.dtype) if weights is None else weights * known
    loss: Tensor = (each * share).sum() / share.sum().clamp(min=_SMOOTH)
    return loss


def fit_member(
    member: Member, training: TrainingSet, rows: Indices, schedule: Schedule, *, seed: int, device: torch.device
) -> list[float]:
    """Train a member; it ends as the average of its weights, in evaluation mode.

    The number of steps is fixed beforehand and the learning rate ends at 0, so no rows are needed to stop by: on small
    tables the best epoch on a few dozen molecules is mostly luck.

    Source: Izmailov et al., *Averaging Weights Leads to Wider Optima and Better Generalization*, UAI 2018; an
    exponential average as in Tarvainen and Valpola, NeurIPS 2017.

    Args:
        member: Changed in place.
        training: The labelled molecules.
        rows: Which of them to train on.
        schedule: How.
        seed: Seed of the batches and of dropout.
        device: Where the member is.

    Returns:
        Mean training loss of each epoch.

    Raises:
        TrainingError: If the loss stops being finite.
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
    """Undo what balance did to the odds of classes."""
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
        raise TrainingError(
            f"the loss of finetuning is {value}. Look for extreme labels, and for extreme columns among the features."
        )
    return value


def _calibration(data: MoleculeDataset, rows: Indices, device: torch.device) -> Iterator[Any]:
    chosen = rows[:: -(-len(rows) // _CALIBRATION)]
    for start in range(0, len(chosen), 256):
        yield data.graphs(chosen[start : start + 256], device)
