"""Detection of the edges of a batch of graphs that are part of a ring."""

import torch
from torch import Tensor

__all__ = ["ring_edges"]


def ring_edges(edge_index: Tensor, nodes: int) -> Tensor:
    """Whether each edge is part of a ring, i.e. its ends remain connected without it.

    A spanning tree of each molecule is grown breadth-first, for all of them at once. Each edge outside the tree closes
    one ring with the tree paths from its ends, and every ring is a combination of such rings. Only PyTorch operations
    are used, because transforms of :mod:`torch.func` hide the values of tensors from NumPy.

    Args:
        edge_index: Source and target of each edge, ``2 x E``; directions and repetitions do not matter.
        nodes: Number of nodes.

    Returns:
        ``E`` booleans.

    Example:
        >>> ring_edges(torch.tensor([[0, 1, 2, 2], [1, 2, 0, 3]]), nodes=4).tolist()
        [True, True, True, False]
    """
    parent, depth = _trees(edge_index, nodes)
    source, target = edge_index
    outside = (parent[source] != target) & (parent[target] != source) & (source != target)
    on_path = torch.zeros(nodes, dtype=torch.bool, device=edge_index.device)  # the edge of each node to its parent
    one, other = source[outside], target[outside]
    while len(one):
        climbs = depth[one] >= depth[other]
        on_path = on_path.index_fill(0, one.where(climbs, other), value=True)
        one, other = parent[one].where(climbs, one), other.where(climbs, parent[other])
        apart = one != other
        one, other = one[apart], other[apart]
    lower = source.where(depth[source] > depth[target], target)
    found: Tensor = outside | (on_path[lower] & (source != target))
    return found


def _trees(edge_index: Tensor, nodes: int) -> tuple[Tensor, Tensor]:
    """The parent of each node (-1 for a root), and its distance from the root, in spanning trees."""
    source, target = torch.cat([edge_index, edge_index.flip(0)], dim=1)
    place = torch.arange(nodes, device=edge_index.device)
    root = place == _least_connected(source, target, place)
    parent, depth = torch.full_like(place, -1), torch.where(root, 0, -1)
    level = 0
    while bool((reached := (depth[source] == level) & (depth[target] < 0)).any()):
        # Any one of several neighbours on the level above may be the parent.
        parent = parent.scatter_reduce(0, target[reached], source[reached], "amax")
        level += 1
        depth = depth.index_fill(0, target[reached], level)
    return parent, depth


def _least_connected(source: Tensor, target: Tensor, place: Tensor) -> Tensor:
    """The lowest node that each node is connected to."""
    label = place
    while True:
        found = label.scatter_reduce(0, target, label[source], "amin")
        found = found[found]
        if bool((found == label).all()):
            return label
        label = found
