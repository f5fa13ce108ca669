"""Graph attention network, second version, with edge features."""

from functools import partial
from typing import Unpack

import torch
from torch import Tensor, nn

from molweight.encoders._embedding import FeatureEmbedding
from molweight.encoders._message_passing import MessagePassingEncoder, TrunkOptions
from molweight.encoders._registry import register
from molweight.encoders._topology import Topology
from molweight.errors import OptionError
from molweight.graphs import BOND_SIZES

__all__ = ["GATv2", "GATv2Layer"]


class GATv2Layer(nn.Module):
    """PyG's ``GATv2Conv`` on the atoms, with its own bond embedding.

    An atom attends to its neighbours and to itself, through a self-loop with the mean of its bond vectors.

    Args:
        width: Size ``d`` of the vectors.
        heads: Number of heads, each of width ``d / heads``.

    Raises:
        ConfigError: If ``d`` is not a multiple of ``heads``.
    """

    def __init__(self, width: int, heads: int) -> None:
        """Create the bond embedding and PyG's layer."""
        from torch_geometric.nn import GATv2Conv

        super().__init__()
        if heads < 1 or width % heads:
            raise OptionError("heads", heads, f"must be at least 1 and divide width={width}", owner="encoder 'gatv2'")
        self.bonds = FeatureEmbedding(BOND_SIZES, width)
        # PyG would search for self-loops to replace, which synchronises with an accelerator; molecules have none.
        self.conv = GATv2Conv(width, width // heads, heads, edge_dim=width, add_self_loops=False)

    def forward(self, nodes: Tensor, topology: Topology) -> Tensor:
        """Update the vectors of the atoms, ``N x d``."""
        bonds, loops = self.bonds(topology.bonds), torch.arange(len(nodes), device=nodes.device)
        total = bonds.new_zeros(nodes.shape).index_add(0, topology.edge_index[1], bonds)
        own = total / topology.degree.clamp(min=1)[:, None]
        edges = torch.cat([topology.edge_index, loops.expand(2, -1)], dim=1)
        updated: Tensor = self.conv(nodes, edges, torch.cat([bonds, own]))
        return updated


@register("gatv2")
class GATv2(MessagePassingEncoder):
    """Graph attention network whose attention depends on both ends of a bond and on the bond.

    Source: Brody et al., *How Attentive are Graph Attention Networks?*, ICLR 2022.

    Args:
        heads: Number of attention heads; ``width`` is a multiple of it.
        **options: ``layers``, ``width``, ``dropout``, ``norm``, ``readout``, ``jk`` and ``virtual_node``; see
            :class:`molweight.encoders.building_blocks.Trunk`.

    Raises:
        ConfigError: If an option is out of range.
    """

    def __init__(self, *, heads: int = 4, **options: Unpack[TrunkOptions]) -> None:
        """Create embeddings, layers and norms."""
        super().__init__(partial(GATv2Layer, heads=heads), **options)
