"""What attribute masking masks and asks for."""

from collections.abc import Callable, Sequence

import torch
from torch.nn import functional

from molweight import encoders
from molweight.graphs import ATOM_MASK, BOND_MASK, GraphBatch, MoleculeDataset
from molweight.objectives import AttributeMasking

Make = Callable[[Sequence[str]], GraphBatch]


def test_number_of_masked_atoms(corpus: MoleculeDataset) -> None:
    batch = corpus.graphs(range(256))
    views = AttributeMasking(width=8).draw(batch, torch.Generator().manual_seed(0))
    expected = torch.tensor([int(0.15 * count) + 1 for count in batch.ptr.diff().tolist()])
    assert torch.equal(torch.bincount(batch.batch[views.atoms]), expected)
    masked = (views.graphs.x == torch.tensor(ATOM_MASK)).all(1)
    assert torch.equal(masked.nonzero().squeeze(1), views.atoms)
    assert torch.equal(views.graphs.x[~masked], batch.x[~masked])
    assert torch.equal(views.elements, batch.x[views.atoms, 0])
    assert torch.equal(views.graphs.edge_attr, batch.edge_attr)


def test_bonds_at_masked_atoms(make: Make) -> None:
    batch = make(["CC=O", "C#N", "C"])
    objective = AttributeMasking(width=8, rate=0.4, mask_bonds=True)
    views = objective.draw(batch, torch.Generator().manual_seed(0))
    assert views.bonds is not None
    assert views.bond_types is not None
    masked = set(views.atoms.tolist())
    touched = [i for i, ends in enumerate(batch.edge_index.T.tolist()) if masked & set(ends)]
    for edge in range(batch.num_edges):
        expected = list(BOND_MASK) if edge in touched else batch.edge_attr[edge].tolist()
        assert views.graphs.edge_attr[edge].tolist() == expected
    assert torch.equal(views.bonds, batch.edge_index[:, touched[::2]])
    assert torch.equal(views.bond_types, batch.edge_attr[touched[::2], 0])


def test_loss_is_the_sum_of_two_cross_entropies(corpus: MoleculeDataset) -> None:
    encoder = encoders.create("gin", layers=2, width=8)
    objective = AttributeMasking(width=8, mask_bonds=True)
    views = objective.draw(corpus.graphs(range(8)), torch.Generator().manual_seed(0))
    assert views.bonds is not None
    assert views.bond_types is not None
    assert objective.bond_head is not None
    nodes = encoder(views.graphs).nodes
    atoms = functional.log_softmax(objective.atom_head(nodes), dim=1)[views.atoms, views.elements].mean()
    ends = nodes[views.bonds[0]] + nodes[views.bonds[1]]
    types = functional.log_softmax(objective.bond_head(ends), dim=1)
    bonds = types[torch.arange(len(ends)), views.bond_types].mean()
    torch.testing.assert_close(objective(encoder, views), -atoms - bonds)
