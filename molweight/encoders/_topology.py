"""The structure of a batch, for layers."""

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
"""Attribute of a batch for its topology."""


class Dense(NamedTuple):
    """Positions of the atoms in a table with one row per molecule, padded to the largest.

    Args:
        place: Flat position of each atom in that table, ``N`` int64.
        size: Number of atoms of the largest molecule.
        filled: Which positions hold an atom, ``G x size`` bool.
    """

    place: Tensor
    size: int
    filled: Tensor


class Opposite(NamedTuple):
    """For each edge ``v -> w``, all edges ``w -> v``: one, unless a bond was repeated or lost a direction.

    Args:
        group: A number common to edges between the same atoms in the same direction, ``E`` int64, below ``E``.
        of: The group of the edges in the other direction, ``E`` int64; arbitrary if there are none.
        exists: Whether there are edges in the other direction, ``E`` bool.
    """

    group: Tensor
    of: Tensor
    exists: Tensor


@dataclass(frozen=True)
class Topology:
    """Bonds between atoms, prepared once for all layers of a forward pass.

    Data that only some layers need is computed on first use. Nothing here depends on parameters.

    Args:
        edge_index: Source and target atom of each edge, ``2 x E``.
        atoms: Features of the atoms, for any number of embedding tables.
        bonds: Features of the edges, for any number of embedding tables.
        batch: Molecule of each atom, ``N``, in any order.
        num_graphs: ``G``.
        padding: Number of padding molecules at the end.

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

        A :class:`GraphBatch` caches it, for further passes of a step and for the other members of an ensemble: for a
        single molecule, creating it takes a third of the time.
        """
        # Tensors of a transform or of inference mode cannot be used outside of it.
        transformed = torch._C._are_functorch_transforms_active()  # noqa: SLF001 - no public name
        keeps = isinstance(graphs, GraphBatch) and not transformed and not torch.is_inference_mode_enabled()
        kept = vars(graphs).get(_KEPT) if keeps else None
        if isinstance(kept, cls):
            return kept
        atoms, bonds = atom_codes(graphs.x), bond_codes(graphs.edge_attr)
        padding = graphs.padding if isinstance(graphs, GraphBatch) else 0
        made = cls(graphs.edge_index, atoms, bonds, graphs.batch, graphs.num_graphs, padding)
        if keeps:
            vars(graphs)[_KEPT] = made
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without cached data, part of which cannot be copied."""
        return type(self), (self.edge_index, self.atoms, self.bonds, self.batch, self.num_graphs, self.padding)

    @cached_property
    def atom_counts(self) -> Tensor | None:
        """1 for each real atom and 0 for each padding atom, ``N`` int64; ``None`` without padding."""
        return (self.batch < self.num_graphs - self.padding).long() if self.padding else None

    @cached_property
    def graph_counts(self) -> Tensor | None:
        """The same for the molecules, ``G`` int64."""
        if not self.padding:
            return None
        return (torch.arange(self.num_graphs, device=self.batch.device) < self.num_graphs - self.padding).long()

    @property
    def sortable(self) -> bool:
        """Whether to search for equal rows; see :func:`molweight.encoders._sums.sortable`."""
        return sortable(self.edge_index)

    @cached_property
    def plain(self) -> Round:
        """A round without merged atoms, if :attr:`sortable`; equal messages are still computed once."""
        apart = Classes.apart(len(self.batch))
        return Edges(self.edge_index, self.bonds, len(self.batch)).round(apart, apart)

    def rounds(self, count: int) -> list[Round]:
        """The first ``count`` rounds with merged equal atoms, if :attr:`sortable`."""
        while len(self._rounds) < count:
            self._rounds.append(next(self._refinement))
        return self._rounds[:count]

    @cached_property
    def directed(self) -> DirectedRounds:
        """The rounds between directed bonds with merged equal bonds, if :attr:`sortable`."""
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
        """The layout for attention; on an accelerator, the size of the largest molecule needs one synchronisation."""
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
        """Whether each edge is part of a ring, ``E`` bool; on an accelerator, each step of the search synchronises."""
        return ring_edges(self.edge_index, len(self.batch))

    @cached_property
    def opposite(self) -> Opposite:
        """The reverse edges, found by sorting, because the edges of views and PyG batches are in no fixed order."""
        source, target = self.edge_index
        key, back = source * len(self.batch) + target, target * len(self.batch) + source
        ordered = key.sort().values
        found = torch.searchsorted(ordered, back)
        exists = torch.cat([ordered, ordered.new_full((1,), -1)]).index_select(0, found) == back
        return Opposite(torch.searchsorted(ordered, key), found.clamp(max=max(len(key) - 1, 0)), exists)
