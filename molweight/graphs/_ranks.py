"""An order of a molecule's atoms that is independent of the SMILES."""

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np

from molweight.arrays import Int64Array
from molweight.graphs._batch import GraphBatch

__all__ = ["AtomRanks", "atom_ranks"]

Bonds = list[list[tuple[tuple[int, ...], int]]]


class AtomRanks(NamedTuple):
    """Canonical ranks of the ``N`` atoms of a molecule.

    Args:
        order: A unique rank for each atom, 0 to ``N - 1``; arbitrary between equivalent atoms.
        classes: The same rank for equivalent atoms.
    """

    order: Int64Array
    classes: Int64Array


def atom_ranks(graph: GraphBatch) -> AtomRanks:
    """Canonical ranks of the atoms, based on the input of an encoder.

    Atoms are distinguished by their features, then by the features of their neighbours, and so on (colour refinement).
    Atoms that remain equal are equivalent: no message-passing encoder can distinguish them. For the order, one atom of
    the first class with several is singled out, and the refinement is repeated until every atom has a class of its own.

    Source: B. D. McKay, *Practical graph isomorphism*, Congr. Numer. 30, 45 (1981), without backtracking: if atoms are
    equal but not interchangeable, as in some cages, the order depends on the input.

    Args:
        graph: One molecule.

    Returns:
        The ranks.

    Example:
        >>> from molweight.graphs import build_dataset
        >>> [ranks.tolist() for ranks in atom_ranks(build_dataset(["CCC"], cache=False).graphs([0]))]
        [[1, 0, 2], [1, 0, 1]]
    """
    bonds: Bonds = [[] for _ in range(graph.num_nodes)]
    features = list(map(tuple, graph.edge_attr.tolist()))
    for source, target, feature in zip(*graph.edge_index.tolist(), features, strict=True):
        bonds[target].append((feature, source))
    colours = classes = _refined(_numbered(list(map(tuple, graph.x.tolist()))), bonds)
    while len(set(colours)) < len(colours):
        first = min(colour for colour in colours if colours.count(colour) > 1)
        chosen = colours.index(first)
        split = [(colour, colour == first and atom != chosen) for atom, colour in enumerate(colours)]
        colours = _refined(_numbered(split), bonds)
    return AtomRanks(np.array(colours, dtype=np.int64), np.array(classes, dtype=np.int64))


def _refined(colours: list[int], bonds: Bonds) -> list[int]:
    """The coarsest colouring in which atoms of one colour have neighbours of the same colours."""
    while True:
        around = [sorted((feature, colours[other]) for feature, other in bonded) for bonded in bonds]
        finer = _numbered([(colour, tuple(seen)) for colour, seen in zip(colours, around, strict=True)])
        if len(set(finer)) == len(set(colours)):
            return colours
        colours = finer


def _numbered(keys: Sequence[Any]) -> list[int]:
    """Numbers in the order of the keys, equal for equal keys."""
    numbers: dict[Hashable, int] = {key: number for number, key in enumerate(sorted(set(keys)))}
    return [numbers[key] for key in keys]
