"""A virtual node: one vector per molecule, shared by all its atoms."""

import torch
from torch import Tensor, nn

from molweight.encoders._norm import build_norm, normalised
from molweight.encoders._topology import Topology

__all__ = ["VirtualNode"]


class VirtualNode(nn.Module):
    """A vector per molecule that is added to its atoms before each round, and updated from them after all but the last.

    ``v <- MLP(v + sum of the atoms)`` with a separate MLP ``d -> 2d -> d`` for each update.

    Source: Gilmer et al., *Neural Message Passing for Quantum Chemistry*, ICML 2017, section 5.2 (the idea); Hu et al.,
    *Open Graph Benchmark*, NeurIPS 2020 (this form).

    Args:
        updates: Number of updates.
        width: Size ``d`` of the vectors.
        norm: Normalisation within the MLP.
    """

    def __init__(self, updates: int, width: int, norm: str) -> None:
        """Initialise to zero, as in the source."""
        super().__init__()
        self.initial = nn.Parameter(torch.zeros(width))
        self.updates = nn.ModuleList(_mlp(width, norm) for _ in range(updates))

    def start(self, num_graphs: int) -> Tensor:
        """The vectors before the first round, ``G x d``."""
        return self.initial.expand(num_graphs, -1)

    def forward(self, number: int, shared: Tensor, nodes: Tensor, topology: Topology) -> Tensor:
        """The vectors after an update.

        Args:
            number: Number of the update, from 0.
            shared: The vectors so far, ``G x d``.
            nodes: Vectors of the atoms, ``N x d``.
            topology: Their molecules.

        Returns:
            ``G x d``.
        """
        rows = shared.index_add(0, topology.batch, nodes)
        for step in self.updates[number].children():
            rows = normalised(step, rows, topology.graph_counts)
        return rows


def _mlp(width: int, norm: str) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(width, 2 * width),
        build_norm(norm, 2 * width),
        nn.ReLU(),
        nn.Linear(2 * width, width),
        build_norm(norm, width),
        nn.ReLU(),
    )
