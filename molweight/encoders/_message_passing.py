"""Base of the message passing encoders: options, embedding of atoms, rounds, jumping knowledge, readout."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Final, TypedDict, Unpack

import torch
from torch import Tensor, nn

from molweight.arguments import check_choice
from molweight.encoders._base import Encoder, Encoding, dropout, dropout_generator
from molweight.encoders._embedding import FeatureEmbedding
from molweight.encoders._equal_atoms import MergingLayer
from molweight.encoders._norm import build_norm, normalised
from molweight.encoders._readout import build_readout
from molweight.encoders._topology import Topology
from molweight.encoders._virtual_node import VirtualNode
from molweight.errors import OptionError
from molweight.graphs import ATOM_SIZES
from molweight.typing import GraphLike

__all__ = ["JUMPS", "CommonOptions", "MessagePassingEncoder", "Trunk", "TrunkOptions", "jump"]

JUMPS = ("last", "sum", "max", "concat")
_MOST_LAYERS: Final = 1000
_WIDEST: Final = 65_536
_FEWEST_MERGED: Final = 700
"""Minimum number of atoms in a batch for which merging equal ones saves time; measured with GIN 3x128."""


def jump(name: str, states: list[Tensor]) -> Tensor:
    """Combine the embedding and the outputs of all layers.

    Source: Xu et al., *Representation Learning on Graphs with Jumping Knowledge Networks*, ICML 2018.

    Args:
        name: ``"last"``, ``"sum"``, ``"max"`` (of each entry) or ``"concat"``.
        states: The embedding, then each layer's output, each ``N x d``.

    Returns:
        ``N x d``, or ``N x d (layers + 1)`` for ``"concat"``.
    """
    if name == "concat":
        return torch.cat(states, dim=1)
    if name == "max":
        return torch.stack(states).max(0).values
    return states[-1] if name == "last" else torch.stack(states).sum(0)


class CommonOptions(TypedDict, total=False):
    """Options of every encoder except ``layers`` and ``norm``; documented in :class:`Trunk`."""

    width: int
    dropout: float
    readout: str
    jk: str
    virtual_node: bool


class TrunkOptions(CommonOptions, total=False):
    """Options of every encoder; documented in :class:`Trunk`."""

    layers: int
    norm: str


class Trunk(Encoder):
    """An encoder of atoms and bonds in rounds: subclasses implement :meth:`states`.

    Args:
        layers: Number of rounds.
        width: Size of the vectors of atoms.
        dropout: Dropout rate after each round, if ``forward`` gets a seed.
        norm: ``"batch"``, ``"layer"`` or ``"none"``.
        readout: ``"mean"``, ``"sum"``, ``"max"``, ``"attention"`` or ``"set2set"`` over the atoms of a molecule.
        jk: ``"last"``, ``"sum"``, ``"max"`` or ``"concat"`` over the embedding and the rounds; ``"concat"`` makes
            ``encoder.width`` equal to ``width * (layers + 1)``.
        virtual_node: Whether the atoms of a molecule also exchange messages through a shared vector.

    Attributes:
        rounds: The option ``layers``.
        node_width: The option ``width``.

    Raises:
        ConfigError: If an option is out of range.
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
        virtual_node: bool = False,
    ) -> None:
        """Create the common parts of all encoders."""
        super().__init__()
        owner = f"encoder {type(self).__name__}"
        for option, value, most in (("layers", layers, _MOST_LAYERS), ("width", width, _WIDEST)):
            if not 1 <= value <= most:
                reason = "must be at least 1" if value < 1 else f"must be at most {most}"
                raise OptionError(option, value, reason, owner=owner)
        if not 0 <= dropout < 1:
            raise OptionError("dropout", dropout, "must be at least 0 and below 1", owner=owner)
        check_choice("encoder", "jk", jk, JUMPS)
        self.width = width * (layers + 1) if jk == "concat" else width
        self.rounds, self.node_width = layers, width
        self.dropout, self.jk, self.norm = dropout, jk, norm
        self.atoms = FeatureEmbedding(ATOM_SIZES, width)
        self.virtual = VirtualNode(layers - 1, width, norm) if virtual_node else None
        self.readout = build_readout(readout, self.width)

    def forward(self, graphs: GraphLike, seed: int | None = None) -> Encoding:
        """Encode a batch of molecules; see :meth:`molweight.encoders.Encoder.forward`."""
        generator = dropout_generator(seed, graphs.x.device) if self.training and self.dropout else None
        topology = Topology.of(graphs)
        # Dropout masks are drawn per atom, so with dropout, equal atoms have different vectors.
        mergeable = topology.sortable and generator is None
        worthwhile = mergeable and not topology.padding and len(topology.atoms) >= _FEWEST_MERGED
        states = self.merged_states(topology) if worthwhile and self.merges else None
        if states is None:
            states = self.states(self.embed(graphs, topology), topology, generator)
        nodes = jump(self.jk, states)
        return Encoding(nodes, self.readout(nodes, graphs.batch, graphs.num_graphs))

    def embed(self, graphs: GraphLike, topology: Topology) -> Tensor:  # noqa: ARG002 - subclasses read the graphs
        """The vectors of the atoms before the first round, ``N x width``."""
        embedded: Tensor = self.atoms(topology.atoms)
        return embedded

    @property
    def merges(self) -> bool:
        """Whether :meth:`merged_states` may replace :meth:`states`."""
        return False

    def merged_states(self, topology: Topology) -> list[Tensor]:
        """:meth:`states` without dropout, with equal atoms computed once."""
        raise NotImplementedError(f"{type(self).__name__} does not merge equal atoms")

    @abstractmethod
    def states(self, nodes: Tensor, topology: Topology, generator: torch.Generator | None) -> list[Tensor]:
        """The vectors of the atoms before the first round and after each, for jumping knowledge to combine.

        Args:
            nodes: Result of :meth:`embed`, ``N x width``.
            topology: The bonds.
            generator: Generator of dropout masks, or ``None``.

        Returns:
            ``layers + 1`` matrices ``N x width``; if ``jk`` is ``"last"``, only the last one is needed.
        """


