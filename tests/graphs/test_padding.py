"""Padded batches have one of a few sizes, and hold the same molecules."""

import numpy as np
import pytest
import torch

from molweight import datasets
from molweight.graphs import GraphBatch, build_dataset
from molweight.graphs._padding import pad_batch, padded_size


def test_sizes_are_few_and_little_above_what_is_needed() -> None:
    sizes = [padded_size(count) for count in range(1, 20_000)]
    assert all(count <= size <= max(32, count * 9 / 8) for count, size in enumerate(sizes, start=1))
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 75  # 8 for each doubling from 32 on
    assert all(padded_size(size) == size and size % 2 == 0 for size in set(sizes))


@pytest.mark.parametrize("smiles", [["C"], ["[Na+].[Cl-]"], ["C", "CCO"], ["C" * 200], ["CCO", "c1ccccc1"] * 40])
def test_what_is_added_is_apart_and_as_a_batch_has_to_be(smiles: list[str]) -> None:
    batch = build_dataset(smiles, cache=False, n_jobs=1).graphs(range(len(smiles)))
    padded = pad_batch(batch)
    atoms, edges, graphs = batch.num_nodes, batch.num_edges, batch.num_graphs
    for field, count in (("x", atoms), ("edge_attr", edges), ("batch", atoms), ("ptr", graphs + 1)):
        torch.testing.assert_close(getattr(padded, field)[:count], getattr(batch, field), rtol=0, atol=0)
    assert torch.equal(padded.edge_index[:, :edges], batch.edge_index)
    assert padded.num_graphs == graphs + padded.padding
    added = padded.edge_index[:, edges:]
    assert (added >= atoms).all()
    assert (added < padded.num_nodes).all()
    assert torch.bincount(added[1], minlength=1).max() <= 4
    _assert_sound(padded)


def _assert_sound(padded: GraphBatch) -> None:
    sizes = torch.bincount(padded.batch, minlength=padded.num_graphs)
    assert torch.equal(padded.ptr.diff(), sizes)
    assert (sizes > 0).all()
    assert torch.equal(padded.edge_index[:, ::2], padded.edge_index[:, 1::2].flip(0))


def test_molecules_of_a_corpus_need_few_sizes_and_added_ones_are_no_larger() -> None:
    corpus, order = datasets.load_corpus("zinc", size=2000, n_jobs=1), np.random.default_rng(0)
    padded = [pad_batch(corpus.graphs(order.choice(2000, 256, replace=False))) for _ in range(20)]
    assert len({(each.num_nodes, each.num_edges) for each in padded}) <= 3
    for each in padded:
        sizes = each.ptr.diff()
        assert sizes[-each.padding :].max() <= sizes[: -each.padding].float().mean()
        assert torch.bincount(each.edge_index[1])[each.ptr[-each.padding - 1] :].max() <= 4
