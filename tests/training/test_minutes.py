"""A limit of time: what each stage cuts, and that it says so."""

import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from molweight.datasets import Splits, split
from molweight.ensemble import Ensemble
from molweight.errors import OptionError
from molweight.graphs import MoleculeDataset
from molweight.options import Job
from molweight.training import Callback, Session, compare, fit

SHORT = 1e-6
"""Minutes: less than anything takes."""


@pytest.fixture(scope="module")
def table(data: MoleculeDataset) -> MoleculeDataset:
    return data.subset(range(90))


@pytest.fixture(scope="module")
def roles(table: MoleculeDataset) -> Splits:
    return split(table, "random")


@pytest.fixture(scope="module")
def many(job: Job) -> Job:
    """More of everything than a millisecond allows."""
    options: dict[str, Any] = {"steps": 50, "epochs": 60, "patience": 60, "weighting": "equal"}
    return replace(job, **options, features=("descriptors",), partners=("linear",), hidden=16)


class Stopped(Exception):  # noqa: N818 - it ends the work from outside
    """What stops a fit."""


class StopAfter(Callback):
    """Stops a fit when a stage has done something: by default, when the first member is finished."""

    def __init__(self, stage: str = "member-1", step: int = 0) -> None:
        self.stage, self.step = stage, step

    def log(self, stage: str, step: int, record: Any) -> None:
        if stage == self.stage and step >= self.step:
            raise Stopped


class Follower(Callback):
    """What was done."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []

    def log(self, stage: str, step: int, record: Any) -> None:
        self.seen.append((stage, step))


@pytest.mark.usefixtures("empty_cache")
def test_every_stage_is_cut_and_says_so(
    many: Job, table: MoleculeDataset, roles: Splits, corpus: MoleculeDataset, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        run = fit(replace(many, minutes=SHORT), table, roles, corpus)
    assert len(run.records) == 1
    assert run.finetuning.curve[2:] == []  # the start, and one epoch
    said = [message for message in caplog.messages if "time limit" in message]
    assert said == [
        "pretraining: only 1 of 4 steps, because of the time limit",
        "pretraining: only 1 of 50 steps, because of the time limit",
        "finetuning: only 1 of 60 epochs, because of the time limit",
    ]


def test_members_have_fewer_epochs_all_the_same_number(
    many: Job, table: MoleculeDataset, roles: Splits, corpus: MoleculeDataset, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        run = fit(replace(many, members=3, minutes=SHORT), table, roles, corpus)
    assert isinstance(run.model, Ensemble)
    assert len(run.model.members) == 3
    assert "finetuning: only 1 of 60 epochs per member, because of the time limit" in caplog.messages
    caplog.clear()
    fit(replace(many, members=2, epochs=1, minutes=SHORT), table, roles, corpus)
    assert not [message for message in caplog.messages if message.startswith("finetuning")]  # all of it was done


def test_a_member_that_was_kept_sets_the_epochs_of_the_others(
    many: Job, table: MoleculeDataset, roles: Splits, corpus: MoleculeDataset, tmp_path: Path
) -> None:
    job, follower = replace(many, members=2, minutes=1000.0, epochs=2), Follower()
    with pytest.raises(Stopped):
        fit(job, table, roles, corpus, resume=tmp_path, callbacks=[StopAfter()])
    run = fit(job, table, roles, corpus, resume=tmp_path, callbacks=[follower])
    assert [step for stage, step in follower.seen if stage == "member-2"] == [1, 2]
    assert np.isfinite(run.predict(["CCO"])).all()


@pytest.mark.usefixtures("empty_cache")
def test_pretraining_that_a_limit_ended_is_not_continued_after_an_interruption(
    many: Job, table: MoleculeDataset, roles: Splits, corpus: MoleculeDataset, tmp_path: Path
) -> None:
    """Its encoder is that of the members that are finished, however much time there is when the others are trained."""
    job, spent, follower = replace(many, members=2, partners=()), time.monotonic(), Follower()
    expected = fit(job, table, roles, corpus, session=Session(deadline=spent))
    first = Session(tmp_path / "states", callbacks=[StopAfter()], deadline=spent)
    with pytest.raises(Stopped):
        fit(job, table, roles, corpus, session=first)
    fit(replace(job, members=1, weighting="none", epochs=0), table, roles, corpus)  # whose encoder is now in the cache
    later = Session(tmp_path / "states", callbacks=[follower], deadline=time.monotonic() + 1000)
    run = fit(job, table, roles, corpus, session=later)
    assert follower.seen == [("member-2", 1)]
    for one, two in ((run.pretrained, expected.pretrained), (run.model.state_dict(), expected.model.state_dict())):
        assert [name for name, tensor in one.items() if not torch.equal(tensor, two[name])] == []
    assert [path.name for path in (tmp_path / "states").glob("*.safetensors")] == ["finished.safetensors"]


class LateClock(Callback):
    """A clock that a finetuning advances by 100 s per epoch, until it is stopped after an epoch."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, last: int) -> None:
        self.ahead, self.last, self.epochs, clock = 0.0, last, list[int](), time.monotonic
        monkeypatch.setattr(time, "monotonic", lambda: clock() + self.ahead)

    def log(self, stage: str, step: int, record: Any) -> None:
        if stage == "finetune" and step:
            self.epochs.append(step)
            self.ahead += 100
            if step == self.last:
                raise Stopped


