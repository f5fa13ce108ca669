"""Types shared by the layers."""

from typing import Protocol

from torch import Tensor

__all__ = ["GraphLike"]


class GraphLike(Protocol):
    """Graphs for encoders: PyG's ``Data`` and ``Batch``, and ``molweight.graphs.GraphBatch``, fit."""

    @property
    def x(self) -> Tensor:
        """Atom features, ``N x 9`` int64."""
        ...

    @property
    def edge_index(self) -> Tensor:
        """Source and target atom of each edge, ``2 x E`` int64."""
        ...

    @property
    def edge_attr(self) -> Tensor:
        """Bond features, ``E x 3`` int64."""
        ...

    @property
    def batch(self) -> Tensor:
        """Molecule of each atom, ``N`` int64."""
        ...

    @property
    def num_graphs(self) -> int:
        """Number of molecules, ``G``."""
        ...
