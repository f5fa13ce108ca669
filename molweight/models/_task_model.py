"""Interface of models that predict the task."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor, nn

from molweight.arrays import Float32Matrix
from molweight.encoders import Encoder
from molweight.graphs import GraphBatch, MoleculeDataset, Task

__all__ = ["Answer", "TaskModel"]


class Answer(NamedTuple):
    """Output of a model for ``G`` molecules in one pass.

    Args:
        prediction: Probabilities, or labels in their own units, ``G x T``.
        deviation: Standard deviations of the predictions, ``G x T``; zeros for a model without them.
        vectors: The encoder's vectors, ``G x d``.
    """

    prediction: Float32Matrix
    deviation: Float32Matrix
    vectors: Float32Matrix


class TaskModel(nn.Module, ABC):
    """A model of the labels of a table: a :class:`Predictor`, or an ensemble of several.

    Attributes:
        task: ``"classification"``: outputs are logits; ``"regression"``: outputs are labels in standard units.
        mean: Mean of each label over the training molecules, ``T``; zeros for classification.
        scale: Standard deviation of each label, ``T``; ones for classification.
    """

    task: Task
    mean: Tensor
    scale: Tensor

    @abstractmethod
    def first_encoder(self) -> Encoder:
        """The encoder, or that of the first of several models."""

    @abstractmethod
    def forward(self, graphs: GraphBatch, seed: int | None = None) -> Tensor:
        """Outputs ``G x T``: logits, or labels in standard units.

        Args:
            graphs: The molecules.
            seed: Seed of the dropout masks; ``None`` for none.
        """

    @abstractmethod
    def predict(self, graphs: GraphBatch, seed: int | None = None) -> Tensor:
        """Predictions ``G x T``: probabilities, or labels in their own units.

        Args:
            graphs: The molecules, of a dataset that :meth:`with_features` returned.
            seed: Seed of the dropout masks; ``None`` for none.
        """

    @abstractmethod
    def answer(self, graphs: GraphBatch) -> Answer:
        """Predictions, deviations and vectors of molecules, which are encoded once.

        Args:
            graphs: The molecules, of a dataset that :meth:`with_features` returned.
        """

    def embed(self, graphs: GraphBatch) -> Tensor:
        """Vectors of molecules, ``G x d``.

        Args:
            graphs: The molecules.
        """
        return self.first_encoder()(graphs).graphs

    def feature_names(self) -> list[str]:
        """Names of the feature sets that the model reads, if it reads any."""
        return []

    def with_features(self, data: MoleculeDataset) -> MoleculeDataset:
        """The molecules with the columns that the model reads, if it reads any.

        Args:
            data: The molecules.
        """
        return data