def test_the_limit_of_a_finetuning_includes_its_time_before_an_interruption(
    many: Job, table: MoleculeDataset, roles: Splits, corpus: MoleculeDataset, tmp_path: Path
) -> None:
    job = replace(many, members=1, init="scratch", weighting="none", minutes=10.0)  # 510 s for finetuning
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
        fit(job, table, roles, corpus, resume=tmp_path, callbacks=[LateClock(patch, last=4)])
    with pytest.MonkeyPatch.context() as patch:
        clock = LateClock(patch, last=50)
        fit(job, table, roles, corpus, resume=tmp_path, callbacks=[clock])
    assert clock.epochs == [4, 5, 6]  # the state is that after the third epoch


def test_a_finetuning_that_a_limit_ended_is_not_continued_after_an_interruption(
    many: Job, table: MoleculeDataset, roles: Splits, corpus: MoleculeDataset, tmp_path: Path
) -> None:
    job, follower = replace(many, members=1, init="scratch", weighting="none"), Follower()
    now, stop = time.monotonic(), StopAfter("finetune", step=1)
    with pytest.raises(Stopped):
        fit(job, table, roles, corpus, session=Session(tmp_path, callbacks=[stop], deadline=now, seconds=0.0))
    later = Session(tmp_path, callbacks=[follower], deadline=now + 1000)
    fit(job, table, roles, corpus, session=later)
    assert follower.seen == [("finetune", 1)]


@pytest.mark.usefixtures("empty_cache")
def test_methods_share_an_encoder_that_was_stopped_after_an_interruption(
    many: Job, table: MoleculeDataset, roles: Splits, corpus: MoleculeDataset, tmp_path: Path
) -> None:
    job, follower = replace(many, members=1, minutes=SHORT), Follower()
    with pytest.raises(Stopped):
        compare(job, table, roles, corpus, baselines=[], resume=tmp_path, callbacks=[StopAfter("equal/finetune")])
    compare(job, table, roles, corpus, baselines=[], resume=tmp_path, callbacks=[follower])
    assert {stage for stage, _ in follower.seen} == {"equal/finetune"}


def test_a_limit_that_is_not_reached_changes_nothing(
    many: Job, table: MoleculeDataset, roles: Splits, corpus: MoleculeDataset
) -> None:
    job = replace(many, members=2, steps=2, epochs=2)
    one, two = (fit(replace(job, minutes=minutes), table, roles, corpus) for minutes in (None, 1000.0))
    np.testing.assert_array_equal(one.predict(["CCO", "c1ccccc1"]), two.predict(["CCO", "c1ccccc1"]))


def test_methods_of_a_comparison_share_the_time(
    many: Job, table: MoleculeDataset, roles: Splits, corpus: MoleculeDataset
) -> None:
    found = compare(replace(many, minutes=SHORT), table, roles, corpus, baselines=["scratch"])
    assert [row.method for row in found.rows] == ["scratch", "equal"]
    assert len(found.run.records) == 1


@pytest.mark.usefixtures("empty_cache")
def test_generic_pretraining_that_was_stopped_is_shared_by_the_methods(
    many: Job, table: MoleculeDataset, roles: Splits, corpus: MoleculeDataset, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        compare(replace(many, minutes=SHORT), table, roles, corpus, baselines=["pretrained"])
    assert caplog.messages.count("pretraining: only 1 of 4 steps, because of the time limit") == 1


def test_no_time_at_all_is_refused() -> None:
    with pytest.raises(OptionError, match="minutes"):
        Job(minutes=0)
