"""The fragment jigsaw: fragments keep their inner bonds and are joined as the order says."""

from collections.abc import Callable, Sequence
from itertools import permutations
from math import factorial

import pytest
import torch

from molweight.errors import ConfigError
from molweight.graphs import GraphBatch, MoleculeDataset, attach_targets, build_dataset
from molweight.objectives import FragmentJigsaw, create
from molweight.objectives.building_blocks import nested_orders

Make = Callable[[Sequence[str]], GraphBatch]


def bonds(graphs: GraphBatch) -> set[tuple[int, ...]]:
    return {tuple(sorted(edge)) for edge in graphs.edge_index.T.tolist()}


def test_orders_are_nested() -> None:
    orders = nested_orders(100)
    assert len(set(orders)) == 100
    assert orders[0] == (0, 1, 2, 3, 4)
    for size in range(1, 5):
        heads = {order[:size] for order in orders[: factorial(size)]}
        assert heads == set(permutations(range(size)))
        assert {order[size:] for order in orders[: factorial(size)]} == {tuple(range(size, 5))}


def test_three_fragments_in_every_order(make: Make) -> None:
    """CC-O-CCC: the oxygen is fragment 0, the ethyl 1, the propyl 2; see the example of ``cut_places``."""
    batch = make(["CCOCCC"])
    head, tail = {0: 2, 1: 1, 2: 3}, {0: 2, 1: 0, 2: 4}
    objective, seen = FragmentJigsaw(width=4, identity=0.0), set()
    for seed in range(60):
        views = objective.draw(batch, torch.Generator().manual_seed(seed))
        order = int(views.orders)
        a, b, c = nested_orders(100)[order][:3]
        inner = {(0, 1), (3, 4), (4, 5)}
        joined = {tuple(sorted((tail[a], head[b]))), tuple(sorted((tail[b], head[c])))}
        assert bonds(views.graphs) == (inner | joined if order else bonds(batch))
        seen.add(order)
    assert seen == set(range(6))


def test_fragments_stay_whole(corpus: MoleculeDataset) -> None:
    batch = corpus.graphs(range(128))
    views = FragmentJigsaw(width=4).draw(batch, torch.Generator().manual_seed(0))
    number = batch.atom_columns["brics_places"][:, 0]
    for graphs in (batch, views.graphs):
        assert torch.equal(graphs.edge_index[:, ::2], graphs.edge_index[:, 1::2].flip(0))
        assert torch.equal(*graphs.batch[graphs.edge_index])
    inside = [edges[:, number[edges[0]] == number[edges[1]]] for edges in (batch.edge_index, views.graphs.edge_index)]
    assert torch.equal(*inside)
    moved = views.orders > 0
    for molecule in moved.nonzero().squeeze(1).tolist():
        edges = views.graphs.edge_index[:, batch.batch[views.graphs.edge_index[0]] == molecule]
        between = edges[:, number[edges[0]] != number[edges[1]]]
        assert between.size(1) == 2 * (int(number[batch.batch == molecule].max()) - 1)
    assert torch.equal(views.graphs.x, batch.x)


def test_shares_of_orders() -> None:
    """Three fragments: order 0 in .2 + .8 / 6 of the draws, each other in .8 / 6; alone it is always order 0."""
    two = attach_targets(build_dataset(["CCOCCC", "C"], cache=False), FragmentJigsaw.targets)
    batch = two.graphs([0] * 1000 + [1] * 10)
    views = FragmentJigsaw(width=4).draw(batch, torch.Generator().manual_seed(0))
    shares = torch.bincount(views.orders[:1000], minlength=6) / 1000
    expected = torch.tensor([0.2 + 0.8 / 6, *[0.8 / 6] * 5])
    assert (shares - expected).abs().max() < 0.04
    assert views.orders[1000:].sum() == 0
    assert views.counted.tolist() == [1] * 1000 + [0] * 10


@pytest.mark.parametrize(("options", "message"), [({"orders": 1}, "orders=1"), ({"identity": 1.0}, "identity=1.0")])
def test_options_are_checked(options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        create("fragment_jigsaw", width=4, **options)
