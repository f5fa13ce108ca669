"""Directed message passing between bonds instead of atoms."""

from typing import Unpack

import torch
from torch import Tensor, nn

from molweight.encoders._base import dropout
from molweight.encoders._embedding import FeatureEmbedding
from molweight.encoders._equal_bonds import Atoms
from molweight.encoders._message_passing import CommonOptions, Trunk
from molweight.encoders._norm import build_norm, normalised
from molweight.encoders._registry import register
from molweight.encoders._topology import Topology
from molweight.graphs import BOND_SIZES

__all__ = ["DMPNN"]


@register("dmpnn")
class DMPNN(Trunk):
    r"""Directed message passing network, as in chemprop: a bond does not receive the message of its reverse bond.

    Each bond has a vector per direction. With ``x_v`` the embedded atom and ``e_vw`` the embedded bond, each ``d``:

    ``h_vw^1 = relu(W x_v + e_vw)``, ``h_vw^(t+1) = relu(h_vw^1 + U \sum_{k != w} h_kv^t)``,
    ``h_v^t = relu(norm(V [x_v, \sum_k h_kv^t]))``.

    The maps ``W``, ``U``, ``V`` are shared by all rounds. Defaults are chemprop's. A virtual node sums ``x_v`` and the
    sum of ``h_kv^t``, and is added to that sum.

    Source: Yang et al., *Analyzing Learned Molecular Representations for Property Prediction*, J. Chem. Inf. Model. 59,
    3370 (2019), equations 3 to 6.

    Args:
        layers: Number of rounds ``t``.
        norm: ``"batch"``, ``"layer"`` or ``"none"``, for the vectors of atoms.
        **options: ``width``, ``dropout``, ``readout``, ``jk`` and ``virtual_node``; see
            :class:`molweight.encoders.building_blocks.Trunk`.

    Raises:
        ConfigError: If an option is out of range.
    """

    def __init__(self, *, layers: int = 3, norm: str = "none", **options: Unpack[CommonOptions]) -> None:
        """Create embeddings, maps and norms."""
        super().__init__(layers=layers, norm=norm, **options)
        width = self.node_width
        self.bonds = FeatureEmbedding(BOND_SIZES, width)
        self.start = nn.Linear(width, width, bias=False)
        self.pass_on = nn.Linear(width, width, bias=False)
        self.finish = nn.Linear(2 * width, width)
        self.norms = nn.ModuleList(build_norm(norm, width) for _ in self._wanted())

    def _wanted(self) -> range:
        """The rounds, from 1, after which the vectors of atoms are needed."""
        return range(self.rounds if self.jk == "last" else 1, self.rounds + 1)

    def states(self, nodes: Tensor, topology: Topology, generator: torch.Generator | None) -> list[Tensor]:
        """The embedded atoms, then their vectors after each round that is needed; see :meth:`Trunk.states`."""
        source, target = topology.edge_index
        first, edges = self.begin(nodes, topology)
        own = self.own(nodes)
        shared = None if self.virtual is None else self.virtual.start(topology.num_graphs)
        states, norms = [own], iter(self.norms)
        for depth in range(1, self.rounds + 1):
            incoming = torch.zeros_like(own).index_add(0, target, edges)
            if shared is not None:
                incoming = incoming + shared.index_select(0, topology.batch)
            if depth in self._wanted():
                atoms = self.finish(torch.cat([nodes, incoming], dim=1))
                atoms = normalised(next(norms), atoms, topology.atom_counts).relu()
                states.append(dropout(atoms, self.dropout, generator))
            if depth < self.rounds:
                if self.virtual is not None and shared is not None:
                    gathered = self.virtual(depth - 1, shared, own + incoming, topology)
                    shared = dropout(gathered, self.dropout, generator)
                messages = incoming.index_select(0, source) - _sent_back(edges, topology)
                edges = dropout((first + self.pass_on(messages)).relu(), self.dropout, generator)
        return states

    def begin(self, nodes: Tensor, topology: Topology) -> tuple[Tensor, Tensor]:
        """The terms that each round adds to the messages, and the initial vectors of the bonds, each ``E x d``."""
        first = (self.start(nodes).index_select(0, topology.edge_index[0]) + self.bonds(topology.bonds)).relu()
        return first, first

    def own(self, nodes: Tensor) -> Tensor:
        """The vectors of the atoms before the first round, ``N x d``."""
        return nodes

    @property
    def merges(self) -> bool:
        """Whether equal bonds are computed once; see :attr:`MessagePassingEncoder.merges`."""
        kind = type(self)
        return self.virtual is None and kind.embed is Trunk.embed and kind.states is DMPNN.states

    def merged_states(self, topology: Topology) -> list[Tensor]:
        """:meth:`states` without dropout, with equal bonds and equal atoms computed once."""
        directed, codes = topology.directed, self.atoms.distinct(topology.atoms)
        edges = first = directed.start(torch.cat([self.start(codes), self.bonds(directed.kinds)])).relu_()
        states = [] if self.jk == "last" else [self.atoms(topology.atoms)]
        norms = iter(self.norms)
        for depth in range(1, self.rounds + 1):
            if depth in self._wanted():
                states.append(self._gathered(codes, edges, directed.atoms(depth - 1), next(norms)))
            if depth < self.rounds:
                turn = directed.turn(depth)
                edges = self.pass_on(turn.messages(edges)).add_(turn.first(first)).relu_()
        return states

    def _gathered(self, codes: Tensor, edges: Tensor, atoms: Atoms, norm: nn.Module) -> Tensor:
        rows = self.finish(torch.cat([atoms.own(codes), atoms.incoming(edges)], dim=1))
        rows = normalised(norm, rows, atoms.counts).relu_()
        return rows if atoms.places is None else atoms.places(rows)


def _sent_back(edges: Tensor, topology: Topology) -> Tensor:
    """For each edge ``v -> w`` the vector of ``w -> v``, ``E x d``; zero if there is none."""
    opposite = topology.opposite
    grouped = torch.zeros_like(edges).index_add(0, opposite.group, edges)
    return grouped.index_select(0, opposite.of) * opposite.exists.to(edges.dtype)[:, None]
