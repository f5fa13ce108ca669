"""A run is validated as a whole before it answers anything."""

import json
import math
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from rdkit import Chem

from molweight import load
from molweight.cli import main
from molweight.datasets import load as load_table
from molweight.errors import ConfigError, DataError
from molweight.estimators import TapWeightRegressor
from molweight.runs._archive import MODEL
from molweight.runs._manifest import MANIFEST, begin_manifest
from molweight.storage import read_tensors, write_tensors

EDITED = ("README.md", "report.html", "weights.png", "rejects.csv")
"""For people: they are not read again, and may be annotated."""


def _change(key: str, value: Any) -> Callable[[dict[str, torch.Tensor], dict[str, Any]], None]:
    return lambda _, about: about.__setitem__(key, value)


def _drop(key: str) -> Callable[[dict[str, torch.Tensor], dict[str, Any]], None]:
    return lambda _, about: about.pop(key) and None


def _option(key: str, value: Any) -> Callable[[dict[str, torch.Tensor], dict[str, Any]], None]:
    return lambda _, about: about["options"].__setitem__(key, value)


def _tensor(key: str, value: torch.Tensor | None) -> Callable[[dict[str, torch.Tensor], dict[str, Any]], None]:
    def change(tensors: dict[str, torch.Tensor], _: dict[str, Any]) -> None:
        if value is None:
            del tensors[key]
        else:
            tensors[key] = value

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_change("target_names", ["a", "b", "c"]), "names 3 targets, but its model has 1"),
        (_change("target_names", [1]), "its targets are named"),
        (_change("target_names", ["y", "y"]), "its targets are named"),
        (_change("task", "ranking"), "its task is 'ranking'"),
        (_change("task", 7), "its task are 7"),
        (_change("seconds", "long"), "its seconds are 'long'"),
        (_drop("finetuning"), "its description has no finetuning"),
        (_change("finetuning", {"metric": "rmse", "mood": 1}), "is not a valid run"),
        (_change("featuriser", 99), "is not a valid run"),
        (_option("encoder", "no_such"), "registered by a plug-in"),
        (_option("encoder_options", {"layers": 3, "width": 8}), "is not a valid run"),
        (_option("mood", 3), "made with the option 'mood'"),
        (_tensor("mean", None), "its model has no mean"),
        (_tensor("head.bias", torch.tensor([math.nan])), "'head.bias' is not finite"),
        (_tensor("head.bias", torch.zeros(7)), "is not a valid run"),
        (_tensor("head.bias", None), "is not a valid run"),
    ],
)
def test_a_model_that_does_not_fit_its_description_is_refused(
    run_folder: Path, change: Callable[[dict[str, torch.Tensor], dict[str, Any]], None], expected: str
) -> None:
    tensors, about = read_tensors(run_folder / MODEL)
    change(tensors, about)
    (run_folder / MANIFEST).unlink()
    write_tensors(run_folder / MODEL, tensors, about)
    with pytest.raises(DataError, match=expected):
        load(run_folder)


