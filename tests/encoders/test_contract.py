"""What holds for every registered encoder."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.func import functional_call, grad, jvp

from molweight import encoders
from molweight.encoders import Encoder, Encoding
from molweight.encoders.building_blocks import READOUTS
from molweight.encoders.internal import calibrate
from molweight.errors import ConfigError, UnknownNameError
from molweight.graphs import GraphBatch, build_dataset

Params = dict[str, Tensor]
Make = Callable[[Sequence[str]], GraphBatch]

SMALL: dict[str, dict[str, Any]] = {"gatv2": {"heads": 2}, "gps": {"heads": 2, "walks": 3}}
"""What makes an encoder small, in addition to two layers of width 6."""
SHARED: list[dict[str, Any]] = [
    {"norm": "layer"},
    {"norm": "none"},
    {"readout": "sum"},
    {"readout": "max"},
    {"readout": "attention"},
    {"readout": "set2set"},
    {"jk": "sum"},
    {"jk": "max"},
    {"jk": "concat"},
    {"virtual_node": True},
]
"""Options that one piece of code gives to all encoders: each is tried with one of them, and many at once with all."""
EVERYWHERE: list[dict[str, Any]] = [
    {},
    {"norm": "layer", "readout": "attention", "jk": "concat", "virtual_node": True, "dropout": 0.5},
    {"norm": "batch", "readout": "set2set", "jk": "max", "layers": 3, "dropout": 0.2},
]
CASES = [("gin", variant) for variant in SHARED]
CASES += [(name, variant) for name in encoders.available() for variant in EVERYWHERE]
CASES.append(("gps", {"walks": 0}))
IDS = [f"{name}-{'-'.join(str(value) for value in variant.values()) or 'default'}" for name, variant in CASES]
every_encoder = pytest.mark.parametrize(("name", "variant"), CASES, ids=IDS)


def options_of(name: str, variant: dict[str, Any]) -> dict[str, Any]:
    """The options of a small encoder."""
    return {"layers": 2, "width": 6, **SMALL.get(name, {}), **variant}


def build(name: str, variant: dict[str, Any]) -> Encoder:
    """A small encoder in float64 whose biases are not zero, so that no ReLU sits on its kink."""
    torch.manual_seed(1)
    encoder = encoders.create(name, **options_of(name, variant)).double()
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return encoder


def scalar(encoding: Encoding) -> Tensor:
    """A scalar in which every output counts, nonlinearly."""
    graphs = encoding.graphs
    weights = torch.linspace(-1, 2, graphs.numel(), dtype=graphs.dtype, device=graphs.device).view_as(graphs)
    return (graphs * weights).sin().sum() + encoding.nodes.square().mean()


def loss_of(encoder: Encoder, graphs: GraphBatch, seed: int | None = 3) -> Callable[[Params], Tensor]:
    """The loss as a function of the parameters alone."""
    return lambda params: scalar(functional_call(encoder, params, (graphs, seed)))


def parameters(encoder: Encoder) -> Params:
    return {name: value.detach().clone() for name, value in encoder.named_parameters()}


@every_encoder
def test_shapes_and_finite(name: str, variant: dict[str, Any], molecules: GraphBatch) -> None:
    encoder = build(name, variant)
    encoding = encoder(molecules)
    assert encoding.nodes.shape == (molecules.num_nodes, encoder.width)
    assert encoding.graphs.shape == (molecules.num_graphs, encoder.width)
    assert encoding.nodes.isfinite().all()
    assert encoding.graphs.isfinite().all()


@every_encoder
def test_derivatives_are_right_to_second_order(name: str, variant: dict[str, Any], molecules: GraphBatch) -> None:
    encoder = build(name, variant)
    params = parameters(encoder)
    sizes = [value.numel() for value in params.values()]
    loss = loss_of(encoder, molecules)

    def of(flat: Tensor) -> Tensor:
        parts = zip(params.items(), torch.split(flat, sizes), strict=True)
        return loss({key: part.view_as(value) for (key, value), part in parts})

    # One vector of all parameters: the random direction of the fast mode has a share in each.
    flat = torch.cat([value.flatten() for value in params.values()]).requires_grad_()
    assert torch.autograd.gradcheck(of, flat, fast_mode=True)
    assert torch.autograd.gradgradcheck(of, flat, fast_mode=True)


@every_encoder
def test_forward_over_reverse_agrees_with_double_backward(
    name: str, variant: dict[str, Any], molecules: GraphBatch
) -> None:
    encoder = build(name, variant)
    params = parameters(encoder)
    direction = {key: torch.randn_like(value) for key, value in params.items()}
    loss = loss_of(encoder, molecules)
    forward = jvp(grad(loss), (params,), (direction,))[1]
    leaves = {key: value.clone().requires_grad_() for key, value in params.items()}
    gradient = torch.autograd.grad(loss(leaves), list(leaves.values()), create_graph=True)
    inner = sum((g * v).sum() for g, v in zip(gradient, direction.values(), strict=True))
    assert isinstance(inner, Tensor)
    backward = torch.autograd.grad(inner, list(leaves.values()))
    for key, value in zip(params, backward, strict=True):
        torch.testing.assert_close(forward[key], value, rtol=1e-9, atol=1e-10, msg=key)
    slope = jvp(loss, (params,), (direction,))[1]
    torch.testing.assert_close(slope, inner_product(gradient, direction))


@every_encoder
def test_second_derivatives_in_float32_are_those_in_float64(
    name: str, variant: dict[str, Any], molecules: GraphBatch
) -> None:
    # Fused kernels are chosen by type, so float64, in which derivatives are checked, does not speak for float32.
    encoder = build(name, variant)
    params = parameters(encoder)
    direction = {key: torch.randn_like(value) for key, value in params.items()}
    exact = curvature(encoder, params, direction, molecules)
    single = curvature(encoder.float(), to_float(params), to_float(direction), molecules)
    scale = max(float(value.abs().max()) for value in exact.values())
    for key, value in exact.items():
        torch.testing.assert_close(single[key].double(), value, rtol=1e-2, atol=1e-3 * scale, msg=key)


@pytest.mark.gpu
@every_encoder
def test_second_derivatives_are_those_of_the_cpu(name: str, variant: dict[str, Any], molecules: GraphBatch) -> None:
    encoder = build(name, {**variant, "dropout": 0.0})  # masks of dropout differ by device
    params = parameters(encoder)
    direction = {key: torch.randn_like(value) for key, value in params.items()}
    here = curvature(encoder, params, direction, molecules)
    there = curvature(encoder.to("cuda"), to_gpu(params), to_gpu(direction), molecules.to("cuda"))
    forward = jvp(grad(loss_of(encoder, molecules.to("cuda"))), (to_gpu(params),), (to_gpu(direction),))[1]
    for key, value in here.items():
        torch.testing.assert_close(there[key].cpu(), value, rtol=1e-8, atol=1e-9, msg=key)
        torch.testing.assert_close(forward[key].cpu(), value, rtol=1e-8, atol=1e-9, msg=key)


@pytest.mark.gpu
@every_encoder
def test_seed_decides_everything_on_a_gpu(name: str, variant: dict[str, Any], molecules: GraphBatch) -> None:
    encoder = build(name, variant).to("cuda")
    graphs = molecules.to("cuda")
    first, again, other = (encoder(graphs, seed=seed).nodes for seed in (5, 5, 6))
    torch.testing.assert_close(first, again)  # to the order of sums
    assert torch.allclose(first, other) != (variant.get("dropout", 0) > 0)


def to_gpu(values: Params) -> Params:
    return {key: value.to("cuda") for key, value in values.items()}


def to_float(values: Params) -> Params:
    return {key: value.float() for key, value in values.items()}


def curvature(encoder: Encoder, params: Params, direction: Params, molecules: GraphBatch) -> Params:
    """A Hessian-vector product by double backward."""
    leaves = {key: value.clone().requires_grad_() for key, value in params.items()}
    loss = scalar(functional_call(encoder, leaves, (molecules, 3)))
    gradient = torch.autograd.grad(loss, list(leaves.values()), create_graph=True)
    inner = torch.stack([(g * v).sum() for g, v in zip(gradient, direction.values(), strict=True)]).sum()
    second = torch.autograd.grad(inner, list(leaves.values()), materialize_grads=True)
    return dict(zip(leaves, second, strict=True))


def inner_product(gradient: Sequence[Tensor], direction: Params) -> Tensor:
    products = [(g.detach() * v).sum() for g, v in zip(gradient, direction.values(), strict=True)]
    return torch.stack(products).sum()


@every_encoder
def test_no_buffer_moves(name: str, variant: dict[str, Any], molecules: GraphBatch) -> None:
    encoder = build(name, variant)
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    torch.autograd.grad(scalar(encoder(molecules, seed=1)), list(encoder.parameters()))
    for key, value in encoder.state_dict().items():
        assert torch.equal(before[key], value), key


@every_encoder
def test_seed_decides_everything(name: str, variant: dict[str, Any], molecules: GraphBatch) -> None:
    encoder = build(name, variant)
    first, again, other, off = (encoder(molecules, seed=seed).nodes for seed in (5, 5, 6, None))
    torch.manual_seed(99)
    assert torch.equal(first, again)
    drops = variant.get("dropout", 0) > 0
    assert torch.equal(first, other) != drops
    assert torch.equal(first, off) != drops
    assert torch.equal(encoder.eval()(molecules, seed=5).nodes, encoder(molecules).nodes)


@pytest.mark.parametrize("name", encoders.available())
@pytest.mark.parametrize(
    "smiles", [["C"], ["[Na+].[Cl-]"], ["CC"], ["C", "C"]], ids=["atom", "salt", "pair", "two atoms"]
)
def test_least_molecules(name: str, smiles: list[str], make: Make) -> None:
    encoder = build(name, {})
    graphs = make(smiles)
    for mode in (True, False):
        loss = scalar(encoder.train(mode)(graphs))
        gradient = torch.autograd.grad(loss, list(encoder.parameters()), materialize_grads=True)
        assert loss.isfinite()
        assert all(g.isfinite().all() for g in gradient)


def permuted(graphs: GraphBatch, atoms: Tensor, edges: Tensor) -> GraphBatch:
    """The same molecules with their atoms in another order (``atoms`` lists old positions) and edges shuffled."""
    new_position = torch.argsort(atoms)
    return replace(
        graphs,
        x=graphs.x[atoms],
        batch=graphs.batch[atoms],
        edge_index=new_position[graphs.edge_index[:, edges]],
        edge_attr=graphs.edge_attr[edges],
    )


POOL = ["CCO", "c1ccccc1O", "[Na+].[Cl-]", "C", "CC(=O)Nc1ccc(O)cc1", "C1CC1N", "CS(=O)(=O)C", "O=C=O"]


@pytest.mark.parametrize(
    ("name", "readout"),
    [*((name, "mean") for name in encoders.available()), *(("gin", readout) for readout in READOUTS[1:])],
)
@settings(max_examples=10, deadline=None)
@given(picks=st.lists(st.integers(0, len(POOL) - 1), min_size=1, max_size=5), seed=st.integers(0, 2**31))
def test_atom_order_does_not_matter(name: str, readout: str, picks: list[int], seed: int) -> None:
    graphs = build_dataset([POOL[i] for i in picks], cache=False, n_jobs=1).graphs(range(len(picks)))
    encoder = build(name, {"readout": readout})
    random = torch.Generator().manual_seed(seed)
    atoms = torch.randperm(graphs.num_nodes, generator=random)
    edges = torch.randperm(graphs.num_edges, generator=random)
    plain, mixed = encoder(graphs), encoder(permuted(graphs, atoms, edges))
    torch.testing.assert_close(mixed.nodes, plain.nodes[atoms])
    torch.testing.assert_close(mixed.graphs, plain.graphs)


@pytest.mark.parametrize("name", encoders.available())
@settings(max_examples=5, deadline=None)
@given(order=st.permutations(range(len(POOL))))
def test_molecule_order_carries_over(name: str, order: list[int]) -> None:
    data = build_dataset(POOL, cache=False, n_jobs=1)
    encoder = build(name, {})
    plain = encoder(data.graphs(range(len(POOL)))).graphs
    torch.testing.assert_close(encoder(data.graphs(order)).graphs, plain[order])


@pytest.mark.parametrize("name", encoders.available())
def test_pyg_batches_are_read_too(name: str) -> None:
    data = build_dataset(POOL, cache=False, n_jobs=1)
    encoder = build(name, {})
    ours, theirs = encoder(data.graphs([0, 3, 1])), encoder(data.batch([0, 3, 1]))
    assert torch.equal(ours.graphs, theirs.graphs)


@pytest.mark.parametrize("name", encoders.available())
def test_state_round_trips(name: str, molecules: GraphBatch) -> None:
    encoder, other = build(name, {}), encoders.create(name, **options_of(name, {})).double()
    calibrate(encoder, [molecules])
    other.load_state_dict(encoder.state_dict())
    assert torch.equal(encoder.eval()(molecules).graphs, other.eval()(molecules).graphs)


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'gin'"):
        encoders.create("ginn")
    with pytest.raises(ConfigError, match="no option 'witdh'; did you mean 'width'"):
        encoders.create("gin", witdh=64)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": 0}, "layers=0"),
        ({"width": 0}, "width=0"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"norm": "bacth"}, "did you mean 'batch'"),
        ({"readout": "mena"}, "did you mean 'mean'"),
        ({"jk": "lasst"}, "did you mean 'last'"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        encoders.create("gin", **options)
