"""Spreadsheets."""

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest

from molweight.datasets import _excel as excel
from molweight.datasets import from_file
from molweight.errors import ConfigError, DataError

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
