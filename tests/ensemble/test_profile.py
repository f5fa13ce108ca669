"""Predicted labels of auxiliary tables: no compound of the task is seen, and they are part of the run."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import molweight as mw
from molweight import Job, datasets, encoders
from molweight.datasets.internal import SourceTable, read_sources
from molweight.ensemble._cross_fit import _Work
from molweight.ensemble._profile import PROFILE, Profile, ProfileSpec, fit_profile, profile_tables
from molweight.ensemble._source_gains import source_gains
from molweight.ensemble.internal import CrossFitted, Recipe, cross_fit, default_partners
from molweight.errors import ConfigError, DataError
from molweight.features import feature_matrix
from molweight.graphs import MoleculeDataset
from molweight.runs._estimate import format_estimate
from molweight.seeding import seeded

FEATURES = ["descriptors"]
ENCODER: dict[str, Any] = {"layers": 1, "width": 8}


@pytest.fixture(scope="module")
def task() -> MoleculeDataset:
    return datasets.load("lipophilicity").subset(range(100))


@pytest.fixture(scope="module")
def related() -> MoleculeDataset:
    """Molecules 60 to 99 are also in the task."""
    return datasets.load("lipophilicity").subset(range(60, 500))


def sources(task: MoleculeDataset, *tables: MoleculeDataset) -> list[SourceTable]:
    """The tables without compounds of the last 20 molecules of the task."""
    roles = np.arange(len(task))
    splits = datasets.Splits(roles[:-20], roles[-20:-15], roles[-15:-10], roles[-10:], "given", "in order", "four-role")
    return read_sources(tables, task, splits)


def predicted(task: MoleculeDataset, *tables: MoleculeDataset) -> tuple[Profile, np.ndarray]:
    found = fit_profile(profile_tables(sources(task, *tables), task), FEATURES, task, np.arange(len(task)))
    assert found is not None
    return found.profile, found.values


def unpredictable(task: MoleculeDataset, name: str = "noise") -> MoleculeDataset:
    smiles = list(datasets.load("lipophilicity").smiles[500:700])
    return datasets.from_smiles(smiles, np.random.default_rng(0).normal(size=200), name=name, cache=False)


def recipe_with(tables: list[SourceTable]) -> Recipe:
    return Recipe(
        "gin", ENCODER, members=2, features=("descriptors",), partners=("trees", PROFILE), epochs=1, hidden=8,
        sources=tuple(tables),
    )  # fmt: skip


def cross_fitted(task: MoleculeDataset, *tables: MoleculeDataset) -> CrossFitted:
    recipe = recipe_with(sources(task, *tables))
    with seeded(0):
        encoder = encoders.create("gin", **ENCODER)
    return cross_fit(recipe, encoder, task, np.arange(len(task)), device=torch.device("cpu"))


def test_a_related_table_predicts_the_task(task: MoleculeDataset, related: MoleculeDataset) -> None:
    profile, values = predicted(task, related)
    assert profile.spec.columns == tuple(related.target_names)
    assert profile.spec.tables == (related.name,)
    assert np.corrcoef(values[:, 0], task.targets[:, 0])[0, 1] > 0.4
    new = feature_matrix(task, FEATURES)[:60]  # no molecule of these is in the table
    np.testing.assert_allclose(profile(new), values[:60], atol=1e-10)


def test_a_compound_of_the_task_is_predicted_without_itself(task: MoleculeDataset, related: MoleculeDataset) -> None:
    profile, values = predicted(task, related)
    rows = np.arange(60, 80)  # in the table and in train
    plain = profile(feature_matrix(task, FEATURES)[rows])
    assert (np.abs(values[rows] - plain) > 1e-6).all()
    labels = task.targets[rows, 0]
    assert np.corrcoef(values[rows, 0], labels)[0, 1] < np.corrcoef(plain[:, 0], labels)[0, 1]
    most = int(rows[np.abs(values[rows] - plain).argmax()])
    rest = related.subset([place for place in range(len(related)) if place != most - 60])
    _, others = predicted(task, rest)
    # Only the units, the scale of the features and the penalty still depend on that molecule.
    assert abs(others[most, 0] - values[most, 0]) < 0.2 * abs(plain[most - 60, 0] - values[most, 0])


def test_columns_that_cannot_be_predicted_are_left_out(task: MoleculeDataset, related: MoleculeDataset) -> None:
    profile, _ = predicted(task, unpredictable(task), related)
    assert len(profile.spec.columns) == 1
    tables = profile_tables(sources(task, unpredictable(task)), task)
    assert fit_profile(tables, FEATURES, task, np.arange(10)) is None
    assert fit_profile([], FEATURES, task, np.arange(10)) is None


def test_the_molecules_with_the_most_labels_are_learned(
    task: MoleculeDataset, related: MoleculeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("molweight.ensemble._profile._MOST_MOLECULES", 100)
    labels = np.repeat(related.targets, 2, axis=1)
    labels[::2, 1] = np.nan
    smiles = list(related.smiles)
    table = datasets.from_smiles(smiles, labels, name="two", cache=False)
    (part,) = profile_tables(sources(task, table), task)
    assert len(part.data) == len(part.keys) == len(part.compounds) == 100
    assert not np.isnan(part.data.targets).any()


def test_the_profile_is_part_of_the_ensemble(task: MoleculeDataset, related: MoleculeDataset) -> None:
    found = cross_fitted(task, related)
    spec = found.ensemble.spec
    assert spec.partners[-1].name == PROFILE
    assert spec.profile is not None
    assert "descriptors" in found.ensemble.feature_names()
    assert PROFILE not in found.ensemble.feature_names()
    again = type(found.ensemble).from_state(type(spec).from_json(spec.to_json()), found.ensemble.state_dict())
    data = found.ensemble.with_features(datasets.load("lipophilicity").subset(range(700, 720)))
    graphs = data.graphs(range(20), torch.device("cpu"))
    torch.testing.assert_close(again.predict(graphs), found.ensemble.predict(graphs), rtol=0, atol=0)


def test_a_useless_profile_is_not_combined(task: MoleculeDataset, related: MoleculeDataset) -> None:
    work = _Work.of(recipe_with(sources(task, related)), task, np.arange(len(task)), torch.device("cpu"))
    rng, truth = np.random.default_rng(0), task.targets.astype(float)
    good, noise = truth + rng.normal(0, 0.3, truth.shape), truth + rng.normal(0, 3.0, truth.shape)
    assert work.helpful({"graph": good, PROFILE: good + noise - truth}) == ["graph"]
    assert work.helpful({"graph": noise, PROFILE: good}) == ["graph", PROFILE]
    assert work.helpful({"graph": good, "trees": noise}) == ["graph", "trees"]


def test_the_effect_of_each_table_is_measured(task: MoleculeDataset, related: MoleculeDataset) -> None:
    rng = np.random.default_rng(0)
    dense, useful, useless = rng.normal(size=(200, 5)), rng.normal(size=(200, 2)), rng.normal(size=(200, 3))
    labels = dense[:, :1] + useful[:, :1] + rng.normal(0, 0.5, (200, 1))
    labels[::7] = np.nan
    found = source_gains(dense, np.concatenate([useful, useless], axis=1), ["a", "a", "b", "b", "b"], labels, rng)
    assert list(found) == ["a", "b"]
    assert found["a"].verdict == "helps"
    assert found["a"].gain > 0.3
    assert found["b"].verdict != "helps"
    assert cross_fitted(task, related).sources[related.name]["gain"] > 0


def test_the_labels_of_the_task_are_no_help(task: MoleculeDataset) -> None:
    """Together with features, a leave-one-out prediction would reveal the label that it leaves out."""
    same = datasets.from_smiles(list(task.smiles), task.targets, name="same", cache=False)
    assert cross_fitted(task, same).sources == {}
    more = datasets.load("lipophilicity").subset(range(180))
    found = cross_fitted(task, datasets.from_smiles(list(more.smiles), more.targets, name="more", cache=False))
    (reported,) = found.sources.values()
    independent = datasets.from_smiles(list(more.smiles)[100:], more.targets[100:], name="more", cache=False)
    (expected,) = cross_fitted(task, independent).sources.values()
    np.testing.assert_allclose(reported["gain"], expected["gain"], atol=0.02)
    assert reported["verdict"] == expected["verdict"]


def test_all_forms_of_a_compound_are_left_out(task: MoleculeDataset, related: MoleculeDataset) -> None:
    """Stereoisomers and salts share a key with the molecule, isotopes only the first block of the InChIKey."""
    own = list(task.smiles)[70]
    labels = np.concatenate([related.targets[:, 0], [3.0]])
    for form in (f"{own}.Cl", own.replace("C", "[13CH3]", 1) if own.startswith("C") else own):
        others = [text for at, text in enumerate(related.smiles) if at != 10]
        table = datasets.from_smiles([*others, form], np.delete(labels, 10), name="forms", cache=False)
        changed = np.delete(labels, 10)
        changed[-1] = -3.0
        before, after = (
            predicted(task, datasets.from_smiles([*others, form], values, name="forms", cache=False))[1][70, 0]
            for values in (table.targets[:, 0], changed)
        )
        assert abs(before - after) < 0.1


def test_few_and_many_columns(
    task: MoleculeDataset, related: MoleculeDataset, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("molweight.ensemble._profile._MOST_COLUMNS", 2)
    labels = np.repeat(related.targets, 4, axis=1)
    labels[30:, 0], labels[100:, 1] = np.nan, np.nan
    wide = datasets.from_smiles(list(related.smiles), labels, target_names=list("abcd"), name="wide", cache=False)
    with caplog.at_level(logging.INFO, logger="molweight"):
        profile, _ = predicted(task, wide)
    assert profile.spec.columns == ("c", "d")
    assert (
        "2 of 4 label columns of auxiliary tables are used; left out: 1 with fewer than 50 labels, or equal ones, "
        "1 beyond the limit of 2" in caplog.text
    )


def test_no_time_for_the_tables(
    task: MoleculeDataset, related: MoleculeDataset, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("molweight.ensemble._profile._SECONDS_PER_COLUMN", 60.0)
    with seeded(0):
        encoder = encoders.create("gin", **ENCODER)
    rows, recipe = np.arange(len(task)), recipe_with(sources(task, related))
    found = cross_fit(recipe, encoder, task, rows, device=torch.device("cpu"), seconds=60)
    assert list(found.out_of_fold) == ["graph", "trees", "ensemble"]
    assert "without profile, because models of the auxiliary tables would take 1 of 1 minutes" in caplog.text


def test_a_run_with_sources_is_saved_and_loaded(
    task: MoleculeDataset, related: MoleculeDataset, tmp_path: Path
) -> None:
    job = Job(
        encoder_options=ENCODER, objectives=["attribute_masking"], init="scratch", steps=2, epochs=1, members=2,
        batch_size=32, features=["descriptors"], partners=["trees", "profile"],
    )  # fmt: skip
    run = mw.fit(job, task, datasets.split(task, "random"), aux=[related])
    assert "profile" in run.finetuning.cross_fitting["scores"]
    assert f"{related.name}  " in format_estimate(run.finetuning)
    run.save(tmp_path / "run")
    smiles = ["CCO", "c1ccccc1C(=O)O"]
    np.testing.assert_array_equal(mw.load(tmp_path / "run").predict(smiles), run.predict(smiles))


def test_the_partner_is_a_default_only_with_sources(task: MoleculeDataset) -> None:
    assert PROFILE not in default_partners(100)
    assert default_partners(100, sources=True)[-1] == PROFILE
    job = Job(partners=["profile"], members=2, steps=1, epochs=1)
    with pytest.raises(ConfigError, match=r"partners='profile' reads the labels of auxiliary tables\. Name some: aux="):
        mw.fit(job, task, datasets.split(task, "random"))


def test_a_damaged_profile_is_refused(task: MoleculeDataset, related: MoleculeDataset) -> None:
    profile, _ = predicted(task, related)
    state = {name: tensor for name, tensor in profile.state().items() if name != "offset"}
    with pytest.raises(DataError, match="auxiliary tables lack offset"):
        Profile.from_state(ProfileSpec(("descriptors",), ("a",), ("b",)), state)
