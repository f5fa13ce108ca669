"""What layers know of a batch besides the vectors of its atoms."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from molweight.encoders._embedding import Codes, bond_codes
from molweight.typing import GraphLike

__all__ = ["Dense", "Opposite", "Topology"]


class Dense(NamedTuple):
    """Where each atom is in a table with one row per molecule, padded to the largest.

    Args:
        place: Flat position of each atom in that table, ``N`` int64.
        size: Atoms of the largest molecule.
        filled: Which places hold an atom, ``G x size`` bool.
    """

    place: Tensor
    size: int
    filled: Tensor


class Opposite(NamedTuple):
    """For each edge ``v -> w``, all edges ``w -> v``: one, unless a bond was repeated or lost a direction.

    Args:
        group: A number that edges between the same atoms in the same direction share, ``E`` int64, below ``E``.
        of: The number that the edges in the other direction share, ``E`` int64, where there are any.
        exists: Whether there are any, ``E`` bool.
    """

    group: Tensor
    of: Tensor
    exists: Tensor


@dataclass(frozen=True)
class Topology:
    """Bonds between atoms, prepared once for all layers of a forward pass.

    What only some layers need is computed when first asked for. Nothing here depends on parameters.

    Args:
        edge_index: Source and target atom of each edge, ``2 x E``.
        bonds: Features of the edges, for any number of embedding tables.
        batch: Molecule of each atom, ``N``, in any order.
        num_graphs: ``G``.

    Example:
        >>> from molweight.graphs import build_dataset
        >>> topology = Topology.of(build_dataset(["CCO", "C"], cache=False).graphs([0, 1]))
        >>> topology.degree.tolist(), topology.dense.filled.tolist()
        ([1, 2, 1, 0], [[True, True, True], [True, False, False]])
    """

    edge_index: Tensor
    bonds: Codes
    batch: Tensor
    num_graphs: int

    @classmethod
    def of(cls, graphs: GraphLike) -> "Topology":
        """The topology of a batch."""
        return cls(graphs.edge_index, bond_codes(graphs.edge_attr), graphs.batch, graphs.num_graphs)

    @cached_property
    def degree(self) -> Tensor:
        """Number of edges that end at each atom, ``N`` int64."""
        return torch.bincount(self.edge_index[1], minlength=len(self.batch))

    @cached_property
    def sizes(self) -> Tensor:
        """Number of atoms of each molecule, ``G`` int64."""
        return torch.bincount(self.batch, minlength=self.num_graphs)

    @cached_property
    def dense(self) -> Dense:
        """The layout for attention; on an accelerator, the size of the largest molecule waits for the queue once."""
        size = max(int(self.sizes.max()), 1)
        order = torch.argsort(self.batch, stable=True)
        molecule = self.batch.index_select(0, order)
        start = self.sizes.cumsum(0) - self.sizes
        rank = torch.arange(len(order), device=order.device) - start.index_select(0, molecule)
        place = torch.empty_like(order).scatter_(0, order, molecule * size + rank)
        filled = torch.arange(size, device=order.device) < self.sizes[:, None]
        return Dense(place, size, filled)

    @cached_property
    def opposite(self) -> Opposite:
        """The edges back; found by sorting, since views and PyG batches keep no order of edges."""
        source, target = self.edge_index
        key, back = source * len(self.batch) + target, target * len(self.batch) + source
        ordered = key.sort().values
        found = torch.searchsorted(ordered, back)
        exists = torch.cat([ordered, ordered.new_full((1,), -1)]).index_select(0, found) == back
        return Opposite(torch.searchsorted(ordered, key), found.clamp(max=max(len(key) - 1, 0)), exists)
