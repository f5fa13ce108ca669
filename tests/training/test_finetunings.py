"""Several finetune_restarts of one encoder: the best on select is kept, and finished ones are not repeated."""

import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from molweight.datasets import Splits, from_smiles, split
from molweight.errors import ConfigError
from molweight.graphs import MoleculeDataset
from molweight.options import Job
from molweight.runs import Run
from molweight.runs.internal import Finetuning
from molweight.training import Session, fit, variant
from molweight.training._resolve import check_job, warn_idle
from molweight.training._restarts import argbest, restart_seed


class Follower:
    """Keeps the metric on select after each epoch of each finetuning, and may interrupt one."""

    def __init__(self, stop: tuple[str, int] = ("", 0)) -> None:
        self.curves: dict[str, list[float]] = {}
        self.stop = stop

    def log(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        if stage.startswith("finetune"):
            self.curves.setdefault(stage, []).append(values["select"])
        if (stage, step) == self.stop:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def several(job: Job) -> Job:
    return variant(
        job, finetune_restarts=3, weighting="none", encoder_options={"layers": 1, "width": 8, "dropout": 0.2}
    )


@pytest.fixture(scope="module")
def uninterrupted(
    several: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset
) -> tuple[Run, dict[str, list[float]]]:
    """The run that nothing interrupts, and its curves."""
    follower = Follower()
    return fit(several, data, splits, corpus, callbacks=[follower]), follower.curves


def test_the_best_on_select_is_kept(uninterrupted: tuple[Run, dict[str, list[float]]]) -> None:
    run, curves = uninterrupted
    assert list(curves) == ["finetune", "finetune-2", "finetune-3"]
    bests = [min(curve) for curve in curves.values()]
    assert run.finetuning.tried == bests
    assert len(set(bests)) == len(bests)
    assert run.finetuning.best == min(bests)
    assert run.finetuning.curve == list(curves.values())[bests.index(min(bests))]
    assert run.evaluate("select").value == pytest.approx(run.finetuning.best)


def test_each_is_the_finetuning_of_a_job_of_its_own(
    several: Job,
    data: MoleculeDataset,
    splits: Splits,
    corpus: MoleculeDataset,
    uninterrupted: tuple[Run, dict[str, list[float]]],
) -> None:
    shared = variant(several, finetune_restarts=1, pretrain_seed=several.seed)
    alone = [fit(restart_seed(shared, number), data, splits, corpus).finetuning.curve for number in (1, 2, 3)]
    assert list(uninterrupted[1].values()) == alone


def _same(one: Run, two: Run) -> bool:
    tensors = two.model.state_dict()
    same = all(torch.equal(tensor, tensors[name]) for name, tensor in one.model.state_dict().items())
    return same and one.finetuning == two.finetuning


@pytest.mark.parametrize("at", [("finetune", 1), ("finetune-2", 2), ("finetune-3", 0), ("finetune-3", 3)])
@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_an_interruption_changes_nothing(
    work: tuple[Job, MoleculeDataset, Splits, MoleculeDataset],
    uninterrupted: tuple[Run, dict[str, list[float]]],
    tmp_path: Path,
    at: tuple[str, int],
    seconds: float,
) -> None:
    first, second = Follower(at), Follower()
    with pytest.raises(KeyboardInterrupt):
        fit(*work, session=Session(tmp_path, callbacks=[first], seconds=seconds))
    run = fit(*work, session=Session(tmp_path, callbacks=[second], seconds=seconds))
    assert _same(run, uninterrupted[0])
    done = [name for name in first.curves if name != at[0]]
    assert not set(done) & set(second.curves)  # what was finished is not repeated
    assert [path.name for path in tmp_path.glob("*.safetensors")] == ["finished.safetensors"]


@pytest.fixture
def work(
    several: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset
) -> tuple[Job, MoleculeDataset, Splits, MoleculeDataset]:
    return several, data, splits, corpus


def test_one_that_cannot_be_scored_is_kept_only_if_there_is_no_other() -> None:
    nothing, worse, better = (Finetuning("rmse", best=best) for best in (float("nan"), 2.0, 1.0))
    assert argbest([nothing, worse, better]) == 2
    assert argbest([nothing, Finetuning("rmse")]) == 0
    low, high = (Finetuning("roc_auc", best=best) for best in (0.5, 0.9))
    assert argbest([high, low]) == argbest([high, high]) == 0


def test_a_run_says_that_it_is_the_best_of_several(
    several: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset, tmp_path: Path
) -> None:
    run = fit(variant(several, finetune_restarts=2), data, splits, corpus)
    run.save(tmp_path)
    assert "the best of 2 finetunings" in (tmp_path / "README.md").read_text(encoding="utf-8")
    page = run.report(tmp_path / "report.html").read_text(encoding="utf-8")
    assert "The best of 2 finetunings of the encoder is kept" in page


def test_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="finetune_restarts=0 must be at least 1"):
        Job(finetune_restarts=0)