@pytest.mark.parametrize("name", ["config.yaml", "metrics.json", "audit.json", "weights.json", "history.csv"])
def test_an_edited_file_is_refused_by_name(run_folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = run_folder / name
    path.write_text(path.read_text().replace("1", "2", 1))
    for command in ("report", "predict", "evaluate"):
        further = [str(run_folder.parent / "x.csv")] if command != "report" else []
        assert main([command, str(run_folder), *further]) == 2
        assert f"{path} is not the file that was written with this run" in capsys.readouterr().err
    path.unlink()  # what only reports need may be left out
    assert load(run_folder).predict(["CCO"]).shape == (1, 1)


def test_deviations_of_an_earlier_version_are_said_not_to_be_calibrated(
    run_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tensors, about = read_tensors(run_folder / MODEL)
    assert len(about["dropout_factors"]) == 1
    assert load(run_folder).uncertainty(["CCO"]).deviation > 0
    assert not caplog.records
    factor = about.pop("dropout_factors")
    (run_folder / MANIFEST).unlink()
    write_tensors(run_folder / MODEL, tensors, {**about, "factors": factor})
    assert load(run_folder).factors is None
    assert "not calibrated" in caplog.text


def test_an_interrupted_save_is_named(run_folder: Path) -> None:
    begin_manifest(run_folder, run_folder, overwrite=False)
    with pytest.raises(DataError, match="interrupted while it was being saved"):
        load(run_folder)
    again = run_folder.parent / "again"
    (run_folder / MANIFEST).unlink()
    run = load(run_folder)
    run.save(again)
    assert load(again).predict(["CCO"]).tolist() == run.predict(["CCO"]).tolist()


def test_another_run_is_replaced_only_on_request(run_folder: Path) -> None:
    run, other = load(run_folder), Path(shutil.copytree(run_folder, run_folder.parent / "other"))
    before = (other / MANIFEST).read_bytes()
    with pytest.raises(ConfigError, match=r"other holds a finished run.*overwrite=True"):
        run.save(other)
    assert (other / MANIFEST).read_bytes() == before
    run.save(run_folder)  # the run that is there
    run.save(other, overwrite=True)
    assert load(other).predict(["CCO"]).shape == (1, 1)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": []}', '{"files": {"../../x": null}}', "[" * 100_000])
def test_a_damaged_manifest_is_named(run_folder: Path, text: str) -> None:
    (run_folder / MANIFEST).write_text(text)
    with pytest.raises(DataError, match=r"manifest\.json is damaged"):
        load(run_folder)


def test_every_flipped_byte_is_named(run_folder: Path) -> None:
    rng = np.random.default_rng(0)
    files = [path for path in sorted(run_folder.iterdir()) if path.is_file() and path.name not in EDITED]
    assert len(files) >= 8
    for path in files:
        content = path.read_bytes()
        for place in rng.choice(len(content), min(12, len(content)), replace=False):
            damaged = bytearray(content)
            damaged[place] ^= 1 << int(rng.integers(8))
            path.write_bytes(damaged)
            with pytest.raises(DataError, match=r"manifest\.json|" + path.name):
                load(run_folder)
        path.write_bytes(content)
    assert load(run_folder).predict(["CCO"]).shape == (1, 1)


def test_without_its_manifest_every_flip_in_a_binary_file_is_named(run_folder: Path) -> None:
    (run_folder / MANIFEST).unlink()
    rng = np.random.default_rng(1)
    for name in ("model.safetensors", "test.safetensors"):
        content = (run_folder / name).read_bytes()
        for place in rng.choice(len(content), 10, replace=False):
            damaged = bytearray(content)
            damaged[place] ^= 1 << int(rng.integers(8))
            (run_folder / name).write_bytes(damaged)
            with pytest.raises(DataError, match=name):
                load(run_folder)
        (run_folder / name).write_bytes(content)


def test_a_manifest_lists_everything_that_was_written(run_folder: Path) -> None:
    listed = json.loads((run_folder / MANIFEST).read_text())["files"]
    assert {*listed, MANIFEST} == {path.name for path in run_folder.iterdir()}
    assert {name for name, checksum in listed.items() if checksum is None} <= set(EDITED)


def test_a_run_knows_the_molecules_that_it_was_made_with(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = load(made)
    table = (made.parent / "my.csv").read_text().splitlines()
    test = {line.split(",")[1] for line in (made / "test_predictions.csv").read_text().splitlines()[1:]}
    smiles = [line.split(",")[0] for line in table[1:-1]]
    seen = run.seen(smiles)
    assert seen is not None
    assert {text for text, known in zip(smiles, seen, strict=True) if not known} <= test
    assert run.seen(["C(C)OCCC#N"]) == [False]
    (tmp_path / "new.csv").write_text("smiles,y\nOC,1\nC#CCC#N,2\n")  # the first one written the other way round
    both = run.seen(["CO", "C#CCC#N"])
    assert both is not None
    known = int(both.sum())
    assert main(["evaluate", str(made), str(tmp_path / "new.csv"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seen"] == known
    assert main(["evaluate", str(made), str(made.parent / "my.csv")]) == 0
    assert "molecules were used to train or select the model" in capsys.readouterr().out


def test_missing_molecules_and_those_of_rdkit_can_be_looked_up(made: Path) -> None:
    run = load(made)
    smiles = [line.split(",")[0] for line in (made.parent / "my.csv").read_text().splitlines()[1:-1]]
    expected = run.seen(smiles)
    assert expected is not None
    assert expected.any()
    column: Any = pd.Series([*smiles, None, pd.NA], dtype="string")
    missing: list[Any] = [*smiles, None, float("nan")]
    np.testing.assert_array_equal(run.seen(missing), [*expected, False, False])
    np.testing.assert_array_equal(run.seen(column), [*expected, False, False])
    np.testing.assert_array_equal(run.seen([Chem.MolFromSmiles(text) for text in smiles]), expected)
    assert np.isnan(run.predict(column)[-2:]).all()


def test_deviations_under_dropout_keep_their_factor(tmp_path: Path) -> None:
    smiles = list(load_table("freesolv").smiles)[:40]
    labels = 1000 * load_table("freesolv").targets[:40, 0]
    small: dict[str, Any] = {
        "encoder_options": {"layers": 1, "width": 8, "dropout": 0.1},
        "epochs": 1,
        "device": "cpu",
        "members": 1,
    }
    model = TapWeightRegressor(**small, init="scratch", weighting="none", corpus=None).fit(smiles, labels)
    model.run_.save(tmp_path / "run")
    again, loaded = pickle.loads(pickle.dumps(model)).run_, load(tmp_path / "run")  # noqa: S301 - written by this test
    expected = model.run_.uncertainty(smiles[:3]).deviation
    assert model.run_.factors is not None
    assert model.run_.factors[0] != 1
    for run in (again, loaded):
        np.testing.assert_allclose(run.uncertainty(smiles[:3]).deviation, expected, rtol=1e-6)


def test_members_of_an_ensemble_differ(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(made, tmp_path / "copy")
    (tmp_path / "x.smi").write_text("CCO\n")
    ensemble = ["predict", str(made), str(tmp_path / "x.smi"), f"--ensemble={tmp_path / 'copy'}"]
    assert main(ensemble) == 2
    assert "are the same model" in capsys.readouterr().err
