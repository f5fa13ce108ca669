"""What every encoder is."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor, nn

from molweight.typing import GraphLike

__all__ = ["Encoder", "Encoding"]


class Encoding(NamedTuple):
    """What an encoder returns for ``G`` molecules with ``N`` atoms in all.

    Args:
        nodes: One vector per atom, ``N x d``.
        graphs: One vector per molecule, ``G x d``.
    """

    nodes: Tensor
    graphs: Tensor


class Encoder(nn.Module, ABC):
    """A graph neural network that maps molecules to vectors, as a pure function of its parameters.

    Pure means: no buffer changes in ``forward`` and no hidden random state is read, so that two evaluations with the
    same parameters and the same seed agree, and every derivative of a training step sees the same function. Layers
    use index-based reductions only, which are right to second order whether or not torch-scatter is installed.

    Subclasses set ``width`` before or in ``__init__`` and implement ``forward``.

    Attributes:
        width: Size ``d`` of the vectors in an :class:`Encoding`.
    """

    width: int

    @abstractmethod
    def forward(self, graphs: GraphLike, seed: int | None = None) -> Encoding:
        """Encode a batch of molecules.

        Args:
            graphs: The molecules: atom features ``N x 9``, bonds ``2 x E``, bond features ``E x 3``.
            seed: Decides the dropout masks. ``None`` switches dropout off, in training mode too.

        Returns:
            Vectors of atoms and of molecules.
        """

    def __call__(self, graphs: GraphLike, seed: int | None = None) -> Encoding:
        """Encode a batch of molecules; see :meth:`forward`."""
        encoding: Encoding = super().__call__(graphs, seed)
        return encoding
