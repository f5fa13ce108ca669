"""Message passing in parallel with attention among all atoms of a molecule."""

from functools import partial
from typing import Unpack

import torch
from torch import Tensor, nn

from molweight.encoders._gin import GINLayer
from molweight.encoders._message_passing import CommonOptions, MessagePassingEncoder
from molweight.encoders._norm import build_norm, normalised
from molweight.encoders._random_walk_pe import return_probabilities
from molweight.encoders._registry import register
from molweight.encoders._topology import Topology
from molweight.errors import OptionError
from molweight.typing import GraphLike

__all__ = ["GPS", "GPSLayer", "MoleculeAttention"]


class MoleculeAttention(nn.Module):
    """Multi-head attention of each atom to all atoms of its molecule, implemented to be twice differentiable.

    The same function as ``torch.nn.MultiheadAttention`` on each molecule separately. Torch's fused kernels cannot be
    differentiated twice.

    Source: Vaswani et al., *Attention Is All You Need*, NeurIPS 2017.

    Args:
        width: Size ``d`` of the vectors.
        heads: Number of heads, each of width ``d / heads``.
    """

    def __init__(self, width: int, heads: int) -> None:
        """Create the maps, initialised as torch does."""
        super().__init__()
        self.heads = heads
        self.inputs = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.inputs.weight)
        nn.init.zeros_(self.inputs.bias)
        nn.init.zeros_(self.output.bias)

    def forward(self, nodes: Tensor, topology: Topology) -> Tensor:
        """The vector that each atom gathers by attention, ``N x d``."""
        dense = topology.dense
        places, width = dense.filled.numel(), nodes.size(1)
        table = nodes.new_zeros(places, 3 * width).index_copy(0, dense.place, self.inputs(nodes))
        shape = (topology.num_graphs, dense.size, 3, self.heads, width // self.heads)
        query, key, value = table.view(shape).permute(2, 0, 3, 1, 4)  # each G x heads x size x d / heads
        scores = query @ key.transpose(-1, -2) * (width // self.heads) ** -0.5
        # The smallest number instead of -inf: the shares in an empty row must be finite, because they are
        # differentiated.
        scores = scores.masked_fill(~dense.filled[:, None, None, :], torch.finfo(scores.dtype).min)
        gathered = (scores.softmax(-1) @ value).transpose(1, 2).reshape(places, width)
        mapped: Tensor = self.output(gathered.index_select(0, dense.place))
        return mapped


class GPSLayer(nn.Module):
    """Message passing and attention in parallel, then an MLP, each with a residual connection.

    ``a = norm(h + GIN(h))``, ``b = norm(h + attention(h))``, ``h <- a + b + MLP(a + b)``; the encoder's norm follows.

    Args:
        width: Size ``d`` of the vectors.
        heads: Number of attention heads.
        norm: Normalisation of the two branches.

    Raises:
        ConfigError: If ``d`` is not a multiple of ``heads``.
    """

    def __init__(self, width: int, heads: int, norm: str) -> None:
        """Create both branches and the MLP ``d -> 2d -> d``."""
        super().__init__()
        if heads < 1 or width % heads:
            raise OptionError("heads", heads, f"must be at least 1 and divide width={width}", owner="encoder 'gps'")
        self.local, self.attention = GINLayer(width), MoleculeAttention(width, heads)
        self.local_norm, self.attention_norm = build_norm(norm, width), build_norm(norm, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))

    def forward(self, nodes: Tensor, topology: Topology) -> Tensor:
        """Update the vectors of the atoms, ``N x d``."""
        counts = topology.atom_counts
        local = normalised(self.local_norm, nodes + self.local(nodes, topology), counts)
        both = local + normalised(self.attention_norm, nodes + self.attention(nodes, topology), counts)
        updated: Tensor = both + self.mlp(both)
        return updated


@register("gps")
class GPS(MessagePassingEncoder):
    """Graph transformer after the GPS recipe, with GIN layers and random-walk positional encodings.

    Time and memory of attention grow with the square of the size of the largest molecule of a batch.

    Source: Rampášek et al., *Recipe for a General, Powerful, Scalable Graph Transformer*, NeurIPS 2022. Unlike there,
    dropout acts only on the output of a layer.

    Args:
        heads: Number of attention heads; ``width`` is a multiple of it.
        walks: Lengths of the walks in the encoding, 1 to ``walks``; 0 for no encoding.
        norm: ``"batch"``, ``"layer"`` or ``"none"``, within layers and between them.
        layers: Number of layers.
        **options: ``width``, ``dropout``, ``readout``, ``jk`` and ``virtual_node``; see
            :class:`molweight.encoders.building_blocks.Trunk`.

    Raises:
        ConfigError: If an option is out of range.
    """

    activates = False

    def __init__(
        self, *, heads: int = 4, walks: int = 20, norm: str = "batch", layers: int = 5, **options: Unpack[CommonOptions]
    ) -> None:
        """Create embeddings, layers and norms."""
        if walks < 0:
            raise OptionError("walks", walks, "must be at least 0", owner="encoder 'gps'")
        super().__init__(partial(GPSLayer, heads=heads, norm=norm), norm=norm, layers=layers, **options)
        self.places = nn.Linear(walks, self.node_width) if walks else None

    def embed(self, graphs: GraphLike, topology: Topology) -> Tensor:
        """The vectors of the atoms plus their positional encoding, ``N x width``."""
        nodes = super().embed(graphs, topology)
        if self.places is None:
            return nodes
        encoded: Tensor = self.places(return_probabilities(topology, self.places.in_features, nodes.dtype))
        return nodes + encoded
