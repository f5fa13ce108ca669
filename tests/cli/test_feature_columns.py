"""Columns of the table as features: numbers are read as labels are, in every command."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from molweight import load
from molweight.cli import main

TINY = ["--init=scratch", "--split=random", "--epochs=1", "--members=2", "--partners=linear", "--device=cpu", "--quiet"]
ENCODER = ["--encoder_options.layers=1", "--encoder_options.width=8", "--hidden=8", "--features=descriptors,column:pH"]
SMILES = [f"{'C' * (1 + n % 20)}{'O' if n < 20 else 'N'}F" for n in range(40)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs on the same numbers, one of them with decimal commas."""
    folder = tmp_path_factory.mktemp("columns")
    write(folder / "point.csv", [2 + n % 7 + 0.25 for n in range(40)], labelled=True)
    (folder / "comma.csv").write_text((folder / "point.csv").read_text().replace(",", ";").replace(".", ","))
    assert finetune(folder, "point") == 0
    assert finetune(folder, "comma") == 0
    return folder


def write(path: Path, cells: Sequence[object], *, labelled: bool = False) -> None:
    table = {"smiles": SMILES[: len(cells)], "pH": cells}
    pd.DataFrame({**table, **({"y": cells} if labelled else {})}).to_csv(path, index=False)


def finetune(folder: Path, name: str, *more: str) -> int:
    file = folder / f"{name}.csv"
    return main(["finetune", str(file), "--targets=y", f"--runs={folder}", f"--name={name}", *TINY, *ENCODER, *more])


def predict(folder: Path, run: str, file: str, *more: str) -> list[float]:
    output = folder / "out.csv"
    assert main(["predict", str(folder / run), str(folder / file), f"--output={output}", "--device=cpu", *more]) == 0
    return [float(value) for value in pd.read_csv(output).filter(regex="^y").iloc[:, -1]]


def test_decimal_commas_are_numbers_in_every_command(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert load(place / "comma").trained_on["decimals"] == {"pH": ","}
    expected = predict(place, "point", "point.csv")
    assert np.ptp(expected) > 1
    assert "imputed" not in capsys.readouterr().err
    for run, file in (("comma", "point.csv"), ("point", "comma.csv"), ("comma", "comma.csv")):
        np.testing.assert_allclose(predict(place, run, file), expected, rtol=1e-4)
    found = []
    for file in ("point.csv", "comma.csv"):
        capsys.readouterr()
        assert main(["evaluate", str(place / "point"), str(place / file), "--quiet", "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out)["value"])
    assert found[0] == pytest.approx(found[1])


def test_an_ambiguous_column_has_the_decimal_sign_of_the_training_table(
    place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(place / "plain.csv", [2.25, 4.25, 8.25])
    write(place / "ambiguous.csv", ["2,250", "4,250", "8,250"])
    caplog.clear()
    expected = predict(place, "comma", "plain.csv", "--quiet")
    np.testing.assert_allclose(predict(place, "comma", "ambiguous.csv", "--quiet"), expected, rtol=1e-4)
    assert "column 'pH': '2,250' is 2.25 with a decimal comma and 2250 with commas" in caplog.text
    assert "',' is the decimal sign, as in the training table. For the other: --decimal ." in caplog.text
    assert predict(place, "point", "ambiguous.csv", "--quiet")[0] > expected[0] + 1
    np.testing.assert_allclose(predict(place, "point", "ambiguous.csv", "--decimal=,"), expected, rtol=1e-4)
    write(place / "late.csv", [2, 4, "8,250"])
    one = predict(place, "comma", "late.csv", "--chunk_size=1")
    assert one == pytest.approx(predict(place, "comma", "late.csv"), rel=1e-4)


def test_imputed_cells_are_counted(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(place / "gaps.csv", [2.25, "", "high", 4.25])
    predict(place, "point", "gaps.csv", "--chunk_size=1")
    said = "column 'pH': 2 cells are empty or not numbers; they are imputed by the median"
    assert said in capsys.readouterr().err
    predict(place, "point", "gaps.csv", "--top=4", "--candidates=all")
    assert capsys.readouterr().err.count(said) == 1


def test_a_column_without_a_number_is_no_feature(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pd.read_csv(place / "point.csv")
    table.assign(pH=["low", "high"] * 20).to_csv(place / "words.csv", index=False)
    assert finetune(place, "words") == 2
    assert "column 'pH': no cell holds a number, e.g. 'low', so it cannot be a feature" in capsys.readouterr().err
    table.assign(pH=["1,250", "2,250"] * 20).to_csv(place / "unclear.csv", index=False)
    assert finetune(place, "unclear") == 2
    assert "Use --decimal , or --decimal . to name the decimal separator" in capsys.readouterr().err
    assert main(["predict", str(place / "point"), str(place / "point.csv"), "--decimal=x", "--quiet"]) == 2
    assert "--decimal x is unknown" in capsys.readouterr().err


def test_conditions_are_not_averaged(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    smiles = [text for text in SMILES[:20] for _ in range(2)]
    table = pd.DataFrame({"smiles": smiles, "y": [1.0, 5.0] * 20, "pH": [2.0, 10.0] * 20})
    table.to_csv(place / "conditions.csv", index=False)
    assert finetune(place, "conditions") == 2
    assert "column 'pH': 2 and 10 belong to the same molecule (CO" in capsys.readouterr().err
    assert finetune(place, "conditions", "--duplicates=keep") == 0
    table.assign(pH=np.repeat(np.arange(20.0), 2)).to_csv(place / "same.csv", index=False)
    assert finetune(place, "same") == 0
