"""Context prediction: distances against RDKit, the two parts, and the loss."""

from collections.abc import Callable, Sequence

import torch
from rdkit import Chem
from torch.nn import functional

from molweight import encoders
from molweight.graphs import GraphBatch, MoleculeDataset
from molweight.objectives import ContextPrediction
from molweight.objectives.building_blocks import hops, random_item

Make = Callable[[Sequence[str]], GraphBatch]
SMILES = ["CC(=O)Oc1ccccc1C(=O)O", "C" * 20, "CCCCCCCC.OCCO", "c1ccc2c(c1)[nH]c1ccccc12", "C1CCCCCCCCCCC1"]


def test_hops_are_rdkits_distances(make: Make) -> None:
    batch = make(SMILES)
    for shift in range(4):
        roots = batch.ptr[:-1] + shift
        found = hops(batch, roots, limit=6)
        for number, smiles in enumerate(SMILES):
            exact = torch.tensor(Chem.GetDistanceMatrix(Chem.MolFromSmiles(smiles))[shift]).long()
            assert torch.equal(found[batch.ptr[number] : batch.ptr[number + 1]], exact.clamp(max=7))


def test_the_two_parts_of_a_ring(make: Make) -> None:
    """In a ring of 13 the parts have the same size around every atom: one more atom on each side and step."""
    batch = make(["C1CCCCCCCCCCCC1"])
    for seed in range(5):
        views = ContextPrediction(width=4, hops=3, inner=2, outer=4).draw(batch, torch.Generator().manual_seed(seed))
        assert views.neighbourhood.num_nodes == 7
        assert hops(views.neighbourhood, views.centres, limit=9).sort().values.tolist() == [0, 1, 1, 2, 2, 3, 3]
        assert views.context.num_nodes == 4
        assert views.context.num_edges == 4
        assert len(views.anchors) == 2


def test_all_parts_are_those_of_the_definition(make: Make) -> None:
    batch = make(SMILES)
    objective = ContextPrediction(width=4, hops=3, inner=1, outer=4)
    for seed in range(5):
        views = objective.draw(batch, torch.Generator().manual_seed(seed))
        distance = hops(batch, random_item(batch.ptr, torch.Generator().manual_seed(seed)), limit=9)
        assert views.pairs == views.neighbourhood.num_graphs == views.context.num_graphs == len(SMILES)
        assert torch.equal(views.neighbourhood.x, batch.x[distance <= 3])
        assert torch.equal(views.context.x, batch.x[(distance > 1) & (distance <= 4)])
        assert torch.equal(views.context.x[views.anchors], batch.x[(distance > 1) & (distance <= 3)])
        assert torch.equal(views.neighbourhood.x[views.centres], batch.x[distance == 0])
        assert torch.equal(views.neighbourhood.batch[views.centres], torch.arange(len(SMILES)))


def test_parts_share_the_anchors(corpus: MoleculeDataset) -> None:
    """The anchors are atoms of both parts: their features appear among those of the neighbourhood at 5 bonds."""
    batch = corpus.graphs(range(64))
    views = ContextPrediction(width=4).draw(batch, torch.Generator().manual_seed(0))
    distance = hops(views.neighbourhood, views.centres, limit=9)
    shared = views.neighbourhood.x[distance == 5]
    assert views.pairs > 32
    assert torch.equal(shared, views.context.x[views.anchors])
    assert torch.equal(views.neighbourhood.batch[distance == 5], views.context.batch[views.anchors])


def test_loss_one_molecule_at_a_time(corpus: MoleculeDataset) -> None:
    encoder = encoders.create("gin", layers=2, width=6)
    objective = ContextPrediction(width=6)
    views = objective.draw(corpus.graphs(range(12)), torch.Generator().manual_seed(0))
    nodes, outside = encoder(views.neighbourhood).nodes, objective.context(views.context).nodes
    assert views.partner is not None
    molecule = views.context.batch[views.anchors]
    contexts = [outside[views.anchors[molecule == i]].mean(0) for i in range(views.pairs)]
    right = torch.stack([nodes[centre] @ contexts[i] for i, centre in enumerate(views.centres.tolist())])
    wrong = torch.stack(
        [nodes[centre] @ contexts[int(views.partner[i])] for i, centre in enumerate(views.centres.tolist())]
    )
    expected = functional.binary_cross_entropy_with_logits(right, torch.ones_like(right))
    expected = expected + functional.binary_cross_entropy_with_logits(wrong, torch.zeros_like(wrong))
    torch.testing.assert_close(objective(encoder, views), expected)


def test_molecules_that_do_not_reach_far_enough_are_left_out(make: Make) -> None:
    objective = ContextPrediction(width=4)
    views = objective.draw(make(["C", "C" * 30, "CCO", "C" * 25]), torch.Generator().manual_seed(0))
    assert views.pairs == 2
    assert views.partner is not None
    assert views.partner.tolist() == [1, 0]


def test_a_batch_without_any_context_costs_nothing(make: Make) -> None:
    objective, encoder = ContextPrediction(width=4), encoders.create("gin", layers=2, width=4)
    views = objective.draw(make(["C", "CCO"]), torch.Generator().manual_seed(0))
    assert views.pairs == 0
    assert objective(encoder, views).item() == 0


def test_only_the_own_context_remains_for_a_single_molecule(make: Make) -> None:
    objective, encoder = ContextPrediction(width=4), encoders.create("gin", layers=2, width=4)
    views = objective.draw(make(["C" * 30, "CC"]), torch.Generator().manual_seed(0))
    centre = encoder(views.neighbourhood).nodes[views.centres[0]]
    context = objective.context(views.context).nodes[views.anchors].mean(0)
    torch.testing.assert_close(objective(encoder, views), functional.softplus(-(centre @ context)))
