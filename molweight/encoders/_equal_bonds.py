"""Directed bonds that message passing cannot distinguish have the same vector, which is computed once."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from molweight.encoders._embedding import Codes
from molweight.encoders._equal_atoms import SALTS, Classes, Edges, mixed, totals
from molweight.encoders._sums import Indices, Sums

__all__ = ["Atoms", "DirectedRounds", "Turn"]


@dataclass(frozen=True)
class Turn:
    """One round of messages between bonds, from the distinct bonds before it to the distinct bonds after it.

    Args:
        messages: Maps the vectors before the round to the sum for each bond after it, over the bonds that end at its
            source, without its reverse bond.
        first: Maps the initial vectors of the bonds to those of the same bonds, one per bond after the round.
    """

    messages: Sums
    first: Sums


@dataclass(frozen=True)
class Atoms:
    """Sums over the bonds of atoms after some rounds.

    Args:
        own: Maps the embedded atoms to the currently distinct ones.
        incoming: Maps the vectors of the bonds to the sum over those that end at each atom.
        counts: Number of atoms of the batch that each distinct one represents; ``None`` if all are 1.
        places: Maps one vector per distinct atom to one per atom of the batch; ``None`` if these are the same.
    """

    own: Sums
    incoming: Sums
    counts: Tensor | None
    places: Sums | None


class DirectedRounds:
    """Rounds of messages between the directed bonds of a batch, as in D-MPNN, with equal bonds computed once.

    Bonds are distinguished like atoms, see :func:`molweight.encoders._equal_atoms.rounds_of`.

    Args:
        edge_index: Source and target atom of each edge, ``2 x E``, on the CPU.
        atoms: Codes of the atoms.
        bonds: Codes of the edges.

    Attributes:
        start: Maps the vectors of the codes of the atoms, followed by those of the kinds of bonds, to the first sums.
        kinds: The kinds of bonds.
    """

    def __init__(self, edge_index: Tensor, atoms: Codes, bonds: Codes) -> None:
        """Prepare the bonds before the first round."""
        self._atoms = Classes.of_codes(atoms)
        self._edges = edges = Edges(edge_index, bonds, len(self._atoms.of))
        self.start, number = edges.sending(self._atoms, np.arange(len(edges.source)))
        self.kinds = Codes(bonds.hot, None)
        self._turn, self._turn_starts = _turns(edges)
        self._bonds = [Classes.numbered(number, len(self.start.starts) - 1)]
        self._made: dict[int, Turn] = {}

    def turn(self, number: int) -> Turn:
        """The round of this number, from 1."""
        while len(self._bonds) <= number:
            self._bonds.append(self._refined())
        if number not in self._made:
            self._made[number] = self._between(self._bonds[number - 1], self._bonds[number])
        return self._made[number]

    def atoms(self, turns: int) -> Atoms:
        """For each distinct atom, the sum over its bonds after the given number of rounds."""
        bonds, edges, own = self._bonds[turns], self._edges, self._atoms
        words = (edges.totals(mixed(bonds.of, salt)) + mixed(own.of, ~salt) for salt in SALTS)
        after = Classes.by(*words)
        edge, starts = edges.into(after.first)
        return Atoms(
            own=Sums.choosing(own.of[after.first], own.count),
            incoming=Sums.of(bonds.of[edge], starts, bonds.count),
            counts=after.counts,
            places=after.places,
        )

    def _refined(self) -> Classes:
        first, last = self._bonds[0], self._bonds[-1]
        if last.alone:
            return last
        sums = (totals(mixed(last.of, salt)[self._turn], self._turn_starts) for salt in SALTS)
        words = (total + mixed(first.of, ~salt) for total, salt in zip(sums, SALTS, strict=True))
        return Classes.by(*words)

    def _between(self, before: Classes, after: Classes) -> Turn:
        begin, end = self._turn_starts[after.first], self._turn_starts[after.first + 1]
        starts = np.concatenate([np.zeros(1, np.int64), (end - begin).cumsum()])
        listed = self._turn[np.arange(starts[-1]) + np.repeat(begin - starts[:-1], end - begin)]
        first = self._bonds[0]
        return Turn(Sums.of(before.of[listed], starts, before.count), Sums.choosing(first.of[after.first], first.count))


def _turns(edges: Edges) -> tuple[Indices, Indices]:
    """For each edge ``v -> w``, concatenated, all edges into ``v`` except those from ``w``; and their starts."""
    target = np.repeat(np.arange(len(edges.starts) - 1), np.diff(edges.starts))
    listed, starts = edges.into(edges.source)
    kept = edges.source[listed] != np.repeat(target, np.diff(starts))
    return listed[kept], np.concatenate([np.zeros(1, np.int64), kept.cumsum()])[starts]
