"""Choices within segments."""

import torch

from molweight.graphs import GraphBatch, MoleculeDataset
from molweight.objectives.building_blocks import join, random_item, random_partner, segment_mean, take


def test_partners_are_others_and_equally_likely() -> None:
    random = torch.Generator().manual_seed(0)
    seen = torch.zeros(5, 5)
    for _ in range(1000):
        partner = random_partner(5, random)
        assert partner is not None
        seen[torch.arange(5), partner] += 1
    assert (seen.diagonal() == 0).all()
    assert ((seen - 250).abs() < 5 * (1000 * 3 / 16) ** 0.5)[~torch.eye(5, dtype=torch.bool)].all()
    assert random_partner(1, random) is None
    assert random_partner(0, random) is None


def test_items_are_uniform() -> None:
    random, ptr = torch.Generator().manual_seed(0), torch.tensor([0, 1, 5])
    drawn = torch.stack([random_item(ptr, random) for _ in range(2000)])
    assert (drawn[:, 0] == 0).all()
    assert ((torch.bincount(drawn[:, 1])[1:] - 500).abs() < 5 * (2000 * 3 / 16) ** 0.5).all()


def test_means_are_right_to_second_order() -> None:
    rows = torch.randn(6, 2, dtype=torch.float64, requires_grad=True)
    segment = torch.tensor([0, 2, 2, 0, 3, 2])

    def squares(values: torch.Tensor) -> torch.Tensor:
        return segment_mean(values, segment, 5).pow(3)

    assert torch.autograd.gradcheck(squares, rows)
    assert torch.autograd.gradgradcheck(squares, rows)
    torch.testing.assert_close(segment_mean(rows, segment, 5)[2], rows[[1, 2, 5]].mean(0))


def same(one: GraphBatch, other: GraphBatch) -> bool:
    names = ("x", "edge_index", "edge_attr", "batch", "ptr")
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in names)


def test_joining_and_taking_apart(corpus: MoleculeDataset) -> None:
    first, second, both = corpus.graphs([1, 2]), corpus.graphs([5]), corpus.graphs([1, 2, 5])
    joined = join(first, second)
    assert same(joined, both)
    assert joined.num_graphs == 3
    assert same(take(both, both.batch == 2), second)
    assert same(take(both, both.batch < 2), first)
