"""Interrupted fits end bit-identical to uninterrupted ones, in the same process and after SIGKILL."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from molweight.datasets import Splits, load, load_corpus, split
from molweight.datasets.internal import join_corpora
from molweight.errors import ConfigError
from molweight.graphs import MoleculeDataset
from molweight.options import Job
from molweight.report.internal import format_evidence
from molweight.runs import Run
from molweight.training import Session, compare, fit, variant
from molweight.training.internal import stage_names


class Interrupter:
    """Sends this process SIGINT when the log comes to a certain line."""

    def __init__(self, stage: str, step: int, number: signal.Signals = signal.SIGINT) -> None:
        self.at, self.number = (stage, step), number
        self.seen: list[tuple[str, int]] = []

    def log(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        self.seen.append((stage, step))
        assert values
        if (stage, step) == self.at:
            os.kill(os.getpid(), self.number)


def _without_seconds(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in record.items() if key != "seconds"} for record in records]


def _assert_same(one: Run, two: Run) -> None:
    for first, second in ((one.model.state_dict(), two.model.state_dict()), (one.pretrained, two.pretrained)):
        assert first.keys() == second.keys()
        assert [name for name, tensor in first.items() if not torch.equal(tensor, second[name])] == []
    assert _without_seconds(one.records) == _without_seconds(two.records)
    assert one.finetuning == two.finetuning
    assert one.weights == two.weights


@pytest.fixture(scope="module")
def hard(job: Job) -> Job:
    """With warm starts, gradients on the task's molecules, a learned option, dropout and a stop by patience."""
    return variant(
        job,
        objectives=["attribute_masking", "graphcl"],
        solver="cg",
        align_on="both",
        learn=["graphcl.temperature"],
        hypergradient_interval=1,
        epochs=4,
        patience=3,
        encoder_options={"layers": 1, "width": 8, "dropout": 0.2},
    )


@pytest.fixture(scope="module")
def data() -> MoleculeDataset:
    return load("freesolv").subset(range(0, 642, 6))


@pytest.fixture(scope="module")
def splits(data: MoleculeDataset) -> Splits:
    return split(data, "random")


@pytest.fixture(scope="module")
def corpus() -> MoleculeDataset:
    return load_corpus("zinc", size=64)


