"""Gradients that enter the hypergradient, on the molecules of the task."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from molweight.datasets import Splits
from molweight.errors import OptionError
from molweight.graphs import MoleculeDataset
from molweight.options import Job
from molweight.training import generic_pretraining, variant
from molweight.training._adaptive import adaptive_pretraining
from molweight.training._pretrain import take_step
from molweight.training._resolve import check_job

NAMES = ["descriptors", "functional_groups", "attribute_masking"]


@pytest.fixture(scope="module")
def small(job: Job) -> Job:
    options: dict[str, Any] = {"objectives": NAMES, "init": "scratch", "steps": 4, "epochs": 1}
    return replace(job, **options, encoder_options={"layers": 1, "width": 8}, align_on="own")


def _setup(job: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset) -> Any:
    model, prepared = generic_pretraining(job, corpus, torch.device("cpu"))
    return adaptive_pretraining(job, model, prepared, data, splits, device=torch.device("cpu"))


@pytest.mark.parametrize("weighting", ["tapweight", "alignment", "bilevel"])
def test_level_one_is_the_same_and_the_hypergradient_is_another(
    small: Job, weighting: str, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset
) -> None:
    """The first step: before the weights differ."""
    seen = {}
    for where in ("corpus", "own", "both"):
        job = replace(small, weighting=weighting, align_on=where, hypergradient_interval=1)
        setup = _setup(job, data, splits, corpus)
        record = take_step(setup.model, setup.corpus, setup.loop, setup.task)
        moved = torch.cat([tensor.detach().flatten() for tensor in setup.loop.pretrained.values()])
        measured = setup.loop.weighting.rule._sum  # centred, with the weight of a first gradient
        seen[where] = (record.losses, moved, measured)
    for one, two in (("corpus", "own"), ("corpus", "both")):
        assert torch.equal(seen[one][0], seen[two][0])
        assert torch.equal(seen[one][1], seen[two][1])
        assert not torch.allclose(seen[one][2], seen[two][2], rtol=1e-2)
    torch.testing.assert_close(seen["both"][2], (seen["corpus"][2] + seen["own"][2]) / 2, rtol=1e-4, atol=1e-7)


def test_the_molecules_are_those_of_train_for_objectives_without_tables(
    small: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset
) -> None:
    own = _setup(small, data, splits, corpus).corpus.own
    assert own.data.smiles == data.subset(splits.train).smiles
    assert own.names == NAMES
    assert _setup(replace(small, align_on="corpus"), data, splits, corpus).corpus.own is None
    labels = replace(small, objectives=[*NAMES, "assay_labels"])
    assert _setup(labels, data, splits, corpus).corpus.own.names == NAMES
    with pytest.raises(OptionError, match="align_on='own' finds no objective that can learn from the task"):
        _setup(replace(small, objectives=["assay_labels"]), data, splits, corpus)


def test_it_is_refused_where_there_is_nothing_to_align(small: Job) -> None:
    for name in ("equal", "pcgrad"):
        with pytest.raises(
            OptionError, match=f"compares gradients with the task's, which weighting='{name}' does not use"
        ):
            check_job(replace(small, weighting=name))
        assert variant(small, weighting=name).align_on == "corpus"
    with pytest.raises(OptionError, match="same molecules, but corpus_weights='part' weights the molecules of each"):
        check_job(replace(small, corpus_weights="part"))
    check_job(replace(small, weighting="alignment"))


def test_molecules_for_products_are_drawn_only_if_there_are_products(
    small: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset
) -> None:
    cases: list[tuple[bool, dict[str, Any]]] = [
        (True, {"solver": "cg"}),
        (True, {"solver": "cg", "weighting": "bilevel"}),
        (False, {"solver": "identity"}),
        (False, {"solver": "sama"}),
        (False, {"solver": "cg", "weighting": "alignment"}),
    ]
    for drawn, changes in cases:
        setup = _setup(replace(small, **changes), data, splits, corpus)
        assert (setup.corpus.solve_batches is not None) is drawn
