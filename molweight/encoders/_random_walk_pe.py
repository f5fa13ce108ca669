"""Random-walk positional encoding of atoms."""

import torch
from torch import Tensor

from molweight.encoders._sums import segment_sizes
from molweight.encoders._topology import Topology

__all__ = ["return_probabilities"]


def return_probabilities(topology: Topology, steps: int, dtype: torch.dtype) -> Tensor:
    """The probability that a random walk from an atom returns after 1, 2, ... steps.

    Source: Dwivedi et al., *Graph Neural Networks with Learnable Structural and Positional Representations*, ICLR 2022.

    Args:
        topology: The bonds.
        steps: Number of columns.
        dtype: Type of the result.

    Returns:
        ``N x steps``; zeros for an atom without bonds.

    Example:
        >>> from molweight.graphs import build_dataset
        >>> chain = Topology.of(build_dataset(["CCC"], cache=False).graphs([0]))
        >>> return_probabilities(chain, 2, torch.float32).tolist()
        [[0.0, 0.5], [0.0, 1.0], [0.0, 0.5]]
    """
    dense, (source, target) = topology.dense, topology.edge_index
    size = dense.size
    place = dense.place.index_select(0, source) * size + dense.place.index_select(0, target) % size
    leaves = 1 / segment_sizes(source, len(topology.batch)).clamp(min=1).to(dtype)
    flat = torch.zeros(topology.num_graphs * size * size, dtype=dtype, device=source.device)
    step = flat.index_add(0, place, leaves.index_select(0, source)).view(topology.num_graphs, size, size)
    walk, columns = step, []
    for _ in range(steps):
        columns.append(walk.diagonal(dim1=1, dim2=2).reshape(-1))
        walk = walk @ step
    return torch.stack(columns, dim=1).index_select(0, dense.place)