@pytest.mark.usefixtures("empty_cache")
def test_interrupted_in_every_stage(
    hard: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset, tmp_path: Path
) -> None:
    states: Path = tmp_path / "states"
    seen: list[tuple[str, int]] = []
    for stage, step in (("generic", 2), ("adaptive", 3), ("finetune", 1)):
        follower = Interrupter(stage, step, signal.SIGTERM if stage == "adaptive" else signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            fit(hard, data, splits, corpus, session=Session(states, callbacks=[follower], seconds=0))
        seen += follower.seen
        assert [name for name in stage_names(hard) if (states / f"{name}.safetensors").exists()][-1] == stage
    run = fit(hard, data, splits, corpus, resume=states)
    shutil.rmtree(tmp_path / "cache" / "pretrained")
    expected = fit(hard, data, splits, corpus)
    _assert_same(run, expected)
    assert run.evaluate("test") == expected.evaluate("test")
    assert len(seen) == len(set(seen))  # nothing was done twice
    assert [path.name for path in states.glob("*.safetensors")] == ["finished.safetensors"]
    again = fit(hard, data, splits, corpus, resume=states)
    _assert_same(again, expected)
    assert again.seconds == run.seconds  # found, not fitted


@pytest.mark.parametrize(
    "changes",
    [{"task_level": "closed_form"}, {"corpus_weights": "part", "solver": "cg", "solve_batch_size": 8}],
    ids=["closed_form", "parts"],
)
def test_interrupted_while_weights_are_learned(
    job: Job, data: MoleculeDataset, splits: Splits, tmp_path: Path, changes: dict[str, Any]
) -> None:
    """With a head in closed form; with two parts of a corpus, each of which has positions for batches and curvature."""
    own = data.subset(splits.train)
    own.name = "own"
    corpus = join_corpora([own, load_corpus("zinc", size=64)])
    small = variant(
        job,
        objectives=["attribute_masking", "functional_groups"],
        encoder_options={"layers": 1, "width": 8},
        batch_size=16,
        epochs=1,
        members=1,
        **changes,
    )
    with pytest.raises(KeyboardInterrupt):
        fit(small, data, splits, corpus, session=Session(tmp_path, seconds=0, callbacks=[Interrupter("adaptive", 3)]))
    resumed, whole = fit(small, data, splits, corpus, resume=tmp_path), fit(small, data, splits, corpus)
    _assert_same(resumed, whole)
    assert len({str(record["hypergradient"]) for record in whole.records if "hypergradient" in record}) == 3


def test_a_stage_that_ends_when_the_evidence_is_in_ends_there_again(
    job: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset, tmp_path: Path
) -> None:
    """Interrupted when it has just been decided, it ends with the same step."""
    decided = variant(
        job,
        objectives=["functional_groups", "attribute_masking"],
        encoder_options={"layers": 1, "width": 8},
        init="scratch",
        steps=200,
        hypergradient_interval=1,
        epochs=1,
        stop_when_decided=True,
    )
    expected = fit(decided, data, splits, corpus)
    done = len(expected.records)
    assert 60 <= done < 200
    assert expected.records[-1]["ended"].startswith(f"ended after {done} of 200 steps")
    assert expected.records[-1]["ended"] in format_evidence(expected.records)
    with pytest.raises(KeyboardInterrupt):
        fit(decided, data, splits, corpus, session=Session(tmp_path, callbacks=[Interrupter("adaptive", done - 1)]))
    _assert_same(fit(decided, data, splits, corpus, resume=tmp_path), expected)
    assert variant(decided, weighting="equal").stop_when_decided is False


def test_states_of_another_job_are_refused(
    hard: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset, tmp_path: Path
) -> None:
    small = variant(hard, weighting="none", init="scratch", epochs=1)
    fit(small, data, splits, corpus, resume=tmp_path)
    with pytest.raises(ConfigError, match=r"options.epochs was 1 and is now 2.*Resume with the settings"):
        fit(variant(small, epochs=2), data, splits, corpus, resume=tmp_path)
    with pytest.raises(ConfigError, match="corpus"):
        fit(small, data, splits, corpus.subset(range(50)), resume=tmp_path)


def test_states_of_a_table_with_other_weights_bounds_or_columns_are_refused(
    job: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset, tmp_path: Path
) -> None:
    small = variant(job, weighting="none", init="scratch", epochs=1)
    for name, kind in (("label_weight", np.float32), ("label_bounds", np.int8), ("column:pH", np.float32)):
        column = (np.arange(len(data))[:, None] % 2).astype(kind)
        one, other = (data.with_columns({name: values}) for values in (column, 1 - column))
        run = fit(small, one, splits, corpus, resume=tmp_path / name)
        _assert_same(fit(small, one, splits, corpus, resume=tmp_path / name), run)
        for changed in (other, data):
            with pytest.raises(ConfigError, match=r"data\.sha256"):
                fit(small, changed, splits, corpus, resume=tmp_path / name)


DEEP = ("scratch", "equal")
"""Baselines that are trained, so that they can be interrupted."""


def test_a_comparison_goes_on_with_the_method_it_was_at(
    hard: Job, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset, tmp_path: Path
) -> None:
    small = variant(hard, steps=2, epochs=2)
    with pytest.raises(KeyboardInterrupt):
        compare(
            small, data, splits, corpus, baselines=DEEP, resume=tmp_path, callbacks=[Interrupter("equal/finetune", 1)]
        )
    follower = Interrupter("nowhere", 0)
    resumed = compare(small, data, splits, corpus, baselines=DEEP, resume=tmp_path, callbacks=[follower])
    assert {stage for stage, _ in follower.seen} == {"equal/finetune", "tapweight/adaptive", "tapweight/finetune"}
    assert [row.method for row in resumed.rows] == ["scratch", "equal", "tapweight"]
    _assert_same(resumed.run, fit(small, data, splits, corpus))


def test_killed_at_random_moments(root: Path, job: Job, tmp_path: Path) -> None:
    output = tmp_path / "kills.json"
    command = [sys.executable, "-m", "experiments.stress.kill_resume", "--kills", "2", "--output", str(output)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("2 killed")
    stages = json.loads(output.read_text())["result"]["stage_when_killed"]
    assert sum(stages.values()) == 2
    assert set(stages) <= {"before the first state", *stage_names(job), "finished"}
