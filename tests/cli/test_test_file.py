"""A table whose test set is in a file of its own, and tables without one."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from jsonargparse import Namespace

from molweight import datasets, fit, load
from molweight.cli import main
from molweight.cli._explain import _say_of_which_part
from molweight.datasets.internal import read_test_file, row_numbers, with_test
from molweight.ensemble import Ensemble
from molweight.errors import ConfigError
from molweight.options import Job
from molweight.training.internal import HeldOut

SIZES = ("--corpus_size=32", "--steps=1", "--batch_size=16", "--epochs=1", "--device=cpu", "--quiet", "--members=2")
ENCODER = (
    *("--encoder_options.layers=1", "--encoder_options.width=8", "--pretrain_steps=1", "--hidden=8"),
    "--partners=trees,linear",
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    whole = datasets.load("freesolv")
    frame = pd.DataFrame({"smiles": list(whole.smiles), "y": whole.targets[:, 0].astype(float).round(3)})
    frame["soluble"] = (frame["y"] > -3).astype(int)
    frame[:60].to_csv(folder / "train.csv", index=False)
    test = frame[58:90].assign(comment="x")[["soluble", "comment", "y", "smiles"]].copy()
    test.loc[70:75, "y"] = np.nan
    test.to_csv(folder / "test.csv", index=False)
    frame[60:90][["smiles"]].to_csv(folder / "bare.csv", index=False)
    return folder


def run_fit(place: Path, *more: str) -> int:
    return main(["fit", str(place / "train.csv"), "--targets=y", "--runs", str(place), *SIZES, *ENCODER, *more])


def test_the_test_file_is_the_test_set(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert run_fit(place, f"--test={place / 'test.csv'}", "--name=own") == 0
    assert "2 of 26 labelled test molecules are also in the training table" in caplog.text
    metrics = json.loads((place / "own" / "metrics.json").read_text())
    assert (metrics["sizes"]["test"], sum(metrics["sizes"].values())) == (32, 92)
    found = pd.read_csv(place / "own" / "test_predictions.csv")
    given = pd.read_csv(place / "test.csv")
    assert found["row"].tolist() == list(range(2, 34))
    assert found["smiles"].tolist() == given["smiles"].tolist()
    np.testing.assert_allclose(found["label.y"], given["y"], rtol=1e-6)
    error = (found["ensemble.y"] - given["y"]).dropna()
    value = {row["method"]: row["test"]["value"] for row in metrics["methods"]}
    assert value["ensemble"] == pytest.approx(float(np.sqrt((error**2).mean())), rel=1e-4)
    assert set(value) == {"mean", "descriptor_trees", "ensemble"}
    assert len(json.loads((place / "own" / "weights.json").read_text())["finetuning"]["cross_fitting"]) > 0
    about = json.loads((place / "own" / "weights.json").read_text())["finetuning"]["cross_fitting"]
    assert about["rows"] == 60


def test_a_test_file_without_labels_is_predicted(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert run_fit(place, f"--test={place / 'bare.csv'}", "--name=bare") == 0
    assert "no column has labels of y, so its molecules are predicted but not scored" in caplog.text
    found = pd.read_csv(place / "bare" / "test_predictions.csv")
    assert len(found) == 30
    assert np.isfinite(found["ensemble.y"]).all()
    metrics = json.loads((place / "bare" / "metrics.json").read_text())
    assert [row["test"]["value"] for row in metrics["methods"]] == [None]
    assert "no labelled test set" in (place / "bare" / "report.html").read_text()
    assert main(["predict", str(place / "bare"), str(place / "bare.csv"), "--output", str(place / "again.csv")]) == 0
    np.testing.assert_allclose(pd.read_csv(place / "again.csv")["y"], found["ensemble.y"], rtol=1e-5)


def test_molecules_without_labels_are_held_out_from_other_tables(place: Path) -> None:
    whole = datasets.load("freesolv").subset(range(60, 120))
    frame = pd.DataFrame({"smiles": list(whole.smiles), "other": whole.targets[:, 0].astype(float)})
    frame.to_csv(place / "aux.csv", index=False)
    assert run_fit(place, f"--test={place / 'bare.csv'}", "--name=with_aux", f"--aux={place / 'aux.csv'}") == 0
    (use,) = json.loads((place / "with_aux" / "weights.json").read_text())["data"]["sources"]
    assert use["held_out"] >= 30
    assert use["labels"] <= 30
    task, table = whole.subset(range(20)), whole.subset(range(20, 60))
    splits = datasets.split(task, "none")
    further = whole.subset(range(30, 60))
    more = replace(splits, further=further)
    assert [len(HeldOut(task, each).without(table)) for each in (splits, more)] == [40, 10]
    found, less = (datasets.near_corpus(task, each, [place / "aux.csv"]) for each in (splits, more))
    assert set(found.smiles) - set(less.smiles) == set(further.smiles) & set(found.smiles)


def test_every_row_trains_without_a_test_set(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_fit(place, "--split=none", "--name=none") == 0
    printed = capsys.readouterr().out
    assert "out of fold (60 rows, 2 members" in printed
    assert "nan" not in printed
    explain = ["explain", str(place / "none"), str(place / "bare.csv"), "--limit=1", "--pairs=1", "--device=cpu"]
    assert main([*explain, "--output", str(place / "explanation.html")]) == 0
    about = json.loads((place / "none" / "weights.json").read_text())["finetuning"]["cross_fitting"]
    share = about["weights"]["graph"]
    said = f"attributions are those of the graph members, whose weight in the ensemble is {share:.2f} of 1."
    assert said in capsys.readouterr().err
    page = (place / "explanation.html").read_text(encoding="utf-8")
    assert "(graph replaced by the hydrocarbon, other inputs unchanged) and atoms" in page
    run = load(place / "none")
    assert isinstance(run.model, Ensemble)
    run.model.spec = replace(run.model.spec, weights=(0.0, *run.model.spec.weights[1:]))
    options = Namespace(quiet=False)  # type: ignore[no-untyped-call]  # jsonargparse leaves it without annotations
    _say_of_which_part(options, run)
    assert capsys.readouterr().err.startswith(
        "The graph members have no weight, so all attributions are 0. To attribute"
    )
    metrics = json.loads((place / "none" / "metrics.json").read_text())
    assert metrics["sizes"]["test"] == 0
    assert sum(metrics["sizes"].values()) == 60


def test_a_split_beside_a_test_file_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_fit(place, f"--test={place / 'test.csv'}", "--split=scaffold", "--name=both") == 2
    assert "--test FILE already defines the test set, so a split cannot be chosen as well" in capsys.readouterr().err


def test_classes_of_a_test_file_may_be_alike(place: Path) -> None:
    (place / "ones.csv").write_text("soluble,smiles\n1,CCO\n1,CCN\n,CCC\n")
    train = datasets.from_file(place / "train.csv", targets="soluble")
    test = read_test_file(place / "ones.csv", train)
    assert (test.task, test.metric) == (train.task, train.metric)
    np.testing.assert_array_equal(test.targets[:, 0], [1, 1, np.nan])


def test_targets_that_a_test_file_lacks_are_missing_labels(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    train = datasets.from_file(place / "train.csv", targets=["y", "soluble"])
    (place / "one.csv").write_text("soluble,smiles\n1,CCO\n0,CCN\n")
    with caplog.at_level(logging.WARNING):
        test = read_test_file(place / "one.csv", train)
    assert "has no labels of: y" in caplog.text
    np.testing.assert_array_equal(test.targets, [[np.nan, 1], [np.nan, 0]])


def test_bounds_and_words_are_read_as_in_the_training_table(tmp_path: Path) -> None:
    rows = [f"{'C' * (n + 1)}O,{'active' if n % 2 else 'inactive'},{n}.5" for n in range(30)]
    (tmp_path / "train.csv").write_text("\n".join(["smiles,outcome,y", *rows]))
    (tmp_path / "test.csv").write_text("y,smiles,outcome\n<2.5,CCN,active\n4.5,CCCN,inactive\n")
    train = datasets.from_file(tmp_path / "train.csv", targets=["y"])
    data, splits = with_test(train, read_test_file(tmp_path / "test.csv", train))
    assert data.columns["label_bounds"][splits.test].ravel().tolist() == [-1, 0]
    assert row_numbers(data, splits.test).tolist() == [2, 3]
    words = datasets.from_file(tmp_path / "train.csv", targets=["outcome"])
    assert read_test_file(tmp_path / "test.csv", words).targets.ravel().tolist() == [1, 0]


def test_a_test_table_in_python() -> None:
    whole = datasets.load("freesolv")
    train, test = whole.subset(range(50)), whole.subset(range(50, 70))
    options = {"layers": 1, "width": 8}
    job = Job(encoder_options=options, init="scratch", weighting="none", members=2, epochs=1, hidden=8, partners=())
    run = fit(job, train, test=test)
    assert np.isfinite(run.evaluate("test").value)
    assert run.test_results is not None
    np.testing.assert_array_equal(run.test_results.rows, np.arange(50, 70))
    np.testing.assert_allclose(run.predict(list(test.smiles)), run.test_results.predictions["ensemble"], rtol=1e-4)
    with pytest.raises(ConfigError, match="splits and test both define"):
        fit(job, train, datasets.split(train, "random"), test=test)
    with pytest.raises(ConfigError, match="has the targets other"):
        fit(job, train, test=datasets.from_smiles(["C", "CC"], [[1.0], [2.0]], target_names=["other"], cache=False))


def test_columns_of_the_table_are_features(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    smiles = list(datasets.load("freesolv").smiles[:60])
    level = [n % 7 for n in range(60)]
    frame = pd.DataFrame({"smiles": smiles, "level": level, "y": [10.0 * n for n in level]})
    frame[:45].to_csv(place / "levels.csv", index=False)
    frame[45:][["y", "level", "smiles"]].to_csv(place / "more.csv", index=False)
    features = "--features=descriptors,column:level"
    names = ["fit", str(place / "levels.csv"), "--targets=y", "--runs", str(place), "--name=levels", features]
    assert main([*names, f"--test={place / 'more.csv'}", *SIZES, *ENCODER]) == 0
    metrics = json.loads((place / "levels" / "metrics.json").read_text())
    value = {row["method"]: row["test"]["value"] for row in metrics["methods"]}
    assert value["ensemble"] < 0.7 * value["mean"]  # the label is a function of the column alone
    run = str(place / "levels")
    frame[45:][["level", "smiles"]].to_csv(place / "ask.csv", index=False)
    assert main(["predict", run, str(place / "ask.csv"), "--output", str(place / "levels_out.csv")]) == 0
    found = pd.read_csv(place / "levels_out.csv")["y"]
    opened = pd.read_csv(place / "levels" / "test_predictions.csv")["ensemble.y"]
    np.testing.assert_allclose(found, opened, rtol=1e-4)
    again = load(run)
    parsed = again.parse(smiles[45:]).with_cells({"level": level[45:]})
    np.testing.assert_allclose(again.predict(parsed)[:, 0], opened, rtol=1e-4)
    capsys.readouterr()
    assert main(["predict", run, str(place / "bare.csv")]) == 2
    assert "the model needs the column 'level', but the input has only 'smiles'" in capsys.readouterr().err
    assert main([*names[:2], "--targets=y,level", *names[3:-2], "--name=twice", features, *SIZES]) == 2
    assert "column 'level' is a label and a feature" in capsys.readouterr().err


def test_finetune_reads_a_test_file_as_fit_does(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Earlier, it ignored the file and split the table; and options with a test file could not be used again."""
    one = ["--init=scratch", "--epochs=1", "--members=1", "--device=cpu", "--quiet", *ENCODER[:2]]
    finetune = ["finetune", str(place / "train.csv"), "--targets=y", f"--runs={place}", *one]
    assert main([*finetune, f"--test={place / 'test.csv'}", "--name=tuned"]) == 0
    metrics = json.loads((place / "tuned" / "metrics.json").read_text())
    assert (metrics["sizes"]["test"], sum(metrics["sizes"].values())) == (32, 92)
    found = pd.read_csv(place / "tuned" / "test_predictions.csv")
    assert found["smiles"].tolist() == pd.read_csv(place / "test.csv")["smiles"].tolist()
    assert main(["finetune", f"--config={place / 'tuned' / 'config.yaml'}", "--name=repeated"]) == 0
    assert json.loads((place / "repeated" / "metrics.json").read_text())["sizes"] == metrics["sizes"]
    assert main([*finetune, f"--test={place / 'bare.csv'}", "--name=tuned_bare"]) == 0
    assert "no column has labels of y, so its molecules are predicted but not scored" in caplog.text
    assert len(pd.read_csv(place / "tuned_bare" / "test_predictions.csv")) == 30
    assert main([*finetune, f"--test={place / 'test.csv'}", "--split=random", "--name=tuned_both"]) == 2


