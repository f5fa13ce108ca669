"""Units of labels: each number keeps its own, whether it is in the cell, in a column of units, or in the header."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from molweight.datasets import from_file
from molweight.errors import DataError
from molweight.graphs import MoleculeDataset

DRUGS = (
    *("CC(=O)Oc1ccccc1C(=O)O", "CC(C)Cc1ccc(cc1)C(C)C(=O)O", "Cn1cnc2c1c(=O)n(C)c(=O)n2C", "CC(=O)Nc1ccc(O)cc1"),
    *("CN1CCC[C@H]1c1cccnc1", "OC(=O)c1ccccc1O", "CCN(CC)CCNC(=O)c1ccc(N)cc1", "NC(=O)c1cnccn1", "NNC(=O)c1ccncc1"),
    *("CN(C)C(=N)NC(N)=N", "Clc1ccccc1CN1CCc2sccc2C1", "OCC(O)CO"),
)
PLAIN = [100 + 10 * place for place in range(len(DRUGS))]


def read(
    folder: Path, cells: list[Any], target: str, *, header: str = "y", units: list[str] | None = None, **options: Any
) -> MoleculeDataset:
    columns = [DRUGS, cells, *([] if units is None else [units])]
    head = ",".join(["smiles", header, *([] if units is None else ["Units"])])
    rows = [",".join(map(str, row)) for row in zip(*columns, strict=True)]
    (folder / "mine.csv").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return from_file(folder / "mine.csv", targets=[target], cache=False, n_jobs=1, **options)


def labels(data: MoleculeDataset) -> list[float]:
    found: list[float] = data.targets.ravel().tolist()
    return found


def said(data: MoleculeDataset) -> str:
    return " | ".join(data.notes)


def test_a_unit_in_one_cell_is_that_of_this_cell(tmp_path: Path) -> None:
    data = read(tmp_path, [*PLAIN[:11], ">50 uM"], "p(IC50 (nM))", header="IC50 (nM)")
    assert labels(data)[:2] == pytest.approx([7, -np.log10(110e-9)])
    assert labels(data)[11] == pytest.approx(-np.log10(50e-6))
    assert data.columns["label_bounds"].ravel().tolist() == [0] * 11 + [-1]
    assert "units: 1 label in uM (written in the cell), 11 in nM (stated for the column)" in said(data)


def test_without_a_common_scale_a_cell_in_another_unit_is_a_reject(tmp_path: Path) -> None:
    data = read(tmp_path, [*PLAIN[:11], ">50 uM"], "IC50 (nM)", header="IC50 (nM)")
    assert labels(data) == PLAIN[:11]
    assert "'>50 uM' is in one of several units (nM, uM); the target 'p(IC50 (nM))' converts" in data.rejects[0].reason
    assert "label_bounds" not in data.columns


@pytest.mark.parametrize("cells", [["0.1 uM", *PLAIN[1:]], ["100 nM", *PLAIN[1:]]])
def test_a_unit_in_some_cells_is_not_that_of_the_others(cells: list[Any], tmp_path: Path) -> None:
    assert labels(read(tmp_path, cells, "y")) == PLAIN[1:]
    with pytest.raises(DataError, match=r"'110' has no unit, while other cells have one; a unit in the name of the"):
        read(tmp_path, cells, "p(y)")
    assert np.isnan(labels(read(tmp_path, cells, "p(y)", on_error="nan"))[1:]).all()
    named = read(tmp_path, cells, "p(Ki_nM)", header="Ki_nM")
    assert labels(named) == pytest.approx(list(-np.log10(np.array(PLAIN) * 1e-9)))


def test_spellings_of_a_unit_are_no_different_units(tmp_path: Path) -> None:
    cells = ["1 uM", "2 \u00b5M", "3 \u03bcM", *[f"{n} umol/l" for n in range(4, 13)]]
    assert labels(read(tmp_path, cells, "y")) == list(range(1, 13))
    assert labels(read(tmp_path, [f"{cell} nM" for cell in PLAIN], "IC50 (nM)", header="IC50 (nM)")) == PLAIN
    percent = read(tmp_path, ["5 %", *PLAIN[1:]], "y")
    assert labels(percent) == [5, *PLAIN[1:]]
    assert "other cells have none, so check that all are on the same scale" in said(percent)


@pytest.mark.parametrize("target", ["Value", "p(Value)"])
def test_a_unit_in_the_cell_must_be_that_of_the_column_of_units(target: str, tmp_path: Path) -> None:
    cells = ["0.1 uM", "110 nM", *PLAIN[2:]]
    data = read(tmp_path, cells, target, header="Value", units=["nM"] * 12)
    assert "'0.1 uM' has the unit uM, but the column of units says nM" in data.rejects[0].reason
    expected = PLAIN[1:] if target == "Value" else list(-np.log10(np.array(PLAIN[1:]) * 1e-9))
    assert labels(data) == pytest.approx(expected)


@pytest.mark.parametrize(("rest", "few"), [("uM", "nM"), ("uM", "ug/mL"), ("nM", "%")])
def test_rows_in_another_unit_than_most_rows_are_rejects(rest: str, few: str, tmp_path: Path) -> None:
    units = [few, *[rest] * 7, few, *[rest] * 3]
    data = read(tmp_path, PLAIN, "y", units=units)
    assert labels(data) == [value for value, unit in zip(PLAIN, units, strict=True) if unit == rest]
    assert [item.number for item in data.rejects] == [2, 10]
    assert f"'100' is in one of several units ({', '.join(sorted([rest, few]))}); " in data.rejects[0].reason
    assert data.units == {"y": rest}
    assert "labels in other units than the most common one are left out" in said(data)


def test_spellings_in_the_column_of_units_are_no_different_units(tmp_path: Path) -> None:
    data = read(tmp_path, PLAIN, "y", units=["uM", "\u00b5M", "micromolar", *["uM"] * 9])
    assert labels(data) == PLAIN
    assert "several units" not in said(data)


def test_a_row_without_a_unit_is_kept(tmp_path: Path) -> None:
    assert labels(read(tmp_path, PLAIN, "y", units=["", *["uM"] * 11])) == PLAIN


def test_a_unit_in_the_cell_counts_where_the_column_of_units_is_empty(tmp_path: Path) -> None:
    data = read(tmp_path, ["0.1 uM", *PLAIN[1:]], "p(Value)", header="Value", units=["", *["nM"] * 11])
    assert labels(data)[:2] == pytest.approx([7, -np.log10(110e-9)])
    assert "units: 1 label in uM (written in the cell), 11 in nM (in the column of units)" in said(data)
