"""Connected random subgraphs of all molecules of a batch at once."""

import torch
from torch import Tensor

from molweight.graphs import GraphBatch
from molweight.objectives._segments import ranks

__all__ = ["grow", "hops"]

_FAR = 1e6
_STRIDE = 8


def grow(batch: GraphBatch, size: Tensor, generator: torch.Generator) -> Tensor:
    """Grow a connected subgraph from a random atom of each molecule until it has the wanted size.

    Each bond gets a random length, and the atoms nearest to the root are kept (first-passage growth): any atom on the
    way to a kept atom is nearer, so what is kept hangs together. Where a component is used up, growth continues from an
    atom of another one.

    Args:
        batch: The molecules.
        size: Number of atoms to keep of each, ``G``; more than there are keeps all.
        generator: Source of randomness.

    Returns:
        Whether each atom is kept, ``N`` bool.

    Example:
        >>> x, bonds = torch.zeros(3, 9).long(), torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
        >>> chain = GraphBatch.of(x, bonds, torch.zeros(4, 3).long())
        >>> kept = [grow(chain, torch.tensor([2]), torch.Generator().manual_seed(seed)).tolist() for seed in range(20)]
        >>> [True, False, True] in kept
        False
    """
    distance = _first_passage(batch, _starts(batch, generator), generator)
    keys = distance / (distance.max() + 1) if len(distance) else distance
    return ranks(keys, batch.batch, batch.ptr) < size[batch.batch]


def hops(batch: GraphBatch, roots: Tensor, limit: int) -> Tensor:
    """Number of bonds between each atom and the nearest root.

    Args:
        batch: The molecules.
        roots: Positions of atoms.
        limit: The largest distance of interest, at least 0.

    Returns:
        ``N`` int64; ``limit + 1`` for atoms that are farther away or cannot be reached.

    Example:
        >>> x, bonds = torch.zeros(4, 9).long(), torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
        >>> hops(GraphBatch.of(x, bonds, torch.zeros(4, 3).long()), torch.tensor([0]), limit=4)
        tensor([0, 1, 2, 5])
    """
    source, target = batch.edge_index
    start = torch.full((batch.num_nodes,), limit + 1, device=batch.device)
    distance = start.index_fill(0, roots, 0)
    for _ in range(limit):
        distance = distance.scatter_reduce(0, target, distance[source] + 1, "amin")
    return distance


def _starts(batch: GraphBatch, generator: torch.Generator) -> Tensor:
    """Distances to begin with: 0 at the roots; elsewhere so far that only components without root begin there."""
    random = torch.rand(
        batch.num_graphs + batch.num_nodes, dtype=torch.float64, generator=generator, device=batch.device
    )
    count = batch.ptr[1:] - batch.ptr[:-1]
    offset = torch.minimum((random[: batch.num_graphs] * count).long(), count - 1)
    start = (1 + random[batch.num_graphs :]) * _FAR
    return start.index_fill(0, batch.ptr[:-1] + offset, 0.0)


def _first_passage(batch: GraphBatch, distance: Tensor, generator: torch.Generator) -> Tensor:
    """Shortest distances from the starts under random bond lengths, by relaxing all bonds at once."""
    source, target = batch.edge_index
    length = torch.empty(batch.num_edges, dtype=torch.float64, device=batch.device).exponential_(generator=generator)
    for _ in range(0, batch.num_nodes, _STRIDE):  # no path is longer; the test for an end is paid every few rounds
        before = distance
        for _ in range(_STRIDE):
            distance = distance.scatter_reduce(0, target, distance[source] + length, "amin")
        if torch.equal(distance, before):
            break
    return distance
