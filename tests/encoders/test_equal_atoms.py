"""Equal atoms and bonds are computed once, and nothing but the time shows it."""

from typing import Any, cast

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad, grad

from molweight import encoders
from molweight.encoders import Encoder, Topology
from molweight.encoders._sums import Sums
from molweight.graphs import GraphBatch

CASES = [
    ("gin", {}),
    ("gin", {"layers": 5, "jk": "concat"}),
    ("gin", {"norm": "layer", "readout": "max"}),
    ("gin", {"norm": "none", "jk": "sum", "readout": "sum"}),
    ("dmpnn", {}),
    ("dmpnn", {"layers": 1, "norm": "layer"}),
    ("dmpnn", {"layers": 4, "norm": "batch", "jk": "max", "readout": "attention"}),
]


@pytest.fixture(autouse=True)
def merged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small batches are merged, too."""
    monkeypatch.setattr("molweight.encoders._message_passing._FEWEST_MERGED", 0)


def pair(name: str, options: dict[str, Any]) -> tuple[Encoder, Encoder]:
    """An encoder, and the same one computing every atom for itself."""
    torch.manual_seed(0)
    encoder = encoders.create(name, **{"layers": 3, "width": 6, **options}).double()
    kind = type(encoder)
    plain = type("Plain", (kind,), {"merges": False})(**{"layers": 3, "width": 6, **options}).double()
    plain.load_state_dict(encoder.state_dict())
    assert encoder.merges
    return encoder, plain


def derivatives(encoder: Encoder, graphs: GraphBatch) -> list[Tensor]:
    """Value, gradient, curvature product by double backward, and a product in forward mode."""
    parameters = dict(encoder.named_parameters())
    encoding = encoder(graphs)
    loss = encoding.graphs.sin().sum() + encoding.nodes.square().mean()
    first = grad(loss, list(parameters.values()), create_graph=True, materialize_grads=True)
    along = [torch.linspace(-1, 1, value.numel(), dtype=value.dtype).view_as(value) for value in first]
    slope = torch.stack([(a * f).sum() for a, f in zip(along, first, strict=True)]).sum()
    second = grad(slope, list(parameters.values()), materialize_grads=True)
    make, unpack = cast("Any", forward_ad).make_dual, cast("Any", forward_ad).unpack_dual
    with torch.no_grad(), forward_ad.dual_level():
        duals = {n: make(v, t) for (n, v), t in zip(parameters.items(), along, strict=True)}
        pushed = torch.func.functional_call(encoder, duals, (graphs,))
        tangents = [unpack(part).tangent.clone() for part in pushed]
    return [*encoding, *first, *second, *tangents]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_values_and_derivatives_are_those_of_every_atom_for_itself(
    name: str, options: dict[str, Any], molecules: GraphBatch
) -> None:
    for merged, apart in zip(*(derivatives(encoder, molecules) for encoder in pair(name, options)), strict=True):
        torch.testing.assert_close(merged, apart, rtol=1e-10, atol=1e-10)


def test_equal_surroundings_are_merged_and_others_are_not(molecules: GraphBatch) -> None:
    topology = Topology.of(molecules)
    first, second = topology.rounds(2)
    assert first.counts is not None
    assert int(first.counts.sum()) == molecules.num_nodes
    assert len(first.counts) < molecules.num_nodes
    # The atoms with the same number before and after a round of a plain refinement, with tuples for colours.
    colours: list[Any] = [tuple(row) for row in molecules.x.tolist()]
    edges = list(zip(*molecules.edge_index.tolist(), map(tuple, molecules.edge_attr.tolist()), strict=True))
    for each in (first, second):
        colours = [
            (own, tuple(sorted((colours[source], bond) for source, target, bond in edges if target == atom)))
            for atom, own in enumerate(colours)
        ]
        if each.places is not None:
            numbers = each.places.columns.tolist()
            assert len(set(zip(numbers, colours, strict=True))) == len(set(numbers)) == len(set(colours))


def test_dropout_and_virtual_nodes_keep_atoms_apart(molecules: GraphBatch) -> None:
    encoder = encoders.create("gin", layers=2, width=64, dropout=0.5).train()
    nodes = encoder(molecules, seed=0).nodes
    assert len({tuple(row) for row in nodes.tolist()}) == len(nodes)
    assert not encoders.create("gin", layers=2, width=8, virtual_node=True).merges
    assert not encoders.create("gps", layers=2, width=8).merges


def test_sums_are_a_matrix_and_its_transpose() -> None:
    sums = Sums.of(torch.tensor([2, 0, 0, 3]).numpy(), torch.tensor([0, 2, 2, 3, 4]).numpy(), columns_count=5)
    dense = torch.zeros(4, 5, dtype=torch.float64)
    dense[[0, 0, 2, 3], [2, 0, 0, 3]] = 1
    rows = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(sums(rows), dense @ rows)
    torch.testing.assert_close(sums.transposed(torch.eye(4, dtype=torch.float64)), dense.T)
    assert torch.autograd.gradcheck(sums, rows, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(sums, rows, check_fwd_over_rev=True)


def test_a_small_batch_is_not_searched_for_equal_atoms(molecules: GraphBatch, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, _ = pair("gin", {})
    calls: list[Topology] = []
    monkeypatch.setattr(type(encoder), "merged_states", lambda _, topology: calls.append(topology))
    encoder(molecules)
    assert len(calls) == 1
    monkeypatch.setattr("molweight.encoders._message_passing._FEWEST_MERGED", molecules.num_nodes + 1)
    encoder(molecules)
    assert len(calls) == 1
