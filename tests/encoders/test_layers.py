"""Layers against PyG's, torch's, and plain loops."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch_geometric.nn import GCNConv, PNAConv, SAGEConv

from molweight import encoders
from molweight.encoders import DMPNN, GPS, Topology
from molweight.encoders._embedding import bond_codes
from molweight.encoders._pna import _DEGREES
from molweight.encoders._random_walk_pe import return_probabilities
from molweight.encoders.building_blocks import GATv2Layer, GCNLayer, GraphSAGELayer, MoleculeAttention, PNALayer, Trunk
from molweight.errors import ConfigError
from molweight.graphs import GraphBatch, build_dataset

Make = Callable[[Sequence[str]], GraphBatch]


@pytest.fixture
def nodes(molecules: GraphBatch) -> Tensor:
    return torch.randn(molecules.num_nodes, 8, generator=torch.Generator().manual_seed(0))


def without_bond_vectors(layer: nn.Module) -> None:
    with torch.no_grad():
        getattr(layer.bonds, "weight").zero_()  # noqa: B009 - typed as a plain module


def test_gcn_without_bond_vectors_is_pygs(molecules: GraphBatch, nodes: Tensor) -> None:
    layer, reference = GCNLayer(8), GCNConv(8, 8)
    without_bond_vectors(layer)
    with torch.no_grad():
        reference.lin.weight.copy_(layer.linear.weight)
        reference.bias.copy_(layer.bias.normal_())
    torch.testing.assert_close(layer(nodes, Topology.of(molecules)), reference(nodes, molecules.edge_index))


def test_gcn_adds_bonds_by_the_formula(make: Make) -> None:
    ethanol, layer = make(["CCO"]), GCNLayer(4)
    with torch.no_grad():
        layer.itself.normal_()
    nodes, bonds = torch.randn(3, 4), layer.bonds(bond_codes(ethanol.edge_attr))
    mapped, degree = layer.linear(nodes), torch.tensor([2.0, 3.0, 2.0])
    expected = (mapped + layer.itself) / degree[:, None] + layer.bias
    for edge, (source, target) in enumerate(ethanol.edge_index.T.tolist()):
        expected[target] += (mapped[source] + bonds[edge]) / (degree[source] * degree[target]).sqrt()
    torch.testing.assert_close(layer(nodes, Topology.of(ethanol)), expected)


def test_graphsage_without_bond_vectors_is_pygs(molecules: GraphBatch, nodes: Tensor) -> None:
    layer, reference = GraphSAGELayer(8), SAGEConv(8, 8)
    without_bond_vectors(layer)
    reference.lin_l.load_state_dict(layer.neighbours.state_dict())
    reference.lin_r.load_state_dict(layer.itself.state_dict())
    torch.testing.assert_close(layer(nodes, Topology.of(molecules)), reference(nodes, molecules.edge_index))


def test_graphsage_averages_bonds_with_atoms(make: Make) -> None:
    ethanol, layer = make(["CCO"]), GraphSAGELayer(4)
    nodes, bonds = torch.randn(3, 4), layer.bonds(bond_codes(ethanol.edge_attr))
    middle = (nodes[0] + nodes[2] + bonds[ethanol.edge_index[1] == 1].sum(0)) / 2
    torch.testing.assert_close(
        layer(nodes, Topology.of(ethanol))[1], layer.itself(nodes[1]) + layer.neighbours(middle), rtol=1e-4, atol=1e-6
    )


def test_gatv2_by_the_formula(make: Make) -> None:
    ethanol, layer = make(["CCO"]), GATv2Layer(6, heads=2)
    nodes, bonds, conv = torch.randn(3, 6), layer.bonds(bond_codes(ethanol.edge_attr)), layer.conv
    into = ethanol.edge_index[1] == 1
    others, bond = (
        [*ethanol.edge_index[0, into].tolist(), 1],
        torch.cat([bonds[into], bonds[into].mean(0, keepdim=True)]),
    )
    sent, own = conv.lin_l(nodes[others]).view(3, 2, 3), conv.lin_r(nodes[1]).view(2, 3)
    scores = nn.functional.leaky_relu(sent + own + conv.lin_edge(bond).view(3, 2, 3), 0.2) * conv.att
    expected = (scores.sum(-1).softmax(0)[..., None] * sent).sum(0).flatten() + conv.bias
    torch.testing.assert_close(layer(nodes, Topology.of(ethanol))[1], expected)


def test_pna_is_pygs(molecules: GraphBatch, nodes: Tensor) -> None:
    layer = PNALayer(8).double()
    aggregators, scalers = ["mean", "max", "min", "std"], ["identity", "amplification", "attenuation"]
    reference = PNAConv(8, 8, aggregators, scalers, torch.tensor(_DEGREES), edge_dim=8).double()
    reference.load_state_dict(layer.conv.state_dict())
    topology = Topology.of(molecules)
    expected = reference(nodes.double(), molecules.edge_index, layer.bonds(topology.bonds))
    # PyG's deviation is the root of the variance; ours adds 1e-5 to it, as the source does.
    torch.testing.assert_close(layer(nodes.double(), topology), expected, rtol=0, atol=5e-3)


def test_pna_deviation_is_smooth_where_neighbours_agree() -> None:
    from molweight.encoders._pna import _aggregate

    def deviation(rows: Tensor) -> Tensor:
        return _aggregate("std", rows, torch.tensor([0, 0, 1]), 2)

    rows = torch.ones(3, 2, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(deviation(rows), torch.full((2, 2), 1e-5, dtype=torch.float64).sqrt())
    assert torch.autograd.gradgradcheck(deviation, rows)


def test_pna_degrees_are_those_of_the_corpus() -> None:
    from molweight.datasets import load_corpus

    corpus = load_corpus("zinc", size=1000).graphs(range(1000))
    counts = torch.bincount(torch.bincount(corpus.edge_index[1], minlength=corpus.num_nodes))
    assert (counts / counts.sum() * 1000).round().int().tolist() == list(_DEGREES)


def naive_dmpnn(encoder: DMPNN, graphs: GraphBatch) -> Tensor:
    """Equations 3 to 6 of Yang et al., bond by bond."""
    nodes = encoder.embed(graphs, Topology.of(graphs))
    bonds = encoder.bonds(bond_codes(graphs.edge_attr))
    edges = [(v, w) for v, w in graphs.edge_index.T.tolist()]
    first = {edge: (encoder.start(nodes[edge[0]]) + bonds[i]).relu() for i, edge in enumerate(edges)}
    states, zero = dict(first), torch.zeros(encoder.node_width)
    for _ in range(encoder.rounds - 1):
        sums = {(v, w): sum((h for (k, u), h in states.items() if u == v and k != w), zero) for v, w in edges}
        states = {edge: (first[edge] + encoder.pass_on(sums[edge])).relu() for edge in edges}
    incoming = [sum((h for (_, w), h in states.items() if w == v), zero) for v in range(len(nodes))]
    last: Tensor = encoder.finish(torch.cat([nodes, torch.stack(incoming)], dim=1)).relu()
    return last


@pytest.mark.parametrize("layers", [1, 3])
def test_dmpnn_by_the_equations(layers: int, molecules: GraphBatch) -> None:
    encoder = DMPNN(layers=layers, width=6)
    torch.testing.assert_close(encoder(molecules).nodes, naive_dmpnn(encoder, molecules))


def test_dmpnn_without_one_direction_of_a_bond(make: Make) -> None:
    whole, encoder = make(["CC(O)N"]), DMPNN(layers=3, width=6)
    torn = replace(whole, edge_index=whole.edge_index[:, 1:], edge_attr=whole.edge_attr[1:])
    torch.testing.assert_close(encoder(torn).nodes, naive_dmpnn(encoder, torn))


def test_opposite_of_repeated_bonds(make: Make) -> None:
    graphs = make(["CCO"])
    again = torch.cat([torch.arange(graphs.num_edges), torch.tensor([0])])
    topology = Topology.of(replace(graphs, edge_index=graphs.edge_index[:, again], edge_attr=graphs.edge_attr[again]))
    opposite = topology.opposite
    for edge, (source, target) in enumerate(topology.edge_index.T.tolist()):
        back = torch.tensor([target, source]).eq(topology.edge_index.T).all(1)
        assert torch.equal(opposite.group == opposite.of[edge], back)
    assert opposite.exists.all()


def test_attention_is_torchs_on_each_molecule(molecules: GraphBatch, nodes: Tensor) -> None:
    layer, reference = MoleculeAttention(8, heads=2), nn.MultiheadAttention(8, 2, batch_first=True)
    with torch.no_grad():
        assert reference.in_proj_weight is not None
        assert reference.in_proj_bias is not None
        reference.in_proj_weight.copy_(layer.inputs.weight)
        reference.in_proj_bias.copy_(layer.inputs.bias.normal_())
    reference.out_proj.load_state_dict(layer.output.state_dict())
    found = layer(nodes, Topology.of(molecules))
    for number in range(molecules.num_graphs):
        alone = nodes[molecules.batch == number][None]
        torch.testing.assert_close(found[molecules.batch == number], reference(alone, alone, alone)[0][0])


def test_attention_stays_within_a_molecule(molecules: GraphBatch, nodes: Tensor) -> None:
    layer, topology = MoleculeAttention(8, heads=4), Topology.of(molecules)
    nodes.requires_grad_()
    chosen = molecules.batch == 2
    (gradient,) = torch.autograd.grad(layer(nodes, topology)[chosen].square().sum(), nodes)
    assert torch.equal(gradient.abs().sum(1) > 0, chosen)


def test_walks_return_as_powers_of_the_step_matrix(make: Make) -> None:
    graphs = make(["C1CC1O", "CC=C"])
    found = return_probabilities(Topology.of(graphs), 5, torch.float64)
    adjacency = torch.zeros(7, 7, dtype=torch.float64)
    adjacency[graphs.edge_index[0], graphs.edge_index[1]] = 1
    step = adjacency / adjacency.sum(1, keepdim=True)
    expected = [torch.linalg.matrix_power(step, power).diagonal() for power in range(1, 6)]
    torch.testing.assert_close(found, torch.stack(expected, dim=1))


def test_gps_tells_rings_apart_that_message_passing_does_not(make: Make) -> None:
    # Two rings of five atoms and one of ten look alike to messages: each atom has two equal neighbours.
    rings = make(["C1CCCCCCCCC1", "C1CCCC1.C1CCCC1"])
    with_walks, without = (GPS(layers=2, width=8, heads=2, walks=walks).double()(rings).graphs for walks in (6, 0))
    torch.testing.assert_close(without[0], without[1])
    assert (with_walks[0] - with_walks[1]).abs().max() > 1e-3


def test_a_virtual_node_joins_what_no_bond_does(make: Make) -> None:
    salt, other = make(["[Na+].[Cl-]"]), make(["[Na+].[Br-]"])
    for name in ("gin", "dmpnn"):
        torch.manual_seed(0)
        apart = encoders.create(name, layers=3, width=8, norm="none")
        joined = encoders.create(name, layers=3, width=8, norm="none", virtual_node=True)
        assert torch.equal(apart(salt).nodes[0], apart(other).nodes[0])
        assert not torch.allclose(joined(salt).nodes[0], joined(other).nodes[0])


def test_virtual_node_by_the_formula(make: Make) -> None:
    graphs = make(["CCO", "[Na+].[Cl-]"])
    encoder = encoders.create("gcn", layers=2, width=4, norm="none", virtual_node=True)
    assert isinstance(encoder, encoders.GCN)
    assert encoder.virtual is not None
    with torch.no_grad():
        encoder.virtual.initial.normal_()
    topology = Topology.of(graphs)
    nodes = encoder.embed(graphs, topology) + encoder.virtual.initial
    sums = torch.stack([nodes[:3].sum(0), nodes[3:].sum(0)])
    shared = encoder.virtual.updates[0](encoder.virtual.initial + sums)
    first, second = encoder.layers
    expected = second(first(nodes, topology).relu() + shared[[0, 0, 0, 1, 1]], topology)
    torch.testing.assert_close(encoder(graphs).nodes, expected)


@pytest.mark.parametrize("jk", ["last", "sum", "max", "concat"])
@pytest.mark.parametrize("name", ["gcn", "dmpnn"])
def test_jumping_knowledge_combines_the_rounds(name: str, jk: str, molecules: GraphBatch) -> None:
    encoder = encoders.create(name, layers=2, width=4, norm="none", jk=jk)
    assert isinstance(encoder, Trunk)
    topology = Topology.of(molecules)
    states = encoder.states(encoder.embed(molecules, topology), topology, None)
    stacked = torch.stack(states)
    expected = {
        "last": states[-1],
        "sum": stacked.sum(0),
        "max": stacked.amax(0),
        "concat": torch.cat(states, dim=1),
    }[jk]
    torch.testing.assert_close(encoder(molecules).nodes, expected)
    assert len(states) == 3 or (name, jk) == ("dmpnn", "last")


@pytest.mark.parametrize("name", ["gatv2", "gps"])
def test_heads_that_do_not_divide_the_width_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="heads=4 must be at least 1 and divide width=6"):
        encoders.create(name, width=6)


def test_negative_walks_are_refused() -> None:
    with pytest.raises(ConfigError, match="walks=-1"):
        encoders.create("gps", walks=-1)


def test_a_batch_keeps_its_topology_and_copies_and_transforms_do_not() -> None:
    graphs = build_dataset(["CCO", "CC(C)O"], cache=False).graphs([0, 1])
    encoder = encoders.create("gin", layers=2, width=8).eval()
    found: list[Topology] = []

    def transformed(value: torch.Tensor) -> torch.Tensor:
        found.append(Topology.of(graphs))
        return value

    torch.func.jvp(transformed, (torch.ones(1),), (torch.ones(1),))
    assert found[0] is not Topology.of(graphs)
    torch.func.jvp(transformed, (torch.ones(1),), (torch.ones(1),))
    assert found[1] is not Topology.of(graphs)
    with torch.inference_mode():
        assert Topology.of(graphs) is not Topology.of(graphs)
    with torch.no_grad():
        vectors = encoder(graphs).graphs
        assert Topology.of(graphs) is Topology.of(graphs)
        assert Topology.of(copy.deepcopy(graphs)) is not Topology.of(graphs)
        torch.testing.assert_close(encoder(copy.deepcopy(graphs)).graphs, vectors, rtol=0, atol=0)
    torch.autograd.backward(encoder(graphs).graphs.sum())
    assert all(parameter.grad is not None for parameter in encoder.parameters())
