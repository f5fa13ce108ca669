"""``molweight report``, ``run.report`` and what ``molweight fit`` keeps for them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from molweight import load
from molweight.cli import main
from molweight.errors import ConfigError, DataError
from molweight.storage import write_tensors

SMALL = [
    "--encoder_options={layers: 2, width: 16, dropout: 0.2}",
    "--corpus_size=64",
    "--pretrain_steps=1",
    "--steps=2",
    "--batch_size=32",
    "--epochs=1",
    "--members=1",
    "--device=cpu",
    "--quiet",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a table of its own: two targets, one label missing."""
    place = tmp_path_factory.mktemp("runs")
    rows = [f"{'C' * (n // 2 + 1)}{'O' if n % 2 else 'N'},{n / 7 if n != 3 else ''},{n % 5}.5" for n in range(80)]
    (place / "mine.csv").write_text("\n".join(["smiles,y,z", *rows]))
    arguments = ["fit", str(place / "mine.csv"), "--runs", str(place), "--targets", "y,z", "--split", "random"]
    assert main([*arguments, "--objectives", "attribute_masking,graphcl", "--baselines", "equal", *SMALL]) == 0
    return place / "mine"


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """The same run, to be damaged."""
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def _fails(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("molweight: ")
    return lines[0]


def test_fit_writes_the_report(folder: Path) -> None:
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "<h1>mine: TapWeight</h1>" in text
    assert "equal weights" in text
    assert "No audit is stored" not in text
    assert "has not been opened" not in text
    assert "color-mix" in text  # atoms of the worst molecules
    assert "SHA-256 of model.safetensors" in text
    assert "not saved yet" not in text


def test_test_predictions_are_kept(folder: Path) -> None:
    run = load(folder, "cpu")
    assert run.test_results is not None
    table = pd.read_csv(folder / "test_predictions.csv")
    methods = ("label", "equal", "tapweight")
    assert list(table) == ["row", "smiles", *(f"{method}.{name}" for method in methods for name in ("y", "z"))]
    assert len(table) == 8
    source = pd.read_csv(folder.parent / "mine.csv").iloc[table["row"] - 2]
    assert table["smiles"].tolist() == source["smiles"].tolist()
    np.testing.assert_allclose(table[["label.y", "label.z"]], source[["y", "z"]], rtol=1e-6)
    np.testing.assert_allclose(table[["tapweight.y", "tapweight.z"]], run.predict(table["smiles"].tolist()), rtol=1e-5)
    np.testing.assert_array_equal(
        run.test_results.frame().iloc[:, 2:].to_numpy(np.float32), table.iloc[:, 2:].astype(np.float32)
    )


def test_the_score_of_a_loaded_run_is_that_of_its_opening(folder: Path) -> None:
    run = load(folder, "cpu")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert run.evaluate("test").value == metrics["methods"][-1]["test"]["value"]
    with pytest.raises(ConfigError, match="without its table"):
        run.evaluate("select")


def test_deviations_are_kept_and_scaled_to_select(folder: Path) -> None:
    run = load(folder, "cpu")
    assert run.test_results is not None
    assert run.test_results.deviations is not None
    assert run.factors is not None
    assert len(run.factors) == 2
    assert all(factor > 0 for factor in run.factors)
    assert run.test_results.deviations.shape == (8, 2)
    found = run.uncertainty([*run.test_results.smiles, "no molecule"])
    np.testing.assert_allclose(found.deviation[:8], run.test_results.deviations, rtol=1e-4)
    np.testing.assert_allclose(found.prediction[:8], run.test_results.predictions["tapweight"], rtol=1e-4)
    assert np.isnan(found.deviation[8]).all()
    assert "Monte Carlo dropout" in (folder / "report.html").read_text(encoding="utf-8")


def test_predict_with_uncertainty(folder: Path, copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "new.csv").write_text("smiles\nCCO\nC1CC\nCCN\n")
    arguments = [
        "predict",
        str(folder),
        str(tmp_path / "new.csv"),
        "--device",
        "cpu",
        "--quiet",
        "--uncertainty",
        "--domain=false",
    ]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "row,smiles,y,z,y.deviation,z.deviation"
    assert lines[2] == "3,C1CC,,,,"
    assert all(float(cell) > 0 for cell in lines[1].split(",")[4:])
    assert str(copy) in _fails([*arguments, "--ensemble", str(copy)], capsys)  # a copy says nothing new
    run = load(copy, "cpu")
    run.target_names = ["y", "other"]
    run.save(tmp_path / "other")
    message = _fails([*arguments, "--ensemble", str(tmp_path / "other")], capsys)
    assert "predicts y, other (regression)" in message


def test_explain_draws_and_lists_the_atoms(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "new.csv").write_text("smiles\nCCO\nC1CC\nCCN\nCCCC\n")
    page, atoms = tmp_path / "page.html", tmp_path / "atoms.csv"
    arguments = ["explain", str(folder), str(tmp_path / "new.csv"), "--device", "cpu", "--output", str(page)]
    assert main([*arguments, "--target", "y", "--atoms", str(atoms), "--pairs", "2", "--limit", "3", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"page": str(page), "molecules": 2, "rejected": 1}
    assert "row 3 has no valid molecule" in captured.err
    assert page.read_text(encoding="utf-8").count("<svg") == 2
    table = pd.read_csv(atoms)
    assert table["atom"].tolist() == [0, 1, 2] * 2
    run = load(folder, "cpu")
    exact = run.attribute(["CCO", "CCN"], "y", pairs=2)
    for row, item in zip((2, 4), exact, strict=True):
        assert item is not None
        np.testing.assert_allclose(table[table["row"] == row]["share"], item.atoms, rtol=1e-3, atol=1e-5)
    assert "name one target (--target NAME): y, z" in _fails([*arguments, "--quiet"], capsys)
    assert "--limit 0 must be at least 1" in _fails([*arguments, "--limit", "0"], capsys)
    (tmp_path / "new.csv").write_text("smiles\nC1CC\n")
    assert "none of the first 1 rows has a valid molecule" in _fails(
        [*arguments, "--target", "y", "--smiles", "smiles", "--quiet"], capsys
    )


def test_report_is_made_again(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new" / "page.html"
    assert main(["report", str(folder), "--output", str(path), "--device", "cpu"]) == 0
    assert capsys.readouterr().out == f"written to {path}\n"
    assert path.read_text(encoding="utf-8") == (folder / "report.html").read_text(encoding="utf-8")
    assert main(["report", str(folder), "--output", str(path), "--json", "--device", "cpu"]) == 0
    assert json.loads(capsys.readouterr().out) == {"report": str(path)}


def test_runs_side_by_side(
    folder: Path, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["report", str(folder), str(copy), "--device", "cpu"]) == 0
    assert capsys.readouterr().out == "written to comparison.html\n"
    text = Path("comparison.html").read_text(encoding="utf-8")
    assert "<h1>2 runs: mine, copy</h1>" in text
    assert "copy against mine: no verdict, 8 test molecules are too few (20 are needed)." in text
    assert "All options and the data are the same." in text
    same = _fails(["report", str(folder), str(folder)], capsys)
    assert "two or more runs with different names are needed" in same
    (copy / "model.safetensors").unlink()
    assert str(copy) in _fails(["report", str(folder), str(copy)], capsys)


def test_run_without_the_files_beside_it(copy: Path) -> None:
    for name in ("metrics.json", "audit.json", "config.yaml", "report.html"):
        (copy / name).unlink()
    assert main(["report", str(copy), "--device", "cpu"]) == 0
    text = (copy / "report.html").read_text(encoding="utf-8")
    assert "No audit is stored" in text
    assert "not started on the command line" in text


def test_run_whose_test_set_was_never_opened(copy: Path, tmp_path: Path) -> None:
    run = load(copy, "cpu")
    run.test_results = None
    run.save(tmp_path / "closed")
    assert not (tmp_path / "closed" / "test_predictions.csv").exists()
    closed = load(tmp_path / "closed", "cpu")
    assert closed.test_results is None
    assert "has not been evaluated" in closed.report(tmp_path / "page.html").read_text(encoding="utf-8")


def test_what_is_no_run_is_one_paragraph(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = _fails(["report", str(tmp_path / "nowhere")], capsys)
    assert "model.safetensors does not exist. Name the folder of a finished run" in missing
    write_tensors(tmp_path / "weights.safetensors", {}, {"kind": "general"})
    assert "checkpoint of generic pretraining, not a finished run" in _fails(["report", str(tmp_path)], capsys)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("model.safetensors", b"not tensors", "is damaged, or was not written by molweight"),
        ("metrics.json", b"{", "metrics.json is damaged"),
        ("metrics.json", b"[1]", "metrics.json is damaged"),
        ("metrics.json", b'{"methods": [{}]}', "metrics.json is damaged"),
        ("metrics.json", b"\xff\xfe", "metrics.json cannot be read"),
        ("audit.json", b"null", "audit.json is not an audit"),
        ("audit.json", b'{"overlap": 3}', "audit.json is not an audit"),
    ],
)
def test_damaged_files_are_one_paragraph(
    name: str, content: bytes, expected: str, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / name).write_bytes(content)
    message = _fails(["report", str(copy), "--device", "cpu"], capsys)
    assert f"{name} is not the file that was written with this run" in message
    (copy / "manifest.json").unlink()
    message = _fails(["report", str(copy), "--device", "cpu"], capsys)
    assert expected in message
    assert str(copy) in message


def test_place_that_cannot_be_written(copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    message = _fails(["report", str(copy), "--output", str(tmp_path / "file" / "x.html"), "--device", "cpu"], capsys)
    assert "cannot be written" in message


def test_damaged_predictions_are_found(copy: Path) -> None:
    path = copy / "test.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match="SHA-256"):
        load(copy)
