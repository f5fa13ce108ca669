"""SchNet: PyG's interaction block at rounded distances, and what any function of a conformer must be."""

import math

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad, jvp
from torch_geometric.nn.models.schnet import GaussianSmearing, InteractionBlock

from molweight.encoders import Conformers, SchNet
from molweight.encoders.building_blocks import SchNetLayer, near_pairs
from molweight.errors import ConfigError
from molweight.objectives._rdkit_conformers import conformers

SMILES = ["CC(=O)Oc1ccccc1C(=O)O", "C", "[Na+].[Cl-]", "C[C@H](N)C(=O)O"]
CUTOFF = 6.0


def molecules(positions: Tensor, elements: Tensor, sizes: list[int], cutoff: float = CUTOFF) -> Conformers:
    batch = torch.repeat_interleave(torch.tensor(sizes))
    ptr = torch.tensor([0, *sizes]).cumsum(0)
    pairs, steps = near_pairs(positions, batch, ptr, cutoff)
    return Conformers(elements, batch, len(sizes), pairs, steps)


@pytest.fixture(scope="module")
def positions() -> Tensor:
    return torch.from_numpy(conformers(SMILES)).double()


@pytest.fixture(scope="module")
def sizes() -> list[int]:
    return [len(conformers([text])) for text in SMILES]


@pytest.fixture(scope="module")
def elements(positions: Tensor) -> Tensor:
    return torch.randint(0, 9, (len(positions),), generator=torch.Generator().manual_seed(0))


def small(**options: int) -> SchNet:
    torch.manual_seed(0)
    return SchNet(6, **{"layers": 2, "filters": 5, "gaussians": 7, **options}, cutoff=CUTOFF).double()


def test_pairs_are_those_of_a_plain_loop(positions: Tensor, elements: Tensor, sizes: list[int]) -> None:
    found = molecules(positions, elements, sizes)
    expected, start = {}, 0
    for size in sizes:
        for i in range(start, start + size):
            for j in range(start, start + size):
                distance = math.dist(positions[i].tolist(), positions[j].tolist())
                if i != j and distance < CUTOFF:
                    expected[i, j] = round(100 * distance)
        start += size
    assert dict(zip(map(tuple, found.pairs.T.tolist()), found.steps.tolist(), strict=True)) == expected
    assert len(expected) > 150


def test_a_layer_is_pygs_interaction_block(positions: Tensor, elements: Tensor, sizes: list[int]) -> None:
    space = molecules(positions, elements, sizes)
    layer, smear = SchNetLayer(6, 7, 5, CUTOFF).double(), GaussianSmearing(0.0, CUTOFF, 7).double()
    block = InteractionBlock(6, 7, 5, CUTOFF).double()
    block.load_state_dict(layer.block.state_dict())
    nodes, grid = torch.randn(len(positions), 6).double(), 0.01 * torch.arange(601).double()
    envelope = 0.5 * (torch.cos(grid * math.pi / CUTOFF) + 1)[:, None]
    distances = 0.01 * space.steps.double()
    expected = block(nodes, space.pairs, distances, smear(distances))
    torch.testing.assert_close(layer(nodes, space, smear(grid), envelope), expected)


def test_rotation_translation_and_reflection_change_nothing(
    positions: Tensor, elements: Tensor, sizes: list[int]
) -> None:
    """Rounding may move a distance by one step; no more than that may show."""
    model = small()
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1)).double())[0]
    moved = positions @ turn.T * torch.tensor([1.0, 1.0, -1.0]) + torch.tensor([3.0, -5.0, 7.0])
    first, second = (molecules(places, elements, sizes) for places in (positions, moved))
    assert (first.steps - second.steps).abs().max() <= 1
    torch.testing.assert_close(model(first), model(second), atol=1e-3, rtol=1e-3)


def test_order_of_atoms_changes_nothing(positions: Tensor, elements: Tensor, sizes: list[int]) -> None:
    model, random = small(), torch.Generator().manual_seed(2)
    batch = torch.repeat_interleave(torch.tensor(sizes))
    order = torch.argsort(batch + torch.rand(len(batch), generator=random))
    torch.testing.assert_close(
        model(molecules(positions, elements, sizes)), model(molecules(positions[order], elements[order], sizes))
    )


def test_molecules_do_not_see_each_other(positions: Tensor, elements: Tensor, sizes: list[int]) -> None:
    model = small()
    together = model(molecules(positions, elements, sizes))
    start = 0
    for number, size in enumerate(sizes):
        alone = molecules(positions[start : start + size], elements[start : start + size], [size])
        torch.testing.assert_close(model(alone)[0], together[number])
        start += size


def test_derivatives_are_right_to_second_order(positions: Tensor, elements: Tensor, sizes: list[int]) -> None:
    model, space = small(), molecules(positions, elements, sizes)
    names = [name for name, _ in model.named_parameters()]
    leaves = tuple(value.detach().clone().requires_grad_() for value in model.parameters())

    def of(*values: Tensor) -> Tensor:
        out: Tensor = functional_call(model, dict(zip(names, values, strict=True)), (space,))
        return out.square().sum()

    assert torch.autograd.gradcheck(of, leaves, fast_mode=True)
    assert torch.autograd.gradgradcheck(of, leaves, fast_mode=True)
    direction = tuple(torch.randn_like(value) for value in leaves)
    product = jvp(grad(of, argnums=tuple(range(len(leaves)))), leaves, direction)[1]
    gradient = torch.autograd.grad(of(*leaves), leaves, create_graph=True)
    along = torch.stack([(g * v).sum() for g, v in zip(gradient, direction, strict=True)]).sum()
    torch.testing.assert_close(product, torch.autograd.grad(along, leaves, materialize_grads=True))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "width=0"),
        ({"width": 4, "layers": 0}, "layers=0"),
        ({"width": 4, "gaussians": 1}, "gaussians=1 must be at least 2"),
        ({"width": 4, "cutoff": math.inf}, "cutoff=inf"),
        ({"width": 4, "cutoff": 0.0}, "cutoff=0.0"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SchNet(**options)  # type: ignore[arg-type]  # what is tested
