"""Atoms that message passing cannot distinguish have the same vector, which is computed once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from molweight.encoders._embedding import Codes, FeatureEmbedding
from molweight.encoders._sums import Indices, Sums, order_of, starts_of

__all__ = ["Classes", "Edges", "MergingLayer", "Round", "rounds_of"]

_MOST_MERGED: Final = 0.85
"""Share of distinct atoms above which every atom is computed separately, because sorting costs more than it saves."""
SALTS: Final = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1B54A32D192ED03))


@dataclass(frozen=True)
class Round:
    """One round of message passing, from the distinct atoms before it to the distinct atoms after it.

    Args:
        own: Maps the vectors before the round to those of the same atoms, one per distinct atom after it; ``None`` if
            these are the same.
        pairs: Maps the vectors before the round, followed by those of the kinds of bonds, to one sum per distinct
            message: the vector of the sending atom plus that of the bond.
        kinds: The kinds of bonds.
        incoming: Which messages each atom sums.
        after: Which atoms are equal after the round.
    """

    own: Sums | None
    pairs: Sums
    kinds: Codes
    incoming: Sums
    after: Classes

    @cached_property
    def counts(self) -> Tensor | None:
        """Number of atoms of the batch that each distinct atom represents; ``None`` if all atoms are distinct."""
        return self.after.counts

    @cached_property
    def places(self) -> Sums | None:
        """Maps the vectors after the round to those of all atoms; ``None`` if these are the same."""
        return self.after.places

    def before(self, nodes: Tensor) -> Tensor:
        """The vectors before the round, one per distinct atom after it."""
        return nodes if self.own is None else self.own(nodes)

    def sent(self, nodes: Tensor, bonds: FeatureEmbedding) -> Tensor:
        """For each distinct message, the vector of the sending atom plus that of the bond."""
        return self.pairs(torch.cat([nodes, bonds(self.kinds)]))


class MergingLayer(nn.Module, ABC):
    """A layer of message passing that can be computed once for equal atoms."""

    @abstractmethod
    def merged(self, nodes: Tensor, each: Round) -> Tensor:
        """The vectors after a round, one per distinct atom.

        Args:
            nodes: The vectors before the round, one per distinct atom.
            each: The round.
        """


Words = np.ndarray[tuple[int, ...], np.dtype[np.uint64]]


def mixed(numbers: Indices, salt: np.uint64) -> Words:
    """A fixed pseudo-random word for each number: the finaliser of SplitMix64 (Steele et al., OOPSLA 2014)."""
    words = numbers.astype(np.uint64) * np.uint64(0xBF58476D1CE4E5B9) + salt
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixture: Words = words ^ (words >> np.uint64(31))
    return mixture


def totals(numbers: Words, starts: Indices) -> Words:
    """Sums modulo 2^64 between consecutive starts; exact, so that they do not depend on the order."""
    running = np.concatenate([np.zeros(1, np.uint64), numbers.cumsum(dtype=np.uint64)])
    between: Words = running[starts[1:]] - running[starts[:-1]]
    return between


def _numbers(codes: Codes) -> Indices:
    if codes.items is None:
        raise ValueError("codes on the CPU must contain the combination of each item")
    items: Indices = codes.items.numpy()
    return items


def changes(ordered: Indices | Words) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Where a number differs from its predecessor; true for the first."""
    return np.concatenate([np.ones(min(len(ordered), 1), np.bool_), ordered[1:] != ordered[:-1]])


class Classes:
    """A partition of the atoms: the class of each, and an atom of each class."""

    def __init__(self, of: Indices, first: Indices, *, alone: bool = False) -> None:
        self.of, self.first, self.count = of, first, len(first)
        self.alone = alone  # each item is a separate class, in the order of the items

    @property
    def counts(self) -> Tensor | None:
        """Number of items of each class; ``None`` if each has one."""
        return None if self.alone else torch.from_numpy(np.bincount(self.of, minlength=self.count))

    @property
    def places(self) -> Sums | None:
        """Maps one vector per class to one per item; ``None`` if these are the same."""
        return None if self.alone else Sums.choosing(self.of, self.count)

    @classmethod
    def of_codes(cls, codes: Codes) -> Classes:
        """Classes of items with equal codes."""
        return cls.numbered(_numbers(codes), len(codes.hot))

    @classmethod
    def numbered(cls, of: Indices, count: int) -> Classes:
        """Classes from given numbers."""
        first = np.empty(count, np.int64)
        first[of] = np.arange(len(of))
        return cls(of, first)

    @classmethod
    def by(cls, key: Words, check: Words) -> Classes:
        """Classes of atoms with equal keys; separate classes if too many differ, or if the check fails."""
        order = np.argsort(key)
        fresh = changes(key[order])
        if fresh.sum() > _MOST_MERGED * len(key) or (changes(check[order]) & ~fresh).any():
            return cls.apart(len(key))
        of = np.empty_like(order)
        of[order] = fresh.cumsum() - 1
        return cls(of, order[fresh])

    @classmethod
    def apart(cls, atoms: int) -> Classes:
        """A separate class for each atom."""
        return cls(np.arange(atoms), np.arange(atoms), alone=True)


