"""A batch of molecular graphs as plain tensors."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

__all__ = ["GraphBatch"]


@dataclass(frozen=True)
class GraphBatch:
    """``G`` molecules with ``N`` atoms and ``E`` directed edges in all, under the names PyG uses.

    Whatever reads ``x, edge_index, edge_attr, batch`` from a PyG batch can read them from this one. It exists beside
    PyG's own class because objectives build several views of it in every step: it is typed, immutable, and costs
    nothing to make. :meth:`molweight.graphs.MoleculeDataset.batch` returns a PyG ``Batch``.

    Args:
        x: Atom features, ``N x 9`` int64.
        edge_index: Source and target atom of each edge, ``2 x E`` int64; the two directions of a bond are neighbours.
        edge_attr: Bond features, ``E x 3`` int64.
        batch: Molecule of each atom, ``N`` int64, ascending.
        ptr: First atom of each molecule and the total, ``G + 1`` int64.
        num_graphs: ``G``.
        y: Labels, ``G x tasks`` float32 with NaN for missing; ``None`` without labels.
        columns: Further values per molecule, each with first dimension ``G``, e.g. the targets of objectives.
        atom_columns: Further values per atom, each with first dimension ``N``, e.g. positions in space.

    Example:
        >>> one = torch.zeros(1, 9, dtype=torch.long)
        >>> methane = GraphBatch.of(one, torch.empty(2, 0, dtype=torch.long), torch.empty(0, 3, dtype=torch.long))
        >>> methane.num_graphs, methane.num_nodes, methane.ptr.tolist()
        (1, 1, [0, 1])
    """

    x: Tensor
    edge_index: Tensor
    edge_attr: Tensor
    batch: Tensor
    ptr: Tensor
    num_graphs: int
    y: Tensor | None = None
    columns: Mapping[str, Tensor] = field(default_factory=dict)
    atom_columns: Mapping[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> "GraphBatch":
        """A batch of one molecule from its own arrays."""
        batch = torch.zeros(len(x), dtype=torch.long, device=x.device)
        ptr = torch.tensor([0, len(x)], device=x.device)
        return cls(x, edge_index, edge_attr, batch, ptr, 1)

    @property
    def num_nodes(self) -> int:
        """``N``, the number of atoms."""
        return self.x.size(0)

    @property
    def num_edges(self) -> int:
        """``E``, the number of directed edges: twice the number of bonds."""
        return self.edge_index.size(1)

    @property
    def device(self) -> torch.device:
        """Where the tensors live."""
        return self.x.device

    def to(self, device: torch.device | str) -> "GraphBatch":
        """The same batch on another device."""
        return replace(
            self,
            x=self.x.to(device),
            edge_index=self.edge_index.to(device),
            edge_attr=self.edge_attr.to(device),
            batch=self.batch.to(device),
            ptr=self.ptr.to(device),
            y=None if self.y is None else self.y.to(device),
            columns={name: column.to(device) for name, column in self.columns.items()},
            atom_columns={name: column.to(device) for name, column in self.atom_columns.items()},
        )
