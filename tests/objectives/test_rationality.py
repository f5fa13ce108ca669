"""Rationality: what is shuffled, what counts."""

from collections import Counter
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from molweight import encoders
from molweight.graphs import GraphBatch, MoleculeDataset
from molweight.objectives import Rationality

Make = Callable[[Sequence[str]], GraphBatch]


def test_atoms_are_shuffled_within_molecules_and_bonds_stay(corpus: MoleculeDataset) -> None:
    batch = corpus.graphs(range(64))
    views = Rationality(width=8).draw(batch, torch.Generator().manual_seed(0))
    atoms = batch.num_nodes
    assert torch.equal(views.graphs.x[:atoms], batch.x)
    assert torch.equal(views.graphs.edge_index, torch.cat([batch.edge_index, batch.edge_index + atoms], dim=1))
    assert torch.equal(views.graphs.edge_attr, batch.edge_attr.repeat(2, 1))
    for first, last in zip(batch.ptr[:-1].tolist(), batch.ptr[1:].tolist(), strict=True):
        before = Counter(map(tuple, batch.x[first:last].tolist()))
        after = Counter(map(tuple, views.graphs.x[atoms + first : atoms + last].tolist()))
        assert before == after
    assert views.labels.tolist() == [1] * 64 + [0] * 64
    assert views.weights.tolist() == [1.0] * 128


def test_all_orders_are_equally_likely(make: Make) -> None:
    batch = make(["CN=O"])
    random = torch.Generator().manual_seed(0)
    draws = [Rationality(width=8).draw(batch, random) for _ in range(1200)]
    seen = Counter(tuple(views.graphs.x[3:, 0].tolist()) for views in draws)
    assert len(seen) == 6
    assert all(abs(count - 200) < 5 * (1200 * 5 / 36) ** 0.5 for count in seen.values())
    assert sum(views.weights.sum().item() == 0 for views in draws) == seen[tuple(batch.x[:, 0].tolist())]


def _pairs(x: Tensor, batch: GraphBatch, molecule: int) -> Counter[tuple[int, ...]]:
    """The bonded pairs of atoms of one molecule, a second time."""
    own = batch.batch[batch.edge_index[0]] == molecule
    sources, targets = batch.edge_index[:, own]
    return Counter(map(tuple, torch.cat([x[sources], batch.edge_attr[own], x[targets]], dim=1).tolist()))


def test_a_molecule_counts_if_other_atoms_are_bonded(make: Make) -> None:
    batch = make(["CO", "CCO", "C=CO", "CC(C)O", "c1ccccc1", "[Na+].CC(=O)[O-]", "C", "CN=O"])
    counted = Counter[int]()
    for seed in range(100):
        views = Rationality(width=8).draw(batch, torch.Generator().manual_seed(seed))
        x = views.graphs.x[batch.num_nodes :]
        for molecule in range(batch.num_graphs):
            changed = _pairs(x, batch, molecule) != _pairs(batch.x, batch, molecule)
            assert views.weights[molecule] == views.weights[batch.num_graphs + molecule] == changed
            counted[molecule] += changed
    assert [counted[molecule] for molecule in (0, 4, 6)] == [0, 0, 0]  # methanol, benzene, methane
    assert min(counted[molecule] for molecule in (1, 2, 3, 5, 7)) > 20


def test_molecules_that_stay_the_same_do_not_count(make: Make) -> None:
    batch = make(["C", "CCCCCCN(C)C=O", "[Na+].[Na+]", "CC"])
    encoder, objective = encoders.create("gin", layers=2, width=6), Rationality(width=6)
    views = objective.draw(batch, torch.Generator().manual_seed(0))
    assert views.weights.tolist() == [0, 1, 0, 0] * 2
    logits = objective.head(encoder(views.graphs).graphs)
    expected = functional.cross_entropy(logits[[1, 5]], torch.tensor([1, 0]))
    torch.testing.assert_close(objective(encoder, views), expected)