class Edges:
    """The edges of a batch, sorted by target, as arrays."""

    def __init__(self, edge_index: Tensor, bonds: Codes, atoms: int) -> None:
        source, target = edge_index.numpy()
        order = order_of(target)
        self.source, self.starts = source[order], starts_of(target, atoms)
        self.bond = _numbers(bonds)[order]
        self.codes, self.kinds = bonds, len(bonds.hot)

    def sending(self, before: Classes, edge: Indices) -> tuple[Sums, Indices]:
        """The distinct messages along some edges, see :class:`Round`, and the message of each edge.

        Args:
            before: The classes of the sending atoms.
            edge: The edges.
        """
        message = before.of[self.source[edge]] * self.kinds + self.bond[edge]
        order = order_of(message)
        fresh = changes(message[order])
        number = np.empty_like(order)
        number[order] = fresh.cumsum() - 1
        distinct = message[order][fresh]
        pairs = np.stack([distinct // self.kinds, before.count + distinct % self.kinds], axis=1).reshape(-1)
        return Sums.of(pairs, np.arange(len(distinct) + 1) * 2, before.count + self.kinds), number

    def round(self, before: Classes, after: Classes) -> Round:
        """The round between two partitions of the atoms; the second refines the first."""
        edge, starts = self.into(after.first)
        pairs, number = self.sending(before, edge)
        return Round(
            own=None if before is after else Sums.choosing(before.of[after.first], before.count),
            pairs=pairs,
            kinds=Codes(self.codes.hot, None),
            incoming=Sums.of(number, starts, len(pairs.starts) - 1),
            after=after,
        )

    def refined(self, before: Classes) -> Classes:
        """The partition after a round: equal atoms were equal before it, and so were their neighbours and bonds."""
        message = before.of[self.source] * self.kinds + self.bond
        key, check = (self.totals(mixed(message, salt)) + mixed(before.of, ~salt) for salt in SALTS)
        return Classes.by(key, check)

    def into(self, atoms: Indices) -> tuple[Indices, Indices]:
        """The edges into some atoms, atom by atom, and the start of each atom's edges."""
        begin, count = self.starts[atoms], self.starts[atoms + 1] - self.starts[atoms]
        starts = np.concatenate([np.zeros(1, np.int64), count.cumsum()])
        return np.arange(starts[-1]) + np.repeat(begin - starts[:-1], count), starts

    def totals(self, numbers: Words) -> Words:
        """Sums of the numbers of the edges into each atom."""
        return totals(numbers, self.starts)


def rounds_of(edge_index: Tensor, atoms: Codes, bonds: Codes) -> Iterator[Round]:
    """The rounds of a batch, starting from atoms with distinct features, then with distinct surroundings.

    After ``t`` rounds of message passing, two atoms have the same vector if ``t`` rounds of colour refinement give them
    the same colour (Weisfeiler & Leman 1968; Xu et al., ICLR 2019). Among 6,000 atoms of drug-like molecules there are
    about 70, 1,000, 3,200 and 4,700 colours before the first round and after each. Colours are distinguished by 128-bit
    sums over the neighbours: 64 bits sort the atoms, and if the other 64 disagree, nothing is merged.

    Args:
        edge_index: Source and target atom of each edge, ``2 x E``, on the CPU.
        atoms: Codes of the atoms.
        bonds: Codes of the edges.

    Yields:
        One round after the other, indefinitely.
    """
    before = Classes.of_codes(atoms)
    edges = Edges(edge_index, bonds, len(before.of))
    while not before.alone:
        after = edges.refined(before)
        yield edges.round(before, after)
        before = after
    yield from repeat(edges.round(before, before))
