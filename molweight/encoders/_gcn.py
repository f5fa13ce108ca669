"""Graph convolutional network with edge features."""

from typing import Unpack

import torch
from torch import Tensor, nn

from molweight.encoders._embedding import FeatureEmbedding
from molweight.encoders._message_passing import MessagePassingEncoder, TrunkOptions
from molweight.encoders._registry import register
from molweight.encoders._topology import Topology
from molweight.graphs import BOND_SIZES

__all__ = ["GCN", "GCNLayer"]


class GCNLayer(nn.Module):
    r"""One graph convolution: ``h_v <- b + \sum_u (W h_u + e_uv) / sqrt(d_u d_v)`` over ``u = v`` and the neighbours.

    ``d`` counts an atom's bonds and itself; the self-loop ``e_vv`` has a separate vector. With zero bond vectors it is
    the same function as PyG's ``GCNConv``, which has no bond features.

    Args:
        width: Size ``d`` of the vectors.
    """

    def __init__(self, width: int) -> None:
        """Create the bond embedding and the linear map, initialised as in ``GCNConv``."""
        super().__init__()
        self.bonds = FeatureEmbedding(BOND_SIZES, width)
        self.itself = nn.Parameter(torch.zeros(width))
        self.linear = nn.Linear(width, width, bias=False)
        self.bias = nn.Parameter(torch.zeros(width))
        nn.init.xavier_uniform_(self.linear.weight)

    def forward(self, nodes: Tensor, topology: Topology) -> Tensor:
        """Update the vectors of the atoms, ``N x d``."""
        source, target = topology.edge_index
        scale = (topology.degree + 1).to(nodes.dtype).rsqrt()[:, None]
        mapped = self.linear(nodes) * scale
        bonds = self.bonds(topology.bonds) * scale.index_select(0, source)
        total: Tensor = (mapped + self.itself * scale).index_add(0, target, mapped.index_select(0, source) + bonds)
        return total * scale + self.bias


@register("gcn")
class GCN(MessagePassingEncoder):
    """Graph convolutional network with edge features, in the form Hu et al. used for pretraining.

    Source: Kipf & Welling, *Semi-Supervised Classification with Graph Convolutional Networks*, ICLR 2017; Hu et al.,
    *Strategies for Pre-training Graph Neural Networks*, ICLR 2020.

    Args:
        **options: ``layers``, ``width``, ``dropout``, ``norm``, ``readout``, ``jk`` and ``virtual_node``; see
            :class:`molweight.encoders.building_blocks.Trunk`.

    Raises:
        ConfigError: If an option is out of range.
    """

    def __init__(self, **options: Unpack[TrunkOptions]) -> None:
        """Create embeddings, layers and norms."""
        super().__init__(GCNLayer, **options)
