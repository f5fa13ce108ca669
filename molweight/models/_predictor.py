"""Level 2, and what a finished run predicts with: an encoder with the head of the task."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from molweight.encoders import Encoder
from molweight.errors import ConfigError
from molweight.graphs import GraphBatch, Task
from molweight.graphs.internal import is_mixed, tasks_of
from molweight.models._label_loss import class_loss, label_loss
from molweight.models._pretrainer import Loss
from molweight.models._task_model import Answer, TaskModel

__all__ = ["Predictor"]


class Predictor(TaskModel):
    """Level 2: an encoder and the head of the task.

    Args:
        encoder: The encoder omega.
        task: ``"classification"``: outputs are logits; ``"regression"``: outputs are labels in standard units; or
            one of these for each target, separated by commas; or ``"multiclass"``: the targets are the classes of one
            column, outputs the logits of a softmax.
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
        standard = (labels - self.mean) / self.scale  # of classes, the mean is 0 and the scale 1
        return label_loss(outputs, standard, classes=self._classes(), bounds=bounds, weights=weights)

    def _classes(self) -> bool | Tensor:
        """Whether the targets are classes; where that differs, ``T`` booleans."""
        if not is_mixed(self.task):
            return self.task == "classification"
        kinds = [task == "classification" for task in tasks_of(self.task, len(self.mean))]
        return torch.tensor(kinds, device=self.mean.device)

    def predict(self, graphs: GraphBatch, seed: int | None = None) -> Tensor:
        """Predictions ``G x T``: probabilities, or labels in their own units; a seed decides the dropout masks."""
        return self._in_units(self(graphs, seed))

    @torch.no_grad()
    def answer(self, graphs: GraphBatch) -> Answer:
        """Predictions and vectors; without deviations, which are zeros."""
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

    def bound_loss(self, graphs: GraphBatch, seed: int | None) -> Loss:
        """The loss on a labelled batch as a pure function of the parameters."""
        if graphs.y is None:
            raise ConfigError("a labelled batch is needed for the task's loss, and this one has no labels.")
        labels, bounds, weights = graphs.y, graphs.columns.get("label_bounds"), graphs.columns.get("label_weight")

        def loss(params: dict[str, Tensor]) -> Tensor:
            return self.loss(functional_call(self, params, (graphs, seed)), labels, bounds, weights)

        return loss
