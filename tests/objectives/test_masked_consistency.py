"""Masked consistency: what it masks, and that alone it collapses."""

from collections.abc import Sequence

import torch
from torch import Tensor

from molweight import encoders, objectives
from molweight.graphs import ATOM_MASK, MoleculeDataset
from molweight.objectives import MaskedConsistency
from molweight.objectives.building_blocks import embedding_rank, embedding_spread


def test_one_view_is_masked(corpus: MoleculeDataset) -> None:
    batch = corpus.graphs(range(256))
    views = MaskedConsistency(width=8).draw(batch, torch.Generator().manual_seed(0))
    assert torch.equal(views.first.x, batch.x)
    masked = (views.second.x == torch.tensor(ATOM_MASK)).all(1)
    expected = torch.tensor([max(int(0.15 * count + 1e-6), 1) for count in batch.ptr.diff().tolist()])
    assert torch.equal(torch.bincount(batch.batch[masked]), expected)
    assert torch.equal(views.second.edge_index, batch.edge_index)


def test_loss_is_the_mean_squared_difference(corpus: MoleculeDataset) -> None:
    encoder, objective = encoders.create("gin", layers=2, width=8, dropout=0.5), MaskedConsistency(width=8)
    views = objective.draw(corpus.graphs(range(8)), torch.Generator().manual_seed(0))
    first, second = (encoder(view, seed=views.seeds[0]).graphs for view in (views.first, views.second))
    distances = [((a - b) ** 2).sum() / 8 for a, b in zip(first, second, strict=True)]
    torch.testing.assert_close(objective(encoder, views), torch.stack(distances).mean())


def vectors_after_training(names: Sequence[str], norm: str, corpus: MoleculeDataset) -> tuple[Tensor, Tensor]:
    """The molecules' vectors before and after 60 steps with the sum of the losses."""
    torch.manual_seed(1)
    encoder = encoders.create("gin", layers=2, width=16, norm=norm)
    tasks = [objectives.create(name, width=16) for name in names]
    batch, random = corpus.graphs(range(256)), torch.Generator().manual_seed(0)
    parameters = [*encoder.parameters(), *(p for task in tasks for p in task.parameters())]
    optimiser = torch.optim.Adam(parameters, lr=1e-2)
    before = encoder(batch).graphs.detach()
    for _ in range(60):
        loss = torch.stack([task(encoder, task.draw(batch, random)) for task in tasks]).sum()
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = gradient
        optimiser.step()
    return before, encoder(batch).graphs.detach()


def test_alone_it_collapses(corpus: MoleculeDataset) -> None:
    """To one vector, or to one direction where batch normalisation keeps the vectors apart."""
    assert MaskedConsistency.collapses
    before, after = vectors_after_training(["masked_consistency"], "layer", corpus)
    assert embedding_spread(after) < 0.1 * embedding_spread(before)
    before, after = vectors_after_training(["masked_consistency"], "batch", corpus)
    assert embedding_rank(before) > 1.5
    assert embedding_rank(after) < 1.05


def test_beside_another_objective_it_does_not(corpus: MoleculeDataset) -> None:
    before, after = vectors_after_training(["masked_consistency", "attribute_masking"], "batch", corpus)
    assert embedding_spread(after) > 0.4 * embedding_spread(before)
    assert embedding_rank(after) > 2


def test_rank_is_that_of_the_eigenvalues() -> None:
    vectors = torch.randn(20, 4, dtype=torch.float64) * torch.tensor([1.0, 2.0, 0.5, 3.0])
    values = torch.linalg.eigvalsh(vectors.T.cov())
    torch.testing.assert_close(embedding_rank(vectors), values.sum() ** 2 / (values**2).sum())
    assert embedding_rank(torch.ones(5, 3)) == 0


def test_spread_is_that_of_a_plain_formula() -> None:
    vectors = torch.randn(7, 3, dtype=torch.float64)
    torch.testing.assert_close(embedding_spread(vectors), vectors.var(0, correction=0).mean().sqrt())
