"""GraphSAGE with edge features."""

from typing import Unpack

from torch import Tensor, nn

from molweight.encoders._embedding import FeatureEmbedding
from molweight.encoders._message_passing import MessagePassingEncoder, TrunkOptions
from molweight.encoders._registry import register
from molweight.encoders._topology import Topology
from molweight.graphs import BOND_SIZES

__all__ = ["GraphSAGE", "GraphSAGELayer"]


class GraphSAGELayer(nn.Module):
    """One round: ``h_v <- W h_v + U mean(h_u + e_uv)`` over the neighbours ``u``; without any, the mean is zero.

    With zero bond vectors it is the same function as PyG's ``SAGEConv``, which has no bond features.

    Args:
        width: Size ``d`` of the vectors.
    """

    def __init__(self, width: int) -> None:
        """Create the bond embedding and the two linear maps."""
        super().__init__()
        self.bonds = FeatureEmbedding(BOND_SIZES, width)
        self.neighbours = nn.Linear(width, width)
        self.itself = nn.Linear(width, width, bias=False)

    def forward(self, nodes: Tensor, topology: Topology) -> Tensor:
        """Update the vectors of the atoms, ``N x d``."""
        source, target = topology.edge_index
        messages = nodes.index_select(0, source) + self.bonds(topology.bonds)
        total = nodes.new_zeros(nodes.shape).index_add(0, target, messages)
        updated: Tensor = self.itself(nodes) + self.neighbours(total / topology.degree.clamp(min=1)[:, None])
        return updated


@register("graphsage")
class GraphSAGE(MessagePassingEncoder):
    """GraphSAGE with mean aggregation and edge features; normalisation replaces the L2 norm of the source.

    Source: Hamilton et al., *Inductive Representation Learning on Large Graphs*, NeurIPS 2017; edge features as in Hu
    et al., *Strategies for Pre-training Graph Neural Networks*, ICLR 2020.

    Args:
        **options: ``layers``, ``width``, ``dropout``, ``norm``, ``readout``, ``jk`` and ``virtual_node``; see
            :class:`molweight.encoders.building_blocks.Trunk`.

    Raises:
        ConfigError: If an option is out of range.
    """

    def __init__(self, **options: Unpack[TrunkOptions]) -> None:
        """Create embeddings, layers and norms."""
        super().__init__(GraphSAGELayer, **options)
