"""Augmentations: how much they change, what they keep, that they are random."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from molweight.errors import DataError
from molweight.graphs import ATOM_MASK, GraphBatch, MoleculeDataset, build_dataset
from molweight.objectives._augment import grow, share
from molweight.objectives.building_blocks import (
    AUGMENTATIONS,
    Edit,
    apply,
    attribute_mask,
    edge_perturb,
    node_drop,
    random_edit,
    subgraph,
)

Make = Callable[[Sequence[str]], GraphBatch]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def per_molecule(flags: Tensor, batch: GraphBatch) -> Tensor:
    """How many atoms of each molecule are flagged."""
    return torch.bincount(batch.batch[flags], minlength=batch.num_graphs)


def components(batch: GraphBatch) -> Tensor:
    """Number of connected components of each molecule, by the rank of its Laplacian."""
    count = torch.zeros(batch.num_graphs, dtype=torch.long)
    for molecule in range(batch.num_graphs):
        first, last = int(batch.ptr[molecule]), int(batch.ptr[molecule + 1])
        edges = batch.edge_index[:, batch.batch[batch.edge_index[0]] == molecule] - first
        adjacency = torch.zeros(last - first, last - first, dtype=torch.float64)
        adjacency[edges[0], edges[1]] = 1
        laplacian = adjacency.sum(1).diag() - adjacency
        count[molecule] = last - first - torch.linalg.matrix_rank(laplacian, tol=1e-8)
    return count


def assert_valid(batch: GraphBatch) -> None:
    """A batch whose parts fit each other."""
    assert torch.equal(batch.batch, torch.repeat_interleave(torch.arange(batch.num_graphs), batch.ptr.diff()))
    assert batch.ptr[-1] == batch.num_nodes == len(batch.batch)
    assert batch.edge_attr.size(0) == batch.num_edges
    if batch.num_edges:
        assert batch.edge_index.max() < batch.num_nodes
        assert torch.equal(batch.edge_index[:, ::2], batch.edge_index[:, 1::2].flip(0))
        assert torch.equal(*batch.batch[batch.edge_index])


@pytest.mark.parametrize("strength", [0.0, 0.2, 0.5, 0.9])
def test_rates_are_exact(corpus: MoleculeDataset, strength: float) -> None:
    batch = corpus.graphs(range(64))
    wanted = share(batch.ptr, strength)
    assert (wanted - strength * batch.ptr.diff()).abs().max() < 1
    dropped = node_drop(batch, strength, seeded()).drop_atoms
    masked = attribute_mask(batch, strength, seeded()).mask_atoms
    cut = subgraph(batch, strength, seeded()).drop_atoms
    for flags in (dropped, masked, cut):
        assert flags is not None
        assert torch.equal(per_molecule(flags, batch), wanted)
    edges = edge_perturb(batch, strength, seeded()).drop_edges
    assert edges is not None
    assert torch.equal(edges[::2], edges[1::2])
    bonds = torch.bincount(batch.batch[batch.edge_index[0, ::2]])
    removed = torch.bincount(batch.batch[batch.edge_index[0, ::2][edges[::2]]], minlength=64)
    assert torch.equal(removed, (bonds * strength + 1e-6).long())


def test_views_change_what_they_say(corpus: MoleculeDataset) -> None:
    """Of ZINC's molecules in 20 draws: 18 to 20 % of atoms or bonds changed, since shares are rounded down."""
    batch = corpus.graphs(range(256))
    for name in AUGMENTATIONS:
        changed = []
        for seed in range(20):
            view = apply(batch, AUGMENTATIONS[name](batch, 0.2, seeded(seed)))
            masked = (view.x == torch.tensor(ATOM_MASK)).all(1).sum()
            atoms = 1 - (view.num_nodes - masked) / batch.num_nodes
            changed.append(1 - view.num_edges / batch.num_edges if name == "edge_perturb" else atoms)
        assert 0.18 < torch.tensor(changed).mean() <= 0.2, name


