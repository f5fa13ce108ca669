"""Infomax: the bilinear score of atoms with their own and with another molecule's summary."""

import torch
from torch.nn import functional

from molweight import encoders
from molweight.graphs import MoleculeDataset
from molweight.objectives import Infomax


def test_loss_one_atom_at_a_time(corpus: MoleculeDataset) -> None:
    encoder, objective = encoders.create("gin", layers=2, width=6), Infomax(width=6)
    batch = corpus.graphs(range(5))
    views = objective.draw(batch, torch.Generator().manual_seed(0))
    nodes = encoder(batch).nodes
    assert views.partner is not None
    summaries = [torch.sigmoid(nodes[batch.batch == i].mean(0)) for i in range(5)]
    scores = [
        torch.stack([nodes[v] @ objective.form @ summaries[of[int(batch.batch[v])]] for v in range(batch.num_nodes)])
        for of in (list(range(5)), views.partner.tolist())
    ]
    expected = functional.binary_cross_entropy_with_logits(scores[0], torch.ones_like(scores[0]))
    expected = expected + functional.binary_cross_entropy_with_logits(scores[1], torch.zeros_like(scores[1]))
    torch.testing.assert_close(objective(encoder, views), expected)


def test_a_single_molecule_has_no_negatives(corpus: MoleculeDataset) -> None:
    encoder, objective = encoders.create("gin", layers=2, width=6), Infomax(width=6)
    batch = corpus.graphs([3])
    views = objective.draw(batch, torch.Generator().manual_seed(0))
    nodes = encoder(batch).nodes
    scores = nodes @ objective.form @ torch.sigmoid(nodes.mean(0))
    assert views.partner is None
    torch.testing.assert_close(objective(encoder, views), functional.softplus(-scores).mean())
