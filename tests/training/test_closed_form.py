"""Adaptive pretraining with a task head in closed form, on real molecules."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from molweight import datasets
from molweight.datasets import Splits, from_smiles
from molweight.errors import ConfigError, OptionError, TrainingError
from molweight.graphs import MoleculeDataset
from molweight.mlo import ClosedFormGraph, HeadLoss
from molweight.models import Predictor
from molweight.options import Job
from molweight.training import fit, generic_pretraining
from molweight.training._adaptive import AdaptivePretraining, adaptive_pretraining
from molweight.training._resolve import check_job

SMALL = Job(
    encoder_options={"layers": 1, "width": 8},
    objectives=["attribute_masking", "functional_groups"],
    init="scratch",
    task_level="closed_form",
    hypergradient_interval=2,
    steps=4,
    epochs=1,
    batch_size=16,
    members=1,
)


def _setup(job: Job, data: MoleculeDataset, splits: Splits) -> AdaptivePretraining:
    cpu = torch.device("cpu")
    model, corpus = generic_pretraining(job, datasets.load_corpus("zinc", size=32), cpu)
    return adaptive_pretraining(job, model, corpus, data, splits, device=cpu)


def test_it_trains_like_any_run() -> None:
    data = datasets.load("freesolv").subset(range(120))
    run = fit(SMALL, data, datasets.split(data, "random"), datasets.load_corpus("zinc", size=32))
    taken = [record["step"] for record in run.records if "hypergradient" in record]
    assert taken == [1, 3]
    assert all(("train_loss" in record) == ("hypergradient" in record) for record in run.records)
    assert np.isfinite(list(run.weights.values())).all()


@pytest.mark.parametrize("level", ["closed_form", "proximal"])
def test_a_diverged_encoder_ends_as_with_a_trained_head(level: str) -> None:
    data = datasets.load("freesolv").subset(range(80))
    job = replace(SMALL, task_level=level, pretrain_lr=1e30, hypergradient_interval=1, steps=8)
    with pytest.raises(TrainingError, match=r"'attribute_masking': its loss is \w+ at step \d\. Lower pretrain_lr"):
        fit(job, data, datasets.split(data, "random"), datasets.load_corpus("zinc", size=32))


def test_all_of_train_and_meta_are_read_each_time() -> None:
    data = datasets.load("freesolv")
    splits = datasets.split(data)
    setup = _setup(SMALL, data, splits)
    train, meta = (setup.task.loss(part, dropout=True) for part in (setup.task.train, setup.task.meta))
    assert isinstance(setup.loop.graph, ClosedFormGraph)
    assert isinstance(train, HeadLoss)
    assert isinstance(meta, HeadLoss)
    assert (len(train.labels.labels), len(meta.labels.labels)) == (len(splits.train), len(splits.meta))
    assert len(train.vectors) == 2  # parts of at most 256 molecules


@pytest.mark.parametrize("kind", ["regression", "classification", "classification,regression"])
def test_the_loss_is_the_one_of_the_model(kind: str) -> None:
    """Missing labels, bounds and weights of rows included."""
    smiles = ["C" * n + end for n in range(1, 11) for end in ("O", "N", "=O", "Cl")]
    rng = np.random.default_rng(0)
    numbers, classes = rng.normal(2, 3, size=(40, 2)), (rng.random((40, 2)) > 0.5).astype(float)
    labels = {"regression": numbers, "classification": classes}.get(kind, np.stack([classes[:, 0], numbers[:, 1]], 1))
    labels[rng.random(labels.shape) < 0.2] = np.nan
    data = from_smiles(smiles, labels, task=kind, cache=False)
    data = data.with_columns({"label_weight": rng.random((40, 2)).astype(np.float32)})
    splits = datasets.split(data, "random")
    setup = _setup(SMALL, data, splits)
    model = setup.task.model
    assert isinstance(model, Predictor)
    found = setup.task.loss(setup.task.train, dropout=False)(dict(model.named_parameters()))
    expected = model.bound_loss(data.graphs(splits.train, torch.device("cpu")), None)(dict(model.named_parameters()))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_it_has_no_place_in_two_levels_or_with_classes_of_one_column() -> None:
    with pytest.raises(OptionError, match="task_level='closed_form' does not apply to weighting='bilevel'"):
        check_job(replace(SMALL, weighting="bilevel"))
    with pytest.raises(ConfigError, match="task_level"):
        Job(task_level="other")
    check_job(replace(SMALL, proximal_strength=0.0))  # which it does not use
