"""Edge prediction: pairs without a bond are uniform, and the loss is a binary cross-entropy."""

from collections.abc import Callable, Sequence
from itertools import pairwise, permutations

import torch
from torch.nn import functional

from molweight import encoders
from molweight.graphs import GraphBatch, MoleculeDataset
from molweight.objectives import EdgePrediction
from molweight.objectives.building_blocks import sample_non_bonds

Make = Callable[[Sequence[str]], GraphBatch]


def all_non_bonds(batch: GraphBatch) -> set[tuple[int, int]]:
    """Every ordered pair of different atoms of one molecule that has no bond."""
    bonded = {(one, other) for one, other in batch.edge_index.T.tolist()}
    borders = batch.ptr.tolist()
    pairs = (pair for first, last in pairwise(borders) for pair in permutations(range(first, last), 2))
    return {pair for pair in pairs if pair not in bonded}


def test_pairs_have_no_bond_and_are_as_many_as_bonds(corpus: MoleculeDataset, awkward: GraphBatch) -> None:
    for batch in (corpus.graphs(range(64)), awkward):
        allowed = all_non_bonds(batch)
        open_molecules = {int(batch.batch[first]) for first, _ in allowed}
        bonds = torch.bincount(batch.batch[batch.edge_index[0, ::2]], minlength=batch.num_graphs)
        expected = [count if i in open_molecules else 0 for i, count in enumerate(bonds.tolist())]
        for seed in range(3):
            apart = sample_non_bonds(batch, torch.Generator().manual_seed(seed))
            assert {(one, other) for one, other in apart.T.tolist()} <= allowed
            assert torch.bincount(batch.batch[apart[0]], minlength=batch.num_graphs).tolist() == expected


def test_pairs_are_uniform(make: Make) -> None:
    """Chi-square over all pairs of two molecules, sampled 1,000 times: within five standard deviations."""
    batch = make(["CC(C)CC=O", "c1ccccc1C"])
    allowed = all_non_bonds(batch)
    random = torch.Generator().manual_seed(0)
    samples = torch.cat([sample_non_bonds(batch, random) for _ in range(1000)], dim=1)
    counts = torch.bincount(samples[0] * batch.num_nodes + samples[1], minlength=batch.num_nodes**2)
    assert int((counts > 0).sum()) == len(allowed)
    for molecule in range(2):
        seen = torch.tensor(
            [counts[one * batch.num_nodes + other] for one, other in allowed if batch.batch[one] == molecule]
        )
        free, expected = len(seen) - 1, seen.double().mean()
        statistic = ((seen - expected) ** 2 / expected).sum()
        assert abs(statistic - free) < 5 * (2 * free) ** 0.5


def test_loss_is_the_binary_cross_entropy_of_both_kinds(corpus: MoleculeDataset) -> None:
    encoder = encoders.create("gin", layers=2, width=8)
    objective = EdgePrediction(width=8)
    views = objective.draw(corpus.graphs(range(8)), torch.Generator().manual_seed(0))
    nodes = encoder(views.graphs).nodes
    expected = 0.0
    for pairs, label in ((views.bonded, 1.0), (views.apart, 0.0)):
        scores = torch.stack([nodes[one] @ nodes[other] for one, other in pairs.T.tolist()])
        expected += functional.binary_cross_entropy_with_logits(scores, torch.full_like(scores, label)).item()
    torch.testing.assert_close(objective(encoder, views).item(), expected, rtol=1e-4, atol=1e-6)


def test_every_bond_counts_once(corpus: MoleculeDataset) -> None:
    batch = corpus.graphs(range(8))
    views = EdgePrediction(width=8).draw(batch, torch.Generator())
    assert torch.equal(views.bonded.repeat_interleave(2, dim=1)[:, ::2], batch.edge_index[:, ::2])
    assert views.bonded.size(1) == batch.num_edges // 2
