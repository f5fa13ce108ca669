"""Graph isomorphism network with edge features."""

from typing import Unpack

import torch
from torch import Tensor, nn

from molweight.encoders._embedding import FeatureEmbedding
from molweight.encoders._equal_atoms import MergingLayer, Round
from molweight.encoders._message_passing import MessagePassingEncoder, TrunkOptions
from molweight.encoders._registry import register
from molweight.encoders._topology import Topology
from molweight.graphs import BOND_SIZES

__all__ = ["GIN", "GINLayer"]


class GINLayer(MergingLayer):
    r"""One round of message passing: ``h_v <- MLP(h_v + \sum_u relu(h_u + e_uv))``.

    The same function as PyG's ``GINEConv`` with ``eps=0`` and the MLP ``d -> 2d -> d``, with its own bond embedding.

    Args:
        width: Size ``d`` of the vectors.
    """

    def __init__(self, width: int) -> None:
        """Create the bond embedding and the MLP."""
        super().__init__()
        self.bonds = FeatureEmbedding(BOND_SIZES, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(inplace=True), nn.Linear(2 * width, width))

    def forward(self, nodes: Tensor, topology: Topology) -> Tensor:
        """Update the vectors of the atoms, ``N x d``."""
        if topology.sortable:
            return self.merged(nodes, topology.plain)
        source, target = topology.edge_index
        messages = (nodes.index_select(0, source) + self.bonds(topology.bonds)).relu_()
        updated: Tensor = self.mlp(torch.index_add(nodes, 0, target, messages))
        return updated

    def merged(self, nodes: Tensor, each: Round) -> Tensor:
        """The same for merged equal atoms; see :class:`Round`."""
        messages = each.sent(nodes, self.bonds).relu_()
        updated: Tensor = self.mlp(each.incoming(messages).add_(each.before(nodes)))
        return updated


@register("gin")
class GIN(MessagePassingEncoder):
    """Graph isomorphism network with edge features, as used for pretraining by Hu et al.

    Defaults are the published ones, except for dropout, which objectives rarely use.

    Source: Hu et al., *Strategies for Pre-training Graph Neural Networks*, ICLR 2020; Xu et al., ICLR 2019.

    Args:
        **options: ``layers``, ``width``, ``dropout``, ``norm``, ``readout``, ``jk`` and ``virtual_node``; see
            :class:`molweight.encoders.building_blocks.Trunk`.

    Raises:
        ConfigError: If an option is out of range.

    Example:
        >>> from molweight.graphs import GraphBatch
        >>> methane = GraphBatch.of(
        ...     torch.tensor([[5, 0, 0, 5, 4, 0, 2, 0, 0]]), torch.empty(2, 0).long(), torch.empty(0, 3).long()
        ... )
        >>> encoding = GIN(layers=2, width=16)(methane)
        >>> encoding.nodes.shape, encoding.graphs.shape
        (torch.Size([1, 16]), torch.Size([1, 16]))
    """

    def __init__(self, **options: Unpack[TrunkOptions]) -> None:
        """Create embeddings, layers and norms."""
        super().__init__(GINLayer, **options)
