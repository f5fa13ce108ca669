"""Level 2, and the model of a finished run: an encoder with the head of the task."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from molweight import encoders
from molweight.arrays import Indices
from molweight.datasets.internal import exact_labels
from molweight.encoders import Encoder
from molweight.errors import ConfigError
from molweight.graphs import GraphBatch, MoleculeDataset, Task
from molweight.graphs.internal import is_mixed, pad_batch, tasks_of
from molweight.models._pretrainer import Loss
from molweight.models._task_model import Answer, TaskModel

__all__ = ["Predictor", "bounded_square", "build_predictor", "class_loss", "label_loss", "label_statistics"]


def bounded_square(outputs: Tensor, labels: Tensor, bounds: Tensor | None = None) -> Tensor:
    """Squared error; zero where a label is a bound and the output satisfies it.

    A lower bound (bound 1: the true value is above the label) contributes only if the output is below it, and an upper
    bound only if the output is above it, as in chemprop's ``BoundedMSE`` and in a Tobit likelihood with small noise.

    Args:
        outputs: ``G x T``.
        labels: ``G x T`` in the same units, without NaN.
        bounds: ``G x T``: -1 where the true value is below the label, 1 where it is above, 0 where it is the label;
            ``None`` for exact labels.

    Returns:
        ``G x T``.

    Example:
        >>> import torch
        >>> above = torch.tensor([1, 1, -1, 0])
        >>> bounded_square(torch.tensor([2.0, 7.0, 7.0, 7.0]), torch.full((4,), 5.0), above).tolist()
        [9.0, 0.0, 4.0, 4.0]
    """
    error = outputs - labels
    if bounds is not None:
        error = error.masked_fill((bounds > 0) & (error > 0) | (bounds < 0) & (error < 0), 0.0)
    return error.square()


def _cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.binary_cross_entropy_with_logits(outputs, labels, reduction="none")


def label_loss(
    outputs: Tensor,
    labels: Tensor,
    *,
    classes: bool | Tensor,
    bounds: Tensor | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """Mean over all known labels of the cross-entropy or of the squared error.

    Args:
        outputs: ``G x T``: logits, or values in the units of ``labels``.
        labels: ``G x T``, NaN where missing; 0 and 1 for classes.
        classes: Whether the labels are classes; for a table with classes and numbers, ``T`` booleans.
        bounds: ``G x T``, as for :func:`bounded_square`; not for classes.
        weights: Weight of each label, ``G x T``, not negative; ``None`` for equal ones.

    Returns:
        0-dim: the weighted sum over known labels, divided by the sum of their weights (by 1 where none is known).

    Example:
        >>> import torch
        >>> labels = torch.tensor([[1.0], [3.0], [float("nan")]])
        >>> label_loss(torch.zeros(3, 1), labels, classes=False).item()
        5.0
        >>> label_loss(torch.zeros(3, 1), labels, classes=False, weights=torch.tensor([[3.0], [1.0], [1.0]])).item()
        3.0
    """
    known = ~labels.isnan()
    filled = labels.nan_to_num()
    if isinstance(classes, Tensor):
        each = bounded_square(outputs, filled, bounds).where(~classes, _cross_entropy(outputs, filled))
    else:
        each = _cross_entropy(outputs, filled) if classes else bounded_square(outputs, filled, bounds)
    if weights is None:
        return (each * known).sum() / known.sum().clamp_min(1)
    return _weighted_mean(each, weights * known)


def class_loss(outputs: Tensor, labels: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """Mean over all labelled molecules of the cross-entropy of one of several classes.

    Args:
        outputs: Logits ``G x T`` of the ``T`` classes.
        labels: ``G x T``: 1 for the class of a molecule and 0 for the others; NaN where it is not known.
        weights: Weight of each molecule, not negative, ``G x T`` with equal columns; ``None`` for equal ones.

    Returns:
        0-dim: the weighted sum, divided by the sum of the weights (by 1 where no label is known).

    Example:
        >>> import torch
        >>> class_loss(torch.zeros(2, 4), torch.eye(4)[:2]).exp().item()  # nothing is known of four classes
        4.0
    """
    known = ~labels.isnan().any(dim=1)
    each = -(outputs.log_softmax(dim=1) * labels.nan_to_num()).sum(dim=1)
    return _weighted_mean(each, known.to(each.dtype) if weights is None else weights[:, 0] * known)


def _weighted_mean(each: Tensor, weights: Tensor) -> Tensor:
    """The weighted mean; 0 if all weights are 0."""
    total = weights.sum()
    # Divided first: the product of a small weight and an error could be rounded to 0.
    return (each * (weights / total.where(total > 0, total.new_ones(())))).sum()


class Predictor(TaskModel):
    """Level 2: an encoder and the head of the task.

    Args:
        encoder: The encoder omega.
        task: ``"classification"``: outputs are logits; ``"regression"``: outputs are labels in standard units; or one
            of these for each target, separated by commas; or ``"multiclass"``: the targets are the classes of one
            column, and outputs are the logits of a softmax.
        mean: Mean of each label over the training molecules, ``T``; zeros for classification.
        scale: Standard deviation of each label, ``T``; ones for classification.
    """

    def __init__(self, encoder: Encoder, task: Task, mean: Tensor, scale: Tensor) -> None:
        """Create a linear head, as in Hu et al. 2020."""
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.width, len(mean))
        self.task = task
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)

    def first_encoder(self) -> Encoder:
        """The encoder."""
        return self.encoder

    def forward(self, graphs: GraphBatch, seed: int | None = None) -> Tensor:
        """Outputs ``G x T``: logits, or labels in standard units."""
        outputs: Tensor = self.head(self.encoder(graphs, seed).graphs)
        return outputs

    def loss(
        self, outputs: Tensor, labels: Tensor, bounds: Tensor | None = None, weights: Tensor | None = None
    ) -> Tensor:
        """Mean over all known labels of the cross-entropy or of the squared error in standard units, 0-dim.

        Args:
            outputs: ``G x T``, as :meth:`forward` returns.
            labels: ``G x T`` in their own units, NaN where missing.
            bounds: Which labels are bounds, ``G x T``, as in :func:`molweight.datasets.from_smiles`.
            weights: Weight of each label, ``G x T``.
        """
        if self.task == "multiclass":
            return class_loss(outputs, labels, weights=weights)
        if self.task == "classification":
            return label_loss(outputs, labels, classes=True, weights=weights)
        standard = (labels - self.mean) / self.scale  # for classes, the mean is 0 and the scale is 1
        return label_loss(outputs, standard, classes=self._classes(), bounds=bounds, weights=weights)

    def _classes(self) -> bool | Tensor:
        """Whether the targets are classes; ``T`` booleans if they differ."""
        if not is_mixed(self.task):
            return self.task == "classification"
        kinds = [task == "classification" for task in tasks_of(self.task, len(self.mean))]
        return torch.tensor(kinds, device=self.mean.device)

    def predict(self, graphs: GraphBatch, seed: int | None = None) -> Tensor:
        """Predictions ``G x T``: probabilities, or labels in their own units; a seed decides the dropout masks."""
        return self._in_units(self(graphs, seed))

    @torch.no_grad()
    def answer(self, graphs: GraphBatch) -> Answer:
        """Predictions and vectors; deviations are zeros."""
        vectors = self.encoder(graphs).graphs
        predicted = self._in_units(self.head(vectors)).cpu().numpy()
        return Answer(predicted, np.zeros_like(predicted), vectors.cpu().numpy())

    def _in_units(self, outputs: Tensor) -> Tensor:
        """Probabilities, or labels in their own units."""
        if self.task == "multiclass":
            return outputs.softmax(dim=1)
        classes, values = self._classes(), outputs * self.scale + self.mean
        if isinstance(classes, Tensor):
            return torch.where(classes, outputs.sigmoid(), values)
        return outputs.sigmoid() if classes else values

    def bound_loss(self, graphs: GraphBatch, seed: int | None, *, pad: bool = False) -> Loss:
        """The loss on a labelled batch, which may be padded, as a pure function of the parameters."""
        if graphs.y is None:
            raise ConfigError("the loss of the task needs a labelled batch, but this one has no labels.")
        labels, bounds, weights = graphs.y, graphs.columns.get("label_bounds"), graphs.columns.get("label_weight")
        batch = pad_batch(graphs) if pad else graphs

        def loss(params: dict[str, Tensor]) -> Tensor:
            return self.loss(functional_call(self, params, (batch, seed)), labels, bounds, weights)

        return loss


def build_predictor(
    encoder: str, encoder_options: Mapping[str, Any], task: Task, mean: Tensor, scale: Tensor
) -> Predictor:
    """A new encoder with the head of a task; see :class:`Predictor`."""
    return Predictor(encoders.create(encoder, **encoder_options), task, mean, scale)


def label_statistics(data: MoleculeDataset, train: Indices) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each label over the training molecules; 0 and 1 for classes.

    Labels that are bounds count only if a target has no others. A target that is constant over the training molecules
    gets a standard deviation of 1.
    """
    count = len(data.target_names)
    if data.task in ("classification", "multiclass"):
        return torch.zeros(count), torch.ones(count)
    labels, exact = data.targets[train].astype(np.float64), exact_labels(data, train).astype(np.float64)
    labels = np.where(np.isnan(exact).all(axis=0), labels, exact)
    known = ~np.isnan(labels)
    number = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, labels, 0.0).sum(axis=0) / number
    deviation = np.sqrt(np.where(known, (labels - mean) ** 2, 0.0).sum(axis=0) / number)
    classes = np.array([task == "classification" for task in tasks_of(data.task, count)])
    mean, deviation = np.where(classes, 0.0, mean), np.where(classes, 1.0, deviation)
    return torch.tensor(mean).float(), torch.tensor(np.where(deviation > 0, deviation, 1.0)).float()
