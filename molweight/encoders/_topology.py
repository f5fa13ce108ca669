"""The structure of a batch, as layers read it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor

from molweight.encoders._embedding import Codes, atom_codes, bond_codes
from molweight.encoders._equal_atoms import Classes, Edges, Round, rounds_of
from molweight.encoders._equal_bonds import DirectedRounds
from molweight.encoders._ring_edges import ring_edges
from molweight.encoders._sums import segment_sizes, sortable
from molweight.graphs import GraphBatch
from molweight.typing import GraphLike

__all__ = ["Dense", "Opposite", "Topology"]

_KEPT: Final = "_topology"
"""Where a batch keeps its topology."""


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
        atoms: Features of the atoms, for any number of embedding tables.
        bonds: Features of the edges, likewise.
        batch: Molecule of each atom, ``N``, in any order.
        num_graphs: ``G``.
        padding: How many molecules at the end do not count.

    Example:
        >>> from molweight.graphs import build_dataset
        >>> topology = Topology.of(build_dataset(["CCO", "C"], cache=False).graphs([0, 1]))
        >>> topology.degree.tolist(), topology.dense.filled.tolist()
        ([1, 2, 1, 0], [[True, True, True], [True, False, False]])
    """

    edge_index: Tensor
    atoms: Codes
    bonds: Codes
    batch: Tensor
    num_graphs: int
    padding: int = 0

    @classmethod
    def of(cls, graphs: GraphLike) -> "Topology":
        """The topology of a batch.

        A :class:`GraphBatch` keeps it where predictions are made, for the other members of an ensemble: it is a third
        of the time of a single molecule.
        """
        kept = vars(graphs).get(_KEPT) if isinstance(graphs, GraphBatch) else None
        if isinstance(kept, cls):
            return kept
        atoms, bonds = atom_codes(graphs.x), bond_codes(graphs.edge_attr)
        padding = graphs.padding if isinstance(graphs, GraphBatch) else 0
        made = cls(graphs.edge_index, atoms, bonds, graphs.batch, graphs.num_graphs, padding)
        predicting = not torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
        if predicting and isinstance(graphs, GraphBatch):
            vars(graphs)[_KEPT] = made
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies do without what was prepared: a part of it cannot be copied."""
        return type(self), (self.edge_index, self.atoms, self.bonds, self.batch, self.num_graphs, self.padding)

    @cached_property
    def atom_counts(self) -> Tensor | None:
        """1 for each atom that counts and 0 for each that was added, ``N`` int64; ``None`` where all count."""
        return (self.batch < self.num_graphs - self.padding).long() if self.padding else None

    @cached_property
    def graph_counts(self) -> Tensor | None:
        """The same of the molecules, ``G`` int64."""
        if not self.padding:
            return None
        return (torch.arange(self.num_graphs, device=self.batch.device) < self.num_graphs - self.padding).long()

    @property
    def sortable(self) -> bool:
        """Whether equal rows may be looked for; see :func:`molweight.encoders._sums.sortable`."""
        return sortable(self.edge_index)

    @cached_property
    def plain(self) -> Round:
        """A round in which each atom stands for itself, if :attr:`sortable`; equal messages are still computed once."""
        apart = Classes.apart(len(self.batch))
        return Edges(self.edge_index, self.bonds, len(self.batch)).round(apart, apart)

    def rounds(self, count: int) -> list[Round]:
        """The rounds in which equal atoms are merged, the first ``count`` of them, if :attr:`sortable`."""
        while len(self._rounds) < count:
            self._rounds.append(next(self._refinement))
        return self._rounds[:count]

    @cached_property
    def directed(self) -> DirectedRounds:
        """The rounds between directed bonds in which equal bonds are merged, if :attr:`sortable`."""
        return DirectedRounds(self.edge_index, self.atoms, self.bonds)

    @cached_property
    def _refinement(self) -> Iterator[Round]:
        return rounds_of(self.edge_index, self.atoms, self.bonds)

    @cached_property
    def _rounds(self) -> list[Round]:
        return []

    @cached_property
    def degree(self) -> Tensor:
        """Number of edges that end at each atom, ``N`` int64."""
        return segment_sizes(self.edge_index[1], len(self.batch))

    @cached_property
    def sizes(self) -> Tensor:
        """Number of atoms of each molecule, ``G`` int64."""
        return segment_sizes(self.batch, self.num_graphs)

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
    def in_ring(self) -> Tensor:
        """Whether each edge is part of a ring, ``E`` bool; on an accelerator, each step of the search waits for it."""
        return ring_edges(self.edge_index, len(self.batch))

    @cached_property
    def opposite(self) -> Opposite:
        """The edges back; found by sorting, since views and PyG batches keep no order of edges."""
        source, target = self.edge_index
        key, back = source * len(self.batch) + target, target * len(self.batch) + source
        ordered = key.sort().values
        found = torch.searchsorted(ordered, back)
        exists = torch.cat([ordered, ordered.new_full((1,), -1)]).index_select(0, found) == back
        return Opposite(torch.searchsorted(ordered, key), found.clamp(max=max(len(key) - 1, 0)), exists)
