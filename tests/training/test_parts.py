"""A corpus of several parts, each of which objectives learn from with a weight of their own."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from molweight import Job, datasets, fit
from molweight.datasets.internal import join_corpora
from molweight.diagnostics import hypergrad_check
from molweight.errors import ConfigError, OptionError
from molweight.graphs import MoleculeDataset
from molweight.mlo import LossFn
from molweight.models import Pretrainer
from molweight.training import generic_pretraining, search_weights
from molweight.training._adaptive import adaptive_pretraining
from molweight.training._batches import Batches, Corpus, part_batches
from molweight.training._sources import with_parts

SMALL = Job(
    encoder_options={"layers": 1, "width": 16},
    objectives=["attribute_masking", "functional_groups"],
    objective_options={"attribute_masking": {"rate": 0.3}},
    init="scratch",
    steps=4,
    epochs=1,
    batch_size=32,
    device="cpu",
    corpus_weights="part",
)


@pytest.fixture(scope="module")
def joined() -> MoleculeDataset:
    own = datasets.load("freesolv").subset(range(50))
    own.name = "own"
    return join_corpora([own, datasets.load_corpus("zinc", size=70)])


def test_every_objective_has_a_copy_for_each_part(joined: MoleculeDataset) -> None:
    job = with_parts(replace(SMALL, objectives=["attribute_masking", "graphcl:mine", "assay_labels"]), joined)
    assert job.objectives == ("attribute_masking:own", "attribute_masking:zinc", "graphcl:mine", "assay_labels")
    assert job.objective_options == {name: {"rate": 0.3} for name in job.objectives[:2]}
    assert with_parts(job, joined).objectives == job.objectives
    assert with_parts(replace(SMALL, corpus_weights="joint"), joined).objectives == SMALL.objectives
    with pytest.raises(OptionError, match="needs a corpus of several parts, but zinc has one"):
        with_parts(SMALL, datasets.load_corpus("zinc", size=70))


def test_copies_draw_from_their_part_and_share_the_batch(joined: MoleculeDataset) -> None:
    job = with_parts(SMALL, joined)
    model, prepared = generic_pretraining(job, joined, torch.device("cpu"))
    parts = part_batches(prepared, job.objectives, job.batch_size, seed=0)
    assert {name: part.size for name, part in parts.items()} == {"own": 16, "zinc": 16}
    assert set(parts["own"].indices) == set(range(50))
    source = Corpus(prepared, Batches(range(120), 32, np.random.default_rng(0)), None, torch.Generator(), parts)
    state = source.state_dict()
    first = {name: loss(dict(model.named_parameters())).item() for name, loss in source.losses(model).items()}
    later = source.state_dict()["parts"]["own"]["at"]
    source.load_state_dict(state)
    again = {name: loss(dict(model.named_parameters())).item() for name, loss in source.losses(model).items()}
    assert (later, first) == (16, again)


def test_the_curvature_has_molecules_of_its_own_from_each_part(joined: MoleculeDataset) -> None:
    data = datasets.load("freesolv").subset(range(100))
    small = replace(SMALL, solver="cg", solve_batch_size=8)
    job = with_parts(small, joined)
    model, prepared = generic_pretraining(job, joined, torch.device("cpu"))

    def source(job: Job) -> Corpus:
        roles = datasets.split(data, "random")
        return adaptive_pretraining(job, model, prepared, data, roles, device=torch.device("cpu")).corpus

    drawn = source(job)
    assert {name: part.size for name, part in drawn.solve_parts.items()} == {"own": 4, "zinc": 4}
    start = drawn.state_dict()
    first = {name: loss(dict(model.named_parameters())).item() for name, loss in _solved(drawn, model).items()}
    after = drawn.state_dict()
    assert [after["parts"][name]["at"] for name in ("own", "zinc")] == [0, 0]
    assert [after["solve_parts"][name]["at"] for name in ("own", "zinc")] == [4, 4]
    drawn.load_state_dict(start)
    again = {name: loss(dict(model.named_parameters())).item() for name, loss in _solved(drawn, model).items()}
    assert again == first
    drawn.load_state_dict({key: value for key, value in after.items() if key != "solve_parts"})  # of an earlier version
    assert not source(replace(job, solver="identity")).solve_parts


def _solved(corpus: Corpus, model: Pretrainer) -> Mapping[str, LossFn]:
    return corpus.losses(model, solve=True)


def test_a_weight_is_learned_for_each(joined: MoleculeDataset) -> None:
    data = datasets.load("freesolv")
    run = fit(SMALL, data, datasets.split(data, "scaffold"), joined)
    names = {f"{name}:{part}" for name in SMALL.objectives for part in ("own", "zinc")}
    assert set(run.weights) == names
    assert sum(run.weights.values()) == pytest.approx(1)


def test_copies_begin_with_the_head_of_the_checkpoint(joined: MoleculeDataset) -> None:
    job = replace(with_parts(replace(SMALL, objective_options={}), joined), init="gin_zinc", encoder_options={})
    shipped, _ = generic_pretraining(replace(job, objectives=["functional_groups"]), joined, torch.device("cpu"))
    model, _ = generic_pretraining(job, joined, torch.device("cpu"))
    theirs = dict(shipped.objective("functional_groups").named_parameters())
    for part in ("own", "zinc"):
        for name, parameter in model.objective(f"functional_groups:{part}").named_parameters():
            assert torch.equal(parameter, theirs[name])


PARTS = [f"{name}:{part}" for name in SMALL.objectives for part in ("own", "zinc")]


@pytest.mark.parametrize(
    ("weighting", "options"),
    [
        ("fixed", {"weights": {name: 0.1 * place for place, name in enumerate(PARTS, start=1)}}),
        ("fixed", {"weights": [0.1, 0.2, 0.3, 0.4]}),
        ("tapweight", {"prior": {name: 0.1 * place for place, name in enumerate(PARTS, start=1)}}),
    ],
)
def test_weights_may_be_given_for_each(joined: MoleculeDataset, weighting: str, options: dict[str, Any]) -> None:
    data = datasets.load("freesolv")
    job = replace(SMALL, weighting=weighting, weighting_options=options, steps=1, members=1)
    run = fit(job, data, datasets.split(data, "scaffold"), joined)
    assert run.records[0]["weights"] == pytest.approx(dict(zip(PARTS, [0.1, 0.2, 0.3, 0.4], strict=True)))


@pytest.mark.parametrize(
    ("weighting", "options", "message"),
    [
        ("fixed", {"weights": [0.5, 0.5]}, "got 2 weights for 4 objectives"),
        ("fixed", {"weights": dict.fromkeys(SMALL.objectives, 0.5)}, "a weight is given for 'attribute_masking'"),
        ("tapweight", {"floor": 0.3}, r"below 1/K = 0\.25"),
    ],
)
def test_weights_for_other_objectives_are_refused_before_training(
    joined: MoleculeDataset, monkeypatch: pytest.MonkeyPatch, weighting: str, options: dict[str, Any], message: str
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(sys.modules["molweight.training._fit"], "generic_pretraining", never)
    data = datasets.load("freesolv")
    job = replace(SMALL, weighting=weighting, weighting_options=options)
    with pytest.raises(ConfigError, match=message):
        fit(job, data, datasets.split(data, "scaffold"), joined)


def test_the_weights_of_a_run_with_parts_can_be_reused_and_searched(joined: MoleculeDataset, tmp_path: Path) -> None:
    data = datasets.load("freesolv").subset(range(100))
    splits, job = datasets.split(data, "random"), replace(SMALL, steps=1, members=1)
    run = fit(job, data, splits, joined)
    run.save(tmp_path / "run")
    job = replace(job, weights_from=str(tmp_path / "run"))
    assert fit(job, data, splits, joined).records[0]["weights"] == pytest.approx(run.weights)
    search = search_weights(job, data, splits, joined, method="random", trials=1)
    assert list(search.best.weights) == PARTS
    assert search.run.weights == pytest.approx(search.best.weights)


def test_hypergradients_are_checked_for_each(joined: MoleculeDataset) -> None:
    data = datasets.load("freesolv")
    job = replace(SMALL, encoder_options={"layers": 1, "width": 4}, solve_batch_size=8, pretrain_steps=1)
    roles, candidates = datasets.split(data), [("identity", dict[str, Any]())]
    found = hypergrad_check(
        job, data, roles, joined, points=[0], dampings=[100.0], candidates=candidates, limit=0, iterations=5
    )
    assert set(found.points[0].reference) == {f"{name}:{part}" for name in SMALL.objectives for part in ("own", "zinc")}
    assert len(set(found.points[0].reference.values())) == 4
    alone = datasets.load_corpus("zinc", size=70)
    with pytest.raises(OptionError, match="needs a corpus of several parts"):
        hypergrad_check(job, data, roles, alone, points=[0], dampings=[100.0], candidates=candidates)


def test_parts_of_one_name_are_numbered() -> None:
    names = ["near", "near", "near-2", "near"]
    parts = [datasets.from_smiles(["C" * (n + 1)], name=name, cache=False) for n, name in enumerate(names)]
    joined = join_corpora(parts)
    assert list(joined.columns) == ["part:near", "part:near-3", "part:near-2", "part:near-4"]
    assert [int(column[:, 0].argmax()) for column in joined.columns.values()] == [0, 1, 2, 3]
    assert all(column.sum() == 1 for column in joined.columns.values())