def test_the_epoch_does_not_depend_on_the_units_of_an_endpoint(data: MoleculeDataset) -> None:
    numbers = data.targets[:80, 0].astype(float)
    curves = []
    for factor in (1.0, 1e4):
        labels = np.stack([numbers, factor * np.roll(numbers, 1)], axis=1)
        table = from_smiles(data.smiles[:80], labels, target_names=["a", "b"], task="regression", cache=False)
        job = Job(encoder_options={"layers": 1, "width": 8}, init="scratch", weighting="none", epochs=4, device="cpu")
        curves.append(fit(job, table, split(table, "random"), table).finetuning.curve)
    assert len(curves[0]) > 1
    assert curves[0] == pytest.approx(curves[1], rel=1e-4)


@pytest.mark.parametrize(("frozen", "stays"), [(1, False), (5, True)])
def test_the_head_is_trained_before_the_encoder(
    frozen: int, stays: bool, several: Job, data: MoleculeDataset, corpus: MoleculeDataset
) -> None:
    job = variant(several, freeze_epochs=frozen, epochs=5, finetune_restarts=1)
    run = fit(job, data, split(data, "random"), corpus)
    ended = dict(run.model.named_parameters())
    assert run.finetuning.best_epoch > 1, "the head was trained, and so was the encoder where it could be"
    parameters = [name for name in ended if name.startswith("encoder.")]
    assert all(ended[name].equal(run.pretrained[name]) for name in parameters) == stays


def test_an_ensemble_says_which_options_it_does_not_have(job: Job, caplog: pytest.LogCaptureFixture) -> None:
    warn_idle(replace(job, finetune_restarts=3, patience=2))
    warn_idle(replace(job, members=2))
    assert not caplog.text
    warn_idle(replace(job, members=2, finetune_restarts=3, patience=2))
    assert "finetune_restarts=3, patience=2: no effect" in caplog.text


def test_options_of_pretraining_that_a_checkpoint_does_not_use_are_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked: dict[str, Any] = {"pretrain_steps": 5000, "pretrain_seed": 3}
    for job in (Job(), Job(init="gin_zinc"), Job(init="scratch", **asked), Job(**asked)):
        warn_idle(check_job(replace(job, device="cpu")))
    assert not caplog.text
    warn_idle(check_job(Job(init="gin_zinc", device="cpu", **asked)))
    assert (
        "pretrain_steps=5000, pretrain_seed=3: no effect, because generic pretraining is replaced by init='gin_zinc'. "
        "To pretrain an encoder of your own: init='pretrain'" in caplog.text
    )


@pytest.mark.parametrize(
    ("changes", "idle"),
    [
        ({"weighting": "none"}, True),
        ({"weighting": "equal"}, True),
        ({"steps": 0}, True),
        ({"weighting": "tapweight"}, False),
        ({"weighting": "alignment"}, False),
        ({"weighting": "tapweight", "task_level": "closed_form"}, True),
        ({"weighting": "none", "members": 1}, False),
    ],
)
def test_a_learning_rate_that_nothing_uses_is_reported(
    changes: dict[str, Any], idle: bool, job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    changes = {"members": 2, "task_batch_size": 64, **changes}
    warn_idle(replace(job, **changes))
    assert not caplog.text
    warn_idle(replace(job, **{**changes, "finetune_lr": 0.02, "task_batch_size": 16}))
    said = "finetune_lr=0.02, task_batch_size=16: no effect, because members of an ensemble have their own"
    assert (said in caplog.text) == idle
    assert ("For a single model: members=1" in caplog.text) == idle