class MessagePassingEncoder(Trunk):
    """Rounds of message passing, each with its own layer: a new encoder needs only to define the layer.

    Each layer is followed by normalisation, ReLU (not after the last layer) and dropout.

    Args:
        layer: Creates a layer of a given width: a module that is called as ``layer(nodes, topology)`` with the vectors
            of the atoms, ``N x width``, and a :class:`Topology`, and returns new vectors.
        **options: Those of :class:`Trunk`.

    Raises:
        ConfigError: If an option is out of range.

    Example:
        A new encoder that sums bonded atoms:

        >>> from molweight import encoders
        >>> class Sum(nn.Module):
        ...     def __init__(self, width):
        ...         super().__init__()
        ...         self.linear = nn.Linear(width, width)
        ...     def forward(self, nodes, topology):
        ...         source, target = topology.edge_index
        ...         return self.linear(nodes.index_add(0, target, nodes[source]))
        >>> @encoders.register("sum")
        ... class SumEncoder(encoders.MessagePassingEncoder):
        ...     def __init__(self, **options):
        ...         super().__init__(Sum, **options)
        >>> encoders.create("sum", layers=2, width=16, readout="set2set").width
        16
    """

    activates = True
    """Whether ReLU follows a layer; false for layers with residual connections."""

    def __init__(self, layer: Callable[[int], nn.Module], /, **options: Unpack[TrunkOptions]) -> None:
        """Create the layers and norms."""
        super().__init__(**options)
        self.layers = nn.ModuleList(layer(self.node_width) for _ in range(self.rounds))
        self.norms = nn.ModuleList(build_norm(self.norm, self.node_width) for _ in range(self.rounds))

    def states(self, nodes: Tensor, topology: Topology, generator: torch.Generator | None) -> list[Tensor]:
        """The vectors of the atoms before the first layer and after each; see :meth:`Trunk.states`."""
        states = [nodes]
        shared = None if self.virtual is None else self.virtual.start(topology.num_graphs)
        for depth, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True), start=1):
            nodes = states[-1] if shared is None else states[-1] + shared.index_select(0, topology.batch)
            last = depth == len(self.layers)
            if self.virtual is not None and shared is not None and not last:
                shared = dropout(self.virtual(depth - 1, shared, nodes, topology), self.dropout, generator)
            nodes = normalised(norm, layer(nodes, topology), topology.atom_counts)
            if self.activates and not last:
                nodes = nodes.relu()
            states.append(dropout(nodes, self.dropout, generator))
        return states

    @property
    def merges(self) -> bool:
        """Whether equal atoms are computed once.

        Not with a virtual node, which differs between molecules, nor if a subclass changes the embedding of the atoms.
        """
        kind = type(self)
        inherited = kind.embed is Trunk.embed and kind.states is MessagePassingEncoder.states
        return inherited and self.virtual is None and len(self._merging) == self.rounds

    @property
    def _merging(self) -> list[MergingLayer]:
        return [layer for layer in self.layers if isinstance(layer, MergingLayer)]

    def merged_states(self, topology: Topology) -> list[Tensor]:
        """The vectors after each layer, computed once for equal atoms; see :meth:`Trunk.merged_states`."""
        rows = self.atoms.distinct(topology.atoms)
        states = [] if self.jk == "last" else [self.atoms(topology.atoms)]
        rounds = zip(topology.rounds(self.rounds), self._merging, self.norms, strict=True)
        for depth, (each, layer, norm) in enumerate(rounds, start=1):
            rows = normalised(norm, layer.merged(rows, each), each.counts)
            if self.activates and depth < self.rounds:
                rows = rows.relu_()  # in place, because no norm or layer keeps its output
            if self.jk != "last" or depth == self.rounds:
                states.append(rows if each.places is None else each.places(rows))
        return states