def test_choices_are_uniform(corpus: MoleculeDataset) -> None:
    batch = corpus.graphs([0])
    draws = 2000
    counts = torch.zeros(batch.num_nodes)
    random = seeded()
    for _ in range(draws):
        flags = attribute_mask(batch, 0.2, random).mask_atoms
        assert flags is not None
        counts += flags
    expected = int(0.2 * batch.num_nodes) / batch.num_nodes
    assert ((counts / draws - expected).abs() < 5 * (expected * (1 - expected) / draws) ** 0.5).all()


def test_kinds_are_mixed_evenly(corpus: MoleculeDataset) -> None:
    """Each of four augmentations changes about a quarter of 2,560 molecules."""
    batch = corpus.graphs([*range(256)] * 10)
    edit = random_edit(batch, tuple(AUGMENTATIONS), 0.2, seeded())
    assert edit.drop_atoms is not None
    assert edit.mask_atoms is not None
    assert edit.drop_edges is not None
    dropped, masked = (per_molecule(flags, batch) > 0 for flags in (edit.drop_atoms, edit.mask_atoms))
    cut = torch.zeros(batch.num_graphs, dtype=torch.bool)
    cut[batch.batch[batch.edge_index[0, edit.drop_edges]]] = True
    assert ((dropped.int() + masked.int() + cut.int()) == 1).all()
    for flags, expected in ((dropped, 0.5), (masked, 0.25), (cut, 0.25)):
        assert abs(flags.double().mean() - expected) < 0.05


def test_subgraphs_hang_together(corpus: MoleculeDataset) -> None:
    batch = corpus.graphs(range(48))
    assert (components(batch) == 1).all()
    for seed in range(3):
        view = apply(batch, subgraph(batch, 0.4, seeded(seed)))
        assert (components(view) == 1).all()
    dropped = apply(batch, node_drop(batch, 0.4, seeded()))
    assert components(dropped).sum() > 60  # the check can fail


def test_subgraphs_differ_and_reach_every_atom(corpus: MoleculeDataset) -> None:
    batch = corpus.graphs([0])
    kept = torch.stack([grow(batch, torch.tensor([5]), seeded(seed)) for seed in range(200)])
    assert (kept.sum(1) == 5).all()
    assert kept.any(0).all()
    assert len({tuple(row) for row in kept.tolist()}) > 50


def test_growth_goes_on_in_other_components(make: Make) -> None:
    batch = make(["CCCC.OCCO", "[Na+].[Cl-]"])
    for seed in range(20):
        kept = grow(batch, torch.tensor([6, 1]), seeded(seed))
        assert per_molecule(kept, batch).tolist() == [6, 1]
        view = apply(batch, Edit(drop_atoms=~kept))
        assert components(view).tolist() == [2, 1]


def test_long_chains_are_crossed() -> None:
    batch = build_dataset(["C" * 150], cache=False).graphs([0])
    for seed in range(5):
        view = apply(batch, Edit(drop_atoms=~grow(batch, torch.tensor([120]), seeded(seed))))
        assert components(view).tolist() == [1]


def test_applied_edits(corpus: MoleculeDataset, awkward: GraphBatch) -> None:
    for batch in (corpus.graphs(range(32)), awkward):
        for seed in range(5):
            view = apply(batch, random_edit(batch, tuple(AUGMENTATIONS), 0.9, seeded(seed)))
            assert_valid(view)
            assert (view.ptr.diff() > 0).all()


def test_kept_atoms_keep_their_bonds(make: Make) -> None:
    batch = make(["CCO", "C=N"])
    view = apply(batch, Edit(drop_atoms=torch.tensor([True, False, False, False, False])))
    assert view.x[:, 0].tolist() == [5, 7, 5, 6]
    assert view.edge_index.tolist() == [[0, 1, 2, 3], [1, 0, 3, 2]]
    assert torch.equal(view.edge_attr, batch.edge_attr[2:])
    assert view.ptr.tolist() == [0, 2, 4]


def test_nothing_to_do(awkward: GraphBatch) -> None:
    view = apply(awkward, Edit())
    assert torch.equal(view.x, awkward.x)
    assert view.columns == {}


def test_edges_out_of_order_are_refused(make: Make) -> None:
    batch = make(["CCO"])
    mixed = replace(batch, edge_index=batch.edge_index[:, [0, 2, 1, 3]])
    with pytest.raises(DataError, match="not neighbours"):
        edge_perturb(mixed, 0.5, seeded())
