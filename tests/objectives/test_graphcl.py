"""GraphCL: one projection per view, statistics per view."""

import torch

from molweight import encoders
from molweight.graphs import MoleculeDataset
from molweight.objectives import GraphCL
from molweight.objectives.building_blocks import nt_xent


def test_views_are_encoded_one_by_one(corpus: MoleculeDataset) -> None:
    encoder = encoders.create("gin", layers=2, width=8)
    objective = GraphCL(width=8, temperature=0.3)
    views = objective.draw(corpus.graphs(range(8)), torch.Generator().manual_seed(0))
    first, second = (objective.head(encoder(view).graphs) for view in (views.first, views.second))
    torch.testing.assert_close(objective(encoder, views), nt_xent(first, second, 0.3))


def test_the_views_differ(corpus: MoleculeDataset) -> None:
    views = GraphCL(width=8).draw(corpus.graphs(range(8)), torch.Generator().manual_seed(0))
    assert views.first.num_graphs == views.second.num_graphs == 8
    assert not torch.equal(views.first.ptr, views.second.ptr)
    assert views.seeds[0] != views.seeds[1]
