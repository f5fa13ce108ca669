"""Spreadsheets."""

import datetime as dt
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from molweight.datasets import _excel as excel
from molweight.datasets import from_file
from molweight.datasets._formulas import unstored_formulas
from molweight.datasets._read_rows import read_rows
from molweight.errors import ConfigError, DataError

Cells = list[list[Any]]

DRUGS = [
    *("CC(=O)Oc1ccccc1C(=O)O", "CC(C)Cc1ccc(cc1)C(C)C(=O)O", "Cn1cnc2c1c(=O)n(C)c(=O)n2C", "CC(=O)Nc1ccc(O)cc1"),
    "OC(=O)c1ccccc1O",
]
"""Aspirin, ibuprofen, caffeine, paracetamol, salicylic acid."""
SMILES = ["CC(=O)Oc1ccccc1C(=O)O", "CCO", "C1CC", "c1ccccc1"]


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """Two sheets."""
    path = tmp_path / "mine.xlsx"
    first = pd.DataFrame(
        {"smiles": SMILES, "day": dt.date(2024, 1, 5), "count": [3, 1, 4, 1], "logS": [0.5, 1.5, 2.5, 3]}
    )
    second = pd.DataFrame({"SMILES": SMILES[:2], "active": ["yes", "no"]})
    with pd.ExcelWriter(path) as writer:
        first.to_excel(writer, sheet_name="solubility", index=False)
        second.to_excel(writer, sheet_name="assay", index=False)
    return path


@pytest.mark.parametrize("engine", ["calamine", "openpyxl"])
def test_a_sheet_is_read_with_its_rows(engine: excel.Engine, book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excel, "_ENGINES", {engine: excel._ENGINES[engine]})
    data = from_file(book, targets=["logS"], cache=False)
    assert data.targets.ravel().tolist() == [0.5, 1.5, 3]
    assert [(item.number, item.smiles) for item in data.rejects] == [(4, "C1CC")]
    assert from_file(book, targets=["count"], cache=False).targets.ravel().tolist() == [3, 1, 1]
    assert from_file(book, sheet="assay", cache=False).targets.ravel().tolist() == [1, 0]
    assert from_file(book, sheet=1, cache=False).target_names == ["active"]


def test_what_cannot_be_read_is_said(book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="no sheet 'assays'; did you mean 'assay'"):
        from_file(book, sheet="assays", cache=False)
    with pytest.raises(DataError, match=r"is larger than 0\.001 MB once unpacked"):
        from_file(book, max_mb=0.001, cache=False)
    damaged = tmp_path / "damaged.xlsx"
    damaged.write_bytes(book.read_bytes()[:300])
    with pytest.raises(DataError, match=r"damaged\.xlsx: cannot be read as a spreadsheet"):
        from_file(damaged, cache=False)
    monkeypatch.setattr(excel, "_ENGINES", {"calamine": "a_package_that_is_not_installed"})
    with pytest.raises(ConfigError, match=r"pip install 'molweight\[excel\]'"):
        from_file(book, cache=False)


def test_the_other_sheets_of_a_book_are_said(book: Path, tmp_path: Path) -> None:
    data = from_file(book, targets=["logS"], cache=False)
    assert "reading sheet 'solubility'; not read: 'assay'. To choose another: sheet='assay'" in data.notes
    assert not any("the sheet" in note for note in from_file(book, sheet="assay", cache=False).notes)
    path = tmp_path / "notes.xlsx"
    with pd.ExcelWriter(path) as writer:
        pd.DataFrame({"note": ["made in May", "by hand"]}).to_excel(writer, sheet_name="notes", index=False)
        pd.DataFrame({"SMILES": SMILES[:2], "y": [0.5, 1.5]}).to_excel(writer, sheet_name="data", index=False)
    with pytest.raises(DataError, match=r"holds SMILES.*Reading sheet 'notes'; not read: 'data'. To choose another"):
        from_file(path, cache=False)


def _workbook(path: Path, rows: Cells, sheets: Mapping[str, Cells]) -> Path:
    """A workbook by openpyxl, which stores no values of formulas; the first sheet is called Sheet."""
    with pd.ExcelWriter(path, engine="openpyxl") as writer:
        for name, cells in {"Sheet": rows, **sheets}.items():
            pd.DataFrame(cells, dtype=object).to_excel(writer, sheet_name=name, header=False, index=False)
    return path


