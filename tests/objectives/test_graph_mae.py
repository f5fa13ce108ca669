"""GraphMAE: the scaled cosine error, and a decoder that does not see what it reconstructs."""

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from molweight.encoders import Encoding
from molweight.encoders.building_blocks import bond_codes
from molweight.graphs import ATOM_MASK, ATOM_SIZES, GraphBatch, MoleculeDataset
from molweight.objectives import GraphMAE
from molweight.objectives._graph_mae import MaskedNeighbours
from molweight.objectives.building_blocks import scaled_cosine_error
from molweight.typing import GraphLike

Make = Callable[[Sequence[str]], GraphBatch]


def plain_error(guess: Tensor, target: Tensor, power: float) -> float:
    """The formula of Hou et al., one row at a time."""
    total = 0.0
    for one, other in zip(guess.tolist(), target.tolist(), strict=True):
        product = sum(a * b for a, b in zip(one, other, strict=True))
        cosine = product / math.sqrt(sum(a * a for a in one) * sum(b * b for b in other))
        total += (1 - cosine) ** power
    return total / len(guess)


@pytest.mark.parametrize("power", [1.0, 2.0, 2.5, 3.0])
def test_scaled_cosine_error_is_the_plain_formula(power: float) -> None:
    random = torch.Generator().manual_seed(0)
    guess, target = (torch.randn(9, 5, dtype=torch.float64, generator=random) for _ in range(2))
    assert scaled_cosine_error(guess, target, power).item() == pytest.approx(plain_error(guess, target, power))


def test_scaled_cosine_error_has_derivatives_and_ends() -> None:
    random = torch.Generator().manual_seed(0)
    guess, target = (torch.randn(4, 3, dtype=torch.float64, generator=random) for _ in range(2))
    leaf = guess.requires_grad_()
    for power in (1.0, 2.0, 3.0):
        assert torch.autograd.gradcheck(lambda x, power=power: scaled_cosine_error(x, target, power), leaf)
        assert torch.autograd.gradgradcheck(lambda x, power=power: scaled_cosine_error(x, target, power), leaf)
    assert scaled_cosine_error(target, 7 * target, 2.5).item() == pytest.approx(0, abs=1e-12)
    assert scaled_cosine_error(target, -target, 3.0).item() == pytest.approx(8)
    assert scaled_cosine_error(target[:0], target[:0]).item() == 0


@pytest.mark.parametrize("power", [1.0, 1.001, 1.5, 2.0, torch.tensor(1.5), torch.tensor(1.0)])
def test_exact_guesses_have_finite_second_derivatives(power: float) -> None:
    guess = torch.cat([torch.eye(3), torch.ones(1, 3)]).requires_grad_()
    loss = scaled_cosine_error(guess, torch.eye(3)[[0, 1, 2, 0]], power)
    (slope,) = torch.autograd.grad(loss, guess, create_graph=True)
    direction = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    (product,) = torch.autograd.grad((slope * direction).sum(), guess)
    assert slope.isfinite().all()
    assert product.isfinite().all()
    assert product[3].abs().max() > 0
    assert (power == 1) == bool(product[:3].abs().max() > 0)


def test_power_one_has_the_derivatives_of_the_error_itself() -> None:
    random = torch.Generator().manual_seed(0)
    guess, target = (torch.randn(6, 3, generator=random) for _ in range(2))
    guess[:2], target[:2] = torch.eye(3)[:2], torch.eye(3)[:2]
    direction, found = torch.randn(6, 3, generator=random), []
    for power in (1.0, None):
        leaf = guess.clone().requires_grad_()
        unit = functional.normalize(leaf, dim=1), functional.normalize(target, dim=1)
        plain = (1 - (unit[0] * unit[1]).sum(1)).clamp(min=0).sum() / 6
        loss = plain if power is None else scaled_cosine_error(leaf, target, power)
        (slope,) = torch.autograd.grad(loss, leaf, create_graph=True)
        (product,) = torch.autograd.grad((slope * direction).sum(), leaf)
        found.append((loss.detach(), slope.detach(), product))
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_number_of_masked_atoms(corpus: MoleculeDataset) -> None:
    batch = corpus.graphs(range(256))
    views = GraphMAE(width=8).draw(batch, torch.Generator().manual_seed(0))
    expected = torch.tensor([int(0.25 * count) + 1 for count in batch.ptr.diff().tolist()])
    assert torch.equal(torch.bincount(batch.batch[views.atoms]), expected)
    masked = (views.graphs.x == torch.tensor(ATOM_MASK)).all(1)
    assert torch.equal(masked.nonzero().squeeze(1), views.atoms)
    assert torch.equal(views.graphs.x[~masked], batch.x[~masked])
    assert torch.equal(views.elements, batch.x[views.atoms, 0])


def stand_in(nodes: Tensor) -> Callable[..., Encoding]:
    def encode(graphs: GraphLike, seed: int | None = None) -> Encoding:
        return Encoding(nodes, nodes)

    return encode


def reference(objective: GraphMAE, nodes: Tensor, views: MaskedNeighbours) -> float:
    """The decoder over the whole graph, one masked atom and one bond at a time."""
    decoder, graphs = objective.decoder, views.graphs
    codes = decoder.project(decoder.activation(nodes))
    codes[views.atoms] = 0
    bonds = decoder.bonds(bond_codes(graphs.edge_attr))
    rows = []
    for atom in views.atoms.tolist():
        row = codes[atom].clone()
        for edge, (source, target) in enumerate(graphs.edge_index.T.tolist()):
            if target == atom:
                row = row + torch.relu(codes[source] + bonds[edge])
        rows.append(decoder.mlp(row))
    target = torch.eye(ATOM_SIZES[0])[views.elements]
    return plain_error(torch.stack(rows), target, objective.power)


def test_loss_is_that_of_a_decoder_over_the_whole_graph(make: Make) -> None:
    batch = make(["CC(=O)Oc1ccccc1C(=O)O", "C", "[Na+].[Cl-]", "C=CN"])
    objective = GraphMAE(width=6, rate=0.5, power=2.0)
    views = objective.draw(batch, torch.Generator().manual_seed(0))
    nodes = torch.randn(batch.num_nodes, 6)
    with torch.no_grad():
        loss = objective(stand_in(nodes), views).item()
        assert loss == pytest.approx(reference(objective, nodes, views), rel=1e-5)


def test_codes_of_masked_atoms_do_not_count(corpus: MoleculeDataset) -> None:
    batch = corpus.graphs(range(8))
    objective = GraphMAE(width=6)
    views = objective.draw(batch, torch.Generator().manual_seed(0))
    nodes = torch.randn(batch.num_nodes, 6, requires_grad=True)
    (gradient,) = torch.autograd.grad(objective(stand_in(nodes), views), nodes)
    masked = torch.zeros(batch.num_nodes, dtype=torch.bool)
    masked[views.atoms] = True
    assert (gradient[masked] == 0).all()
    assert (gradient[~masked] != 0).any()
