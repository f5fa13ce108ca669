"""Frozen probes of auxiliary tables."""

import numpy as np
import pytest

from molweight import Job, datasets
from molweight.cli import main
from molweight.datasets import Splits
from molweight.errors import ConfigError
from molweight.estimators import MoleculeEmbedder
from molweight.graphs import Featuriser, MoleculeDataset
from molweight.training import _advise
from molweight.training.internal import advise


@pytest.fixture(scope="module")
def task() -> MoleculeDataset:
    return datasets.load("lipophilicity").subset(range(80))


@pytest.fixture(scope="module")
def splits(task: MoleculeDataset) -> Splits:
    return datasets.split(task, "random")


def named(table: MoleculeDataset, name: str, labels: np.ndarray) -> MoleculeDataset:
    return MoleculeDataset(
        table.molecules, labels.astype(np.float32), name=name, task="regression", target_names=[name]
    )


def test_labels_of_the_task_on_other_molecules_help_and_noise_does_not() -> None:
    others = datasets.load("lipophilicity").subset(range(150, 900))
    noise = np.random.default_rng(0).permutation(others.targets)
    task = datasets.load("lipophilicity").subset(range(150))
    splits = datasets.split(task, "random")
    found = advise(task, splits, [named(others, "noise", noise), named(others, "oracle", others.targets)])
    assert [item.use.name for item in found] == ["oracle", "noise"]
    assert found[0].verdict == "helps"
    assert found[1].verdict != "helps"


def test_the_test_role_and_its_labels_are_not_touched(task: MoleculeDataset, splits: Splits) -> None:
    spoiled = task.subset(range(len(task)))
    spoiled.targets[splits.test] = np.nan
    sources = ["esol"]
    assert advise(task, splits, sources) == advise(spoiled, splits, sources)


def test_no_compound_of_the_task_teaches_a_probe(task: MoleculeDataset, splits: Splits) -> None:
    (found,) = advise(task, splits, [named(datasets.load("lipophilicity").subset(range(200)), "all", _numbers(200))])
    assert found.use.held_out >= len(task)
    assert found.use.shared == 0


def _numbers(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.float32)[:, None]


def test_what_cannot_be_probed_is_refused(task: MoleculeDataset, splits: Splits) -> None:
    with pytest.raises(ConfigError, match="name auxiliary tables"):
        advise(task, splits, [])
    with pytest.raises(ConfigError, match="probes need a pretrained encoder"):
        advise(task, splits, ["esol"], Job(init="scratch"))


def test_vectors_of_a_checkpoint_replace_the_features(task: MoleculeDataset, splits: Splits) -> None:
    (plain,), (vectors,) = advise(task, splits, ["esol"]), advise(task, splits, ["esol"], Job(init="gin_zinc"))
    assert plain.use == vectors.use
    assert plain.gain != vectors.gain


def test_the_vectors_of_a_checkpoint_are_those_of_the_embedder(task: MoleculeDataset) -> None:
    represented = _advise._representation(Job(init="gin_zinc"), task)
    np.testing.assert_allclose(represented(task), MoleculeEmbedder().fit_transform(list(task.smiles)), atol=1e-5)
    other = task.with_featuriser(Featuriser(features="ogb"))
    np.testing.assert_array_equal(represented(other), represented(task))


def test_the_order_of_the_tables_does_not_matter(
    task: MoleculeDataset, splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_advise, "_MOST", 50)
    other = datasets.load("lipophilicity").subset(range(100, 400))
    assert advise(task, splits, [other, "esol"]) == advise(task, splits, ["esol", other])


def test_the_command_prints_one_line_per_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["advise", "--data", "freesolv", "--aux", "esol", "--quiet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("esol ")
    assert "s.e." in lines[0]
    assert len(lines) == 2


@pytest.mark.parametrize("known", [0, 3])
def test_sparse_and_constant_targets_are_undecided(task: MoleculeDataset, splits: Splits, known: int) -> None:
    labels = np.full((len(task), 2), np.nan, dtype=np.float32)
    labels[:, 0], labels[:known, 1] = 4.5, np.arange(known)
    sparse = MoleculeDataset(
        task.molecules, labels, name="sparse", task="regression", target_names=["constant", "sparse"]
    )
    (found,) = advise(sparse, splits, ["esol"])
    assert found.verdict == "undecided"
    assert np.isfinite([found.gain, found.errors]).all()


def test_a_sample_of_a_large_table_keeps_its_rare_labels(
    task: MoleculeDataset, splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_advise, "_MOST", 20)
    table = datasets.load("lipophilicity").subset(range(100, 900))
    labels = np.full((len(table), 2), np.nan)
    labels[:, 0], labels[400:412, 1] = 0, np.arange(12)
    labels[333, 0] = 1
    rare = MoleculeDataset(
        table.molecules, labels.astype(np.float32), name="rare", task="regression", target_names=["rare", "few"]
    )
    (found,) = advise(task, splits, [rare])
    assert found.verdict != "helps"
    rows = _advise._sample(rare.targets, np.random.default_rng(0))
    assert 333 in rows
    assert {400, 411} <= set(rows.tolist())
    assert len(rows) <= 20 + 2 * 10


def test_a_sample_with_enough_labels_is_the_one_of_earlier_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_advise, "_MOST", 20)
    labels = np.arange(100, dtype=np.float32)[:, None]
    drawn = np.sort(np.random.default_rng(3).choice(100, 20, replace=False))
    np.testing.assert_array_equal(_advise._sample(labels, np.random.default_rng(3)), drawn)
