"""A limit of time: what each stage cuts, and that it says so."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from molweight.datasets import Splits, split
from molweight.ensemble import Ensemble
from molweight.errors import OptionError
from molweight.graphs import MoleculeDataset
from molweight.options import Job
from molweight.training import Callback, compare, fit

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
    """Stops a fit when the first member is finished."""

    def log(self, stage: str, step: int, record: Any) -> None:
        if stage == "member-1":
            raise Stopped


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
    job = replace(many, members=2, minutes=1000.0, epochs=2)
    epochs: list[tuple[str, int]] = []

    class Counted(Callback):
        def log(self, stage: str, step: int, record: Any) -> None:
            epochs.append((stage, step))

    with pytest.raises(Stopped):
        fit(job, table, roles, corpus, resume=tmp_path, callbacks=[StopAfter()])
    run = fit(job, table, roles, corpus, resume=tmp_path, callbacks=[Counted()])
    assert [step for stage, step in epochs if stage == "member-2"] == [1, 2]
    assert np.isfinite(run.predict(["CCO"])).all()


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
