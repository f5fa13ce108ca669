"""Graph isomorphism network with edge features."""

import torch
from torch import Tensor, nn

from molweight.encoders._base import Encoder, Encoding
from molweight.encoders._dropout import dropout, dropout_generator
from molweight.encoders._embedding import Codes, FeatureEmbedding, atom_codes, bond_codes
from molweight.encoders._jumping import jump, jump_width
from molweight.encoders._norm import build_norm
from molweight.encoders._readout import READOUTS, readout
from molweight.encoders._registry import register
from molweight.errors import ConfigError
from molweight.graphs import ATOM_SIZES, BOND_SIZES
from molweight.options import check_choice
from molweight.typing import GraphLike

__all__ = ["GIN", "GINLayer"]


class GINLayer(nn.Module):
    r"""One round of message passing: ``h_v <- MLP(h_v + \sum_u relu(h_u + e_uv))``.

    The same function as PyG's ``GINEConv`` with ``eps=0`` and the MLP ``d -> 2d -> d``, with its own bond embedding.

    Args:
        width: Size ``d`` of the vectors.
    """

    def __init__(self, width: int) -> None:
        """Create the bond embedding and the MLP."""
        super().__init__()
        self.bonds = FeatureEmbedding(BOND_SIZES, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))

    def forward(self, nodes: Tensor, edge_index: Tensor, bonds: Codes) -> Tensor:
        """Update the vectors of the atoms, ``N x d``."""
        source, target = edge_index
        messages = (nodes.index_select(0, source) + self.bonds(bonds)).relu_()
        updated: Tensor = self.mlp(torch.index_add(nodes, 0, target, messages))
        return updated


@register("gin")
class GIN(Encoder):
    """Graph isomorphism network with edge features, as used for pretraining by Hu et al.

    Each layer is followed by normalisation, ReLU (not after the last layer) and dropout. Defaults are the published
    ones, apart from dropout, which objectives use rarely.

    Source: Hu et al., *Strategies for Pre-training Graph Neural Networks*, ICLR 2020; Xu et al., ICLR 2019.

    Args:
        layers: Number of rounds of message passing.
        width: Size of the vectors of atoms.
        dropout: Share of entries set to 0 after each layer, where ``forward`` is given a seed.
        norm: ``"batch"``, ``"layer"`` or ``"none"``.
        readout: ``"mean"``, ``"sum"`` or ``"max"`` over the atoms of a molecule.
        jk: ``"last"``, ``"sum"`` or ``"concat"`` over the layers; ``"concat"`` also takes in the embedding and makes
            ``encoder.width`` equal to ``width * (layers + 1)``.

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

    def __init__(
        self,
        *,
        layers: int = 5,
        width: int = 300,
        dropout: float = 0.0,
        norm: str = "batch",
        readout: str = "mean",
        jk: str = "last",
    ) -> None:
        """Create embeddings, layers and norms."""
        super().__init__()
        _check_sizes(layers, width, dropout)
        check_choice("encoder 'gin'", "readout", readout, READOUTS)
        self.width = jump_width(jk, layers, width)
        self.dropout, self.readout, self.jk = dropout, readout, jk
        self.atoms = FeatureEmbedding(ATOM_SIZES, width)
        self.layers = nn.ModuleList(GINLayer(width) for _ in range(layers))
        self.norms = nn.ModuleList(build_norm(norm, width) for _ in range(layers))

    def forward(self, graphs: GraphLike, seed: int | None = None) -> Encoding:
        """Encode a batch of molecules; see :meth:`molweight.encoders.Encoder.forward`."""
        generator = dropout_generator(seed, graphs.x.device) if self.training else None
        bonds = bond_codes(graphs.edge_attr)
        states = [self.atoms(atom_codes(graphs.x))]
        for depth, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True), start=1):
            nodes = norm(layer(states[-1], graphs.edge_index, bonds))
            if depth < len(self.layers):
                nodes = nodes.relu()
            states.append(dropout(nodes, self.dropout, generator))
        nodes = jump(self.jk, states)
        return Encoding(nodes, readout(self.readout, nodes, graphs.batch, graphs.num_graphs))


def _check_sizes(layers: int, width: int, dropout: float) -> None:
    if layers < 1 or width < 1:
        raise ConfigError(f"encoder 'gin': layers={layers} and width={width} must be at least 1.")
    if not 0 <= dropout < 1:
        raise ConfigError(f"encoder 'gin': dropout={dropout} must be at least 0 and below 1.")
