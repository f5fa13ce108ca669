"""MolCLR: how much each augmentation changes, measured, and the loss."""

import pytest
import torch
from torch import Tensor

from molweight import encoders
from molweight.graphs import ATOM_MASK, GraphBatch, MoleculeDataset
from molweight.objectives import MolCLR
from molweight.objectives.building_blocks import nt_xent


def masked(view: GraphBatch) -> Tensor:
    return (view.x == torch.tensor(ATOM_MASK)).all(1)


def masked_per_molecule(view: GraphBatch) -> Tensor:
    return torch.bincount(view.batch[masked(view)], minlength=view.num_graphs)


def bonds_per_molecule(view: GraphBatch) -> Tensor:
    return torch.bincount(view.batch[view.edge_index[0, ::2]], minlength=view.num_graphs)


def test_a_quarter_of_atoms_and_bonds(corpus: MoleculeDataset) -> None:
    batch = corpus.graphs(range(256))
    views = MolCLR(width=8).draw(batch, torch.Generator().manual_seed(0))
    atoms, bonds = batch.ptr.diff(), bonds_per_molecule(batch)
    for view in (views.first, views.second):
        assert torch.equal(masked_per_molecule(view), (atoms // 4).clamp(min=1))
        assert torch.equal(bonds - bonds_per_molecule(view), bonds // 4)
        assert torch.equal(view.x[~masked(view)], batch.x[~masked(view)])
    assert not torch.equal(masked(views.first), masked(views.second))


def test_rates_as_measured(corpus: MoleculeDataset) -> None:
    """Over 20 draws of ZINC's molecules: 23 to 25 % of atoms and bonds, since shares are rounded down."""
    batch = corpus.graphs(range(256))
    random = torch.Generator().manual_seed(0)
    views = [MolCLR(width=8).draw(batch, random) for _ in range(20)]
    atoms = torch.stack([masked(view.first).double().mean() for view in views]).mean()
    bonds = 1 - sum(view.first.num_edges for view in views) / (20 * batch.num_edges)
    assert 0.23 < atoms < 0.25
    assert 0.23 < bonds < 0.25


def test_masking_and_deleting_are_independent(corpus: MoleculeDataset) -> None:
    """A bond at a masked atom is no more likely to be deleted than another one."""
    batch = corpus.graphs(range(256))
    shares = []
    for seed in range(10):
        view = MolCLR(width=8).draw(batch, torch.Generator().manual_seed(seed)).first
        at_mask = masked(view)[batch.edge_index].any(0).sum()
        shares.append(masked(view)[view.edge_index].any(0).sum() / at_mask)
    assert torch.stack(shares).mean().item() == pytest.approx(0.765, abs=0.02)


def test_subgraphs_are_masked_and_cut_off(corpus: MoleculeDataset) -> None:
    batch = corpus.graphs(range(64))
    objective = MolCLR(width=8, augmentation="subgraph")
    for seed in range(3):
        view = objective.draw(batch, torch.Generator().manual_seed(seed)).first
        removed = masked(view)
        assert torch.equal(masked_per_molecule(view), batch.ptr.diff() // 4)
        assert not removed[view.edge_index].any()
        inside = batch.edge_index[:, removed[batch.edge_index].all(0)]
        # A connected part of n atoms has at least n - 1 bonds within.
        within = torch.bincount(batch.batch[inside[0, ::2]], minlength=64)
        assert (within >= masked_per_molecule(view) - 1).all()
        assert view.num_edges == int((~removed[batch.edge_index].any(0)).sum())


def test_either_is_one_of_the_two_for_each_molecule(corpus: MoleculeDataset) -> None:
    batch = corpus.graphs(range(256))
    view = MolCLR(width=8, augmentation="either").draw(batch, torch.Generator().manual_seed(0)).first
    cut_off = torch.zeros(256, dtype=torch.bool)
    touched = batch.batch[view.edge_index[0][masked(view)[view.edge_index[0]]]]
    cut_off[touched] = True  # bonds at masked atoms remain: the molecule was masked, not cut
    assert 0.4 < cut_off.double().mean() < 0.6
    assert torch.equal(masked_per_molecule(view), batch.ptr.diff() // 4)


def test_loss_is_nt_xent_of_the_projections(corpus: MoleculeDataset) -> None:
    encoder, objective = encoders.create("gin", layers=2, width=8), MolCLR(width=8, temperature=0.3)
    views = objective.draw(corpus.graphs(range(8)), torch.Generator().manual_seed(0))
    first, second = (objective.head(encoder(view).graphs) for view in (views.first, views.second))
    assert first.shape == (8, 4)
    torch.testing.assert_close(objective(encoder, views), nt_xent(first, second, 0.3))