@pytest.mark.parametrize("engine", ["calamine", "openpyxl"])
def test_formulas_without_a_stored_value_are_no_missing_labels(
    engine: excel.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(excel, "_ENGINES", {engine: excel._ENGINES[engine]})
    cells = [0.5, "=LOG10(5.1)", 1.5, "=LOG10(7)", 2.5]
    rows: Cells = [["smiles", "y", "note"], *([smiles, cell, ""] for smiles, cell in zip(DRUGS, cells, strict=True))]
    path = _workbook(tmp_path / "y.xlsx", rows, {})
    with pytest.raises(
        DataError, match=r"column 'y': 2 cells hold formulas without a stored value, the first in row 3"
    ):
        from_file(path, cache=False)
    sums = _workbook(
        tmp_path / "sums.xlsx", [["made on", "=TODAY()", ""], *rows[:2], rows[3], ["", "=SUM(B3:B4)", ""]], {}
    )
    assert from_file(sums, targets="y", cache=False).targets.ravel().tolist() == [0.5, 1.5]
    whole: Cells = [rows[0], *([smiles, f"=LOG10({place})", ""] for place, smiles in enumerate(DRUGS, start=5))]
    with pytest.raises(DataError, match=r"column 'y': 5 cells hold formulas"):
        from_file(_workbook(tmp_path / "whole.xlsx", whole, {}), cache=False)
    other: Cells = [[*row[:1], place / 2 if place else "y", *row[1:2]] for place, row in enumerate(rows)]
    other[0] = ["smiles", "y", "z"]
    data = from_file(_workbook(tmp_path / "other.xlsx", other, {}), targets="y", cache=False)
    assert data.targets.ravel().tolist() == [0.5, 1, 1.5, 2, 2.5]
    assert any(note.startswith("column 'z': 2 cells hold formulas without a stored value") for note in data.notes)


def test_molecules_from_formulas_without_a_stored_value_are_refused(tmp_path: Path) -> None:
    rows: Cells = [["smiles", "y"], *([smiles, place / 2] for place, smiles in enumerate(DRUGS))]
    rows[2][0] = '=CONCATENATE("CC","O")'
    path = _workbook(tmp_path / "molecules.xlsx", rows, {})
    words = r"column 'smiles': 1 cell holds a formula without a stored value \(row 3\)"
    with pytest.raises(DataError, match=words):
        from_file(path, cache=False)
    with pytest.raises(DataError, match=words):
        list(read_rows(path).rows)
    both: Cells = [rows[0], *([f"=A{place}", f"=B{place}"] for place in range(5))]
    with pytest.raises(DataError, match=r"no molecules.*In this sheet, 10 cells hold formulas without a stored value"):
        from_file(_workbook(tmp_path / "both.xlsx", both, {}), cache=False)


def test_stored_values_of_formulas_are_read(tmp_path: Path) -> None:
    """The same cells as a spreadsheet program stores them; the value of a formula may be the empty text."""
    rows: Cells = [["smiles", "y"], *([smiles, f"={place}/2"] for place, smiles in enumerate(DRUGS))]
    path, stored = _workbook(tmp_path / "mine.xlsx", rows, {}), tmp_path / "stored.xlsx"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(stored, "w") as new:
        for name in old.namelist():
            text = old.read(name).decode()
            if name == "xl/worksheets/sheet1.xml":
                text = re.sub(
                    r"<f>(\d)/2</f><v ?/>", lambda found: f"<f>{found[0]}</f><v>{int(found[1]) / 2}</v>", text
                )
                text = re.sub(r'<c r="B6"[^>]*>.*?</c>', '<c r="B6" t="str"><f>""</f><v></v></c>', text)
            new.writestr(name, text)
    data = from_file(stored, cache=False)
    assert data.targets.ravel().tolist() == pytest.approx([0, 0.5, 1, 1.5, float("nan")], nan_ok=True)
    assert unstored_formulas(path, "Sheet") == [(row, 1) for row in range(2, 7)]
    assert unstored_formulas(stored, "Sheet") == []


def test_a_part_that_declares_entities_is_refused(tmp_path: Path) -> None:
    path, bomb = _workbook(tmp_path / "mine.xlsx", [["smiles", "y"], ["CCO", "=1"]], {}), tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(bomb, "w") as new:
        for name in old.namelist():
            text = old.read(name).decode()
            head = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' if name.endswith("sheet1.xml") else ""
            new.writestr(name, head + text)
    with pytest.raises(DataError, match="cannot be read as a spreadsheet"):
        from_file(bomb, cache=False)


def test_a_first_sheet_without_a_table_names_the_others(tmp_path: Path) -> None:
    table: Cells = [["smiles", "y"], *([smiles, place / 2] for place, smiles in enumerate(DRUGS))]
    empty: Cells = []
    for first in ([["read me"]], empty):
        path = _workbook(tmp_path / "mine.xlsx", first, {"data": table})
        with pytest.raises(DataError, match=r"no molecules.*Reading sheet 'Sheet'; not read: 'data'.*: sheet='data'\."):
            from_file(path, cache=False)
        assert len(from_file(path, sheet="data", cache=False)) == len(DRUGS)
