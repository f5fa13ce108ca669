"""What goes wrong in a run is named when it shows, in the history, and in the run that comes out."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from molweight.datasets import Splits
from molweight.errors import ConfigError, TrainingError
from molweight.graphs import MoleculeDataset
from molweight.mlo import Record
from molweight.objectives import FunctionalGroups
from molweight.options import Job
from molweight.runs import load as load_run
from molweight.training import fit, generic_pretraining, variant
from molweight.training._pretrain import HealthLogger, check_losses

NAMES = ("one", "two")


def _record(step: int = 0, **fields: Any) -> Record:
    values = {"losses": torch.ones(2), "weights": torch.full((2,), 0.5), "norms": torch.ones(2)} | fields
    return Record(step=step, names=NAMES, **values)


def test_a_finding_is_logged_once_when_it_first_shows(caplog: pytest.LogCaptureFixture) -> None:
    watch = HealthLogger(NAMES, "pretraining")
    assert watch.report() == []
    watch.observe(_record())
    assert watch.report() == []
    for _ in range(2):
        watch.observe(_record(norms=torch.tensor([1.0, 0.0])))
        watch.report()
    watch.observe(_record(weights=torch.tensor([0.99, 0.01])))
    assert [finding.key for finding in watch.report()] == ["saturated: one"]
    assert [record.message.split(" in ")[0] for record in caplog.records] == [
        "pretraining, step 2: objective 'two' gave the encoder no gradient",
        "pretraining, step 4: objective 'one' held over 95% of the weight",
    ]


def test_an_objective_that_does_not_reach_the_encoder_is_named_in_generic_pretraining(
    job: Job,
    corpus: MoleculeDataset,
    empty_cache: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    del empty_cache
    monkeypatch.setattr(FunctionalGroups, "loss", lambda self, encoder, views: self.head.bias.square().sum())
    job = variant(job, objectives=["attribute_masking", "functional_groups"], init="pretrain", pretrain_steps=3)
    with caplog.at_level(logging.WARNING):
        generic_pretraining(job, corpus, torch.device("cpu"))
    assert "objective 'functional_groups' gave the encoder no gradient" in caplog.text
    assert "objective 'attribute_masking' gave" not in caplog.text


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_refused_before_the_first_step(value: float) -> None:
    model = torch.nn.Linear(2, 1)
    with pytest.raises(ConfigError, match=f"objective 'bad': its loss is {value} before the first step"):
        check_losses({"bad": lambda p: p["weight"].sum() * 0 + value}, model)
    check_losses({"good": lambda p: p["weight"].sum()}, model)


@pytest.fixture
def broken(job: Job) -> Job:
    """Its weights saturate at once, long before its end."""
    quick = variant(job, objectives=["attribute_masking", "graphcl"], steps=50, epochs=0, init="scratch")
    return variant(quick, weighting="fixed", weighting_options={"weights": [1, 0]})


def test_a_run_names_its_findings_while_it_goes_on_and_keeps_them(
    broken: Job, data: MoleculeDataset, splits: Splits, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        run = fit(broken, data, splits)
    assert "step 20: objective 'attribute_masking' held over 95% of the weight in 100% of 20 steps" in caplog.text
    named = run.history["findings"].dropna()
    assert named.index.tolist() == [19]
    assert "saturated: attribute_masking" in named[19]
    found = {finding.key: finding for finding in run.findings}
    assert "in 100% of 50 steps" in found["saturated: attribute_masking"].message
    run.save(tmp_path)
    loaded = load_run(tmp_path, device="cpu")
    assert [finding.key for finding in loaded.findings] == [finding.key for finding in run.findings]


def test_findings_are_named_where_training_is_given_up(
    broken: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(TrainingError, match=r"objective '\w+': its loss is (nan|inf) at step"),
    ):
        fit(variant(broken, pretrain_lr=1e30), data, splits, corpus)
    assert "had a loss or gradient that is not finite" in caplog.text
    assert "objective 'attribute_masking' held over 95% of the weight" in caplog.text
