"""What predicts the task, whatever it is made of."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from molweight.encoders import Encoder
from molweight.graphs import GraphBatch, MoleculeDataset, Task

__all__ = ["TaskModel"]


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
            seed: Of the dropout masks; ``None`` for none.
        """

    @abstractmethod
    def predict(self, graphs: GraphBatch, seed: int | None = None) -> Tensor:
        """Predictions ``G x T``: probabilities, or labels in their own units.

        Args:
            graphs: The molecules, of a dataset that :meth:`with_features` returned.
            seed: Of the dropout masks; ``None`` for none.
        """

    def embed(self, graphs: GraphBatch) -> Tensor:
        """Vectors of molecules, ``G x d``.

        Args:
            graphs: The molecules.
        """
        return self.first_encoder()(graphs).graphs

    def with_features(self, data: MoleculeDataset) -> MoleculeDataset:
        """The molecules with the columns that the model reads, if it reads any.

        Args:
            data: The molecules.
        """
        return data