def test_a_run_that_reads_columns_is_evaluated_explained_and_embedded(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pd.DataFrame({"smiles": list(datasets.load("freesolv").smiles[:60]), "level": [n % 7 for n in range(60)]})
    frame["y"] = 10.0 * frame["level"]
    frame.to_csv(place / "read.csv", index=False)
    fit = ["fit", str(place / "read.csv"), "--targets=y", f"--runs={place}", "--name=read", "--split=random"]
    assert main([*fit, "--features=descriptors,column:level", "--baselines=", *SIZES, *ENCODER]) == 0
    run, output = str(place / "read"), place / "out.csv"
    assert main(["predict", run, str(place / "read.csv"), f"--output={output}", "--quiet"]) == 0
    error = pd.read_csv(output)["y.predicted"] - frame["y"]
    capsys.readouterr()
    assert main(["evaluate", run, str(place / "read.csv"), "--quiet", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)["value"]
    assert value == pytest.approx(float(np.sqrt((error**2).mean())), rel=1e-4)
    page = f"--output={place / 'read.html'}"
    explain = ["explain", run, str(place / "read.csv"), "--limit=2", "--pairs=1", "--device=cpu", "--quiet", page]
    assert main([*explain, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["molecules"] == 2
    assert main(["embed", run, str(place / "bare.csv"), f"--output={place / 'read.npz'}", "--quiet"]) == 0
    frame[["smiles", "y"]].to_csv(place / "lacking.csv", index=False)
    for command in (["evaluate", run, str(place / "lacking.csv")], ["explain", run, str(place / "lacking.csv"), page]):
        assert main(command) == 2
        assert "'level'" in capsys.readouterr().err.splitlines()[-1]
