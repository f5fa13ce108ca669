"""Directed bonds that message passing cannot tell apart: they get the same vector, so it is computed once."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from molweight.encoders._embedding import Codes
from molweight.encoders._equal_atoms import SALTS, Classes, Edges, mixed, totals
from molweight.encoders._sums import Indices, Sums

__all__ = ["Atoms", "DirectedRounds", "Turn"]


@dataclass(frozen=True)
class Turn:
    """One round of messages from bonds to bonds, between bonds that are distinct before it and after it.

    Args:
        messages: From the vectors before the round to what each bond after it adds up: those of the bonds that end
            where it begins, without the way back.
        first: From the vectors of the first bonds to those of the same bonds, one per bond after the round.
    """

    messages: Sums
    first: Sums


@dataclass(frozen=True)
class Atoms:
    """Sums over the bonds of atoms after some rounds.

    Args:
        own: From the embedded atoms to those that are distinct now.
        incoming: From the vectors of the bonds to the sum over those that end at each atom.
        counts: How many atoms of the batch each one represents; ``None`` where each represents itself.
        places: From one vector per distinct atom to one per atom of the batch; ``None`` where these are the same.
    """

    own: Sums
    incoming: Sums
    counts: Tensor | None
    places: Sums | None


class DirectedRounds:
    """Rounds of messages between the directed bonds of a batch, as in D-MPNN, with equal bonds computed once.

    Bonds are distinguished as atoms are, see :func:`molweight.encoders._equal_atoms.rounds_of`.

    Args:
        edge_index: Source and target atom of each edge, ``2 x E``, on the CPU.
        atoms: Codes of the atoms.
        bonds: Codes of the edges.

    Attributes:
        start: From the vectors of the codes of the atoms, followed by those of the kinds of bonds, to the first sums.
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
        """Sums over the bonds of the atoms after this many rounds."""
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
    """For each edge ``v -> w``, one after the other, all edges into ``v`` but those from ``w``; where each begin."""
    target = np.repeat(np.arange(len(edges.starts) - 1), np.diff(edges.starts))
    listed, starts = edges.into(edges.source)
    kept = edges.source[listed] != np.repeat(target, np.diff(starts))
    return listed[kept], np.concatenate([np.zeros(1, np.int64), kept.cumsum()])[starts]
