"""People's own tables: what is found in them, and that labels stay with their molecules."""

import bz2
import csv
import gzip
import io
import logging
import lzma
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molweight.datasets import from_csv, from_smiles
from molweight.datasets._table import parse_table, read_table
from molweight.errors import ConfigError, DataError
from molweight.graphs import MoleculeDataset

Write = Callable[..., Path]


def read(path: Path, *args: object, **options: object) -> MoleculeDataset:
    return from_csv(path, *args, cache=False, n_jobs=1, **options)  # type: ignore[arg-type]  # options are under test


def test_a_plain_table(write: Write) -> None:
    data = read(write("smiles,y\nCCO,1.5\nc1ccccc1,-2e-1\n"))
    assert list(data.smiles) == ["CCO", "c1ccccc1"]
    assert data.targets.ravel().tolist() == pytest.approx([1.5, -0.2])
    assert (data.name, data.task, data.metric, data.target_names) == ("mine", "regression", "rmse", ["y"])


def test_texts_that_differ_in_blanks_only_are_one() -> None:
    table = parse_table("smiles,word\nC,b\nN, b\nO,a \nF,b \n", "mine.csv")
    codes, texts = table.distinct("word")
    assert (codes.tolist(), texts) == ([0, 0, 1, 0], ["b", "a"])


def test_a_blank_line_after_each_row_as_in_hiv_and_muv(write: Write) -> None:
    data = read(write("smiles,activity,HIV_active\nCCO,CI,0\n\nC1CC,CM,1\n\nCCN,CA,1\n\n"), targets="HIV_active")
    assert list(data.smiles) == ["CCO", "CCN"]
    assert data.targets.ravel().tolist() == [0, 1]
    assert [(item.row, item.smiles) for item in data.rejects] == [(1, "C1CC")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_as_in_bbbp_and_freesolv(end: str, write: Write) -> None:
    data = read(write(end.join(["num,name,p_np,smiles", "1,a,1,CCO", "2,b,0,CCN", ""])))
    assert list(data.smiles) == ["CCO", "CCN"]
    assert data.target_names == ["p_np"]  # `num` counts the rows
    assert data.targets.ravel().tolist() == [1, 0]


def test_trailing_blanks_in_smiles_as_in_esol(write: Write) -> None:
    assert list(read(write("y,smiles\n0.5,CCO \n1.5, CCN\n")).smiles) == ["CCO", "CCN"]


def test_quoted_headers_with_commas_as_in_sider(write: Write) -> None:
    name = "Neoplasms benign, malignant and unspecified (incl cysts and polyps)"
    data = read(write(f'smiles,"{name}",Eye disorders\nCCO,1,0\nCCN,0,1\n'))
    assert data.target_names == [name, "Eye disorders"]
    assert data.targets.tolist() == [[1, 0], [0, 1]]


def test_a_smiles_column_called_mol_as_in_bace(write: Write) -> None:
    data = read(write("mol,CID,Class,Model\nCCO,BACE_1,1,Train\nCCN,BACE_2,0,Train\n"))
    assert (list(data.smiles), data.target_names) == (["CCO", "CCN"], ["Class"])


def test_the_word_fail_as_in_toxcast(write: Write) -> None:
    data = read(write("smiles,a,b\nCCO,1,0\nFAIL,0,0\nCCN,0,1\n"))
    assert data.rows.tolist() == [0, 2]
    assert data.targets.tolist() == [[1, 0], [0, 1]]
    assert data.rejects[0].smiles == "FAIL"


def test_missing_labels(write: Write) -> None:
    cells = ["", "NaN", "nan", "NA", "N/A", "null", "None", " ", "1"]
    rows = "".join(f"{'C' * (i + 1)},{i % 2},{cell}\n" for i, cell in enumerate(cells))
    data = read(write(f"smiles,a,b\n{rows}CCCN,0,0\n"))
    assert np.isnan(data.targets[:8, 1]).all()
    assert data.targets[8:, 1].tolist() == [1, 0]
    assert data.task == "classification"


@pytest.mark.parametrize(
    ("delimiter", "name"), [("\t", "mine.tsv"), (";", "mine.csv"), ("|", "mine.txt"), (",", "mine")]
)
def test_delimiters_are_found(delimiter: str, name: str, write: Write) -> None:
    text = "smiles,note,y\nCCO,'one; two',0.1\nCCN,x,0.2\n".replace(",", delimiter)
    data = read(write(text.replace("one; two", "one two" if delimiter == ";" else "one; two"), name))
    assert (list(data.smiles), data.target_names) == (["CCO", "CCN"], ["y"])


def test_blanks_separate_where_nothing_else_does(write: Write) -> None:
    data = read(write("smiles y\nCCO 0.1\nCCN 0.2\n"))
    assert (list(data.smiles), data.target_names) == (["CCO", "CCN"], ["y"])
    assert list(read(write("smiles\nCCO ethanol\nCCN\n")).smiles) == ["CCO ethanol", "CCN"]


def test_a_tab_separated_table_with_commas_in_its_cells(write: Write) -> None:
    data = read(write("smiles\tname, long\ty\nCCO\ta, b\t0.1\nCCN\tc\t0.2\n"))
    assert data.targets.ravel().tolist() == pytest.approx([0.1, 0.2])


@pytest.mark.parametrize("name", ["my.v2.csv", "my.v2.csv.gz", "my.v2.tsv.xz", "my.v2.smi"])
def test_the_name_is_that_of_the_file(name: str, write: Write) -> None:
    assert read(write("smiles,y\nCCO,1.5\n", name)).name == "my.v2"


def test_a_column_of_smiles_alone(write: Write) -> None:
    data = read(write("smiles\nCCO\n\nCCN\n"))
    assert (len(data), data.targets.shape, data.task, data.metric) == (2, (2, 0), None, None)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings_with_a_mark_are_found(encoding: str, write: Write) -> None:
    data = read(write("smiles,løslighed\nCCO,0.5\nCCN,1.5\n".encode(encoding)))
    assert data.target_names == ["løslighed"]


def test_a_named_encoding(write: Write) -> None:
    assert read(write("smiles,ø\nCCO,0.5\n".encode("cp1252")), encoding="cp1252").target_names == ["ø"]


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
def test_packed_tables_whatever_they_are_called(pack: Callable[[bytes], bytes], write: Write) -> None:
    assert len(read(write(pack(b"smiles,y\nCCO,0.5\nCCN,1.5\n"), "mine.csv"))) == 2


def test_the_smiles_column_is_found_by_its_content(write: Write) -> None:
    data = read(write("label,drug,y\na,c1ccccc1O,0.1\nb,CC(=O)O,0.2\nc,C1CC,0.3\nd,CCN,0.4\ne,CCF,0.5\n"))
    assert list(data.smiles) == ["c1ccccc1O", "CC(=O)O", "CCN", "CCF"]
    assert data.targets.ravel().tolist() == pytest.approx([0.1, 0.2, 0.4, 0.5])


def test_a_molecule_column_with_names_is_passed_over(write: Write) -> None:
    data = read(write("Molecule,Canonical SMILES,y\nethanol,CCO,0.1\nphenol,c1ccccc1O,0.2\n"))
    assert list(data.smiles) == ["CCO", "c1ccccc1O"]


def test_what_was_found_is_stated(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="molweight.datasets"):
        read(write("id,smiles,y,note\n7,CCO,1,a\n3,CCN,0,b\n"))
    said = " | ".join(record.getMessage() for record in caplog.records)
    assert "SMILES are read from column 'smiles'" in said
    assert "labels are read from 'y'; other columns: 'id', 'note'" in said
    assert "task: classification (inferred: all labels are 0 or 1)" in said


def test_classes_and_numbers_side_by_side_are_not_guessed(write: Write) -> None:
    path = write("smiles,active,pIC50\nCCO,1,6.5\nCCN,0,4.5\n")
    with pytest.raises(DataError, match=r"column 'active' holds classes .* column 'pIC50' holds numbers.*targets="):
        read(path)
    assert read(path, task="classification").target_names == ["active"]
    assert read(path, targets=["pIC50"]).task == "regression"
    assert read(path, targets=["active", "pIC50"]).task == "classification,regression"
    assert read(path, targets=["active", "pIC50"], task="regression").task == "regression"


def test_a_task_that_no_column_fits_is_refused_with_the_reason(write: Write) -> None:
    numbers = write("smiles,solvation\nCCO,1.5\nCCN,0.5\nCCC,-2\n")
    with pytest.raises(DataError, match=r"column 'solvation' holds numbers, not classes\. Leave task='classification'"):
        read(numbers, task="classification")
    rows = [f"{'C' * n}O,{('low', 'mid', 'high')[n % 3]}" for n in range(1, 13)]
    words = write("\n".join(["smiles,solubility", *rows]))
    with pytest.raises(DataError, match=r"'solubility' holds words, not numbers\. In place of task='regression'"):
        read(words, task="regression")
    assert read(words, targets=["solubility"], task="multiclass").task == "multiclass"


def test_rejects_are_reported_with_their_row_in_the_file(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    path = write("smiles,y\nCCO,0.1\n\nC1CC,0.2\n,0.3\nCCN,0.4\n")
    with caplog.at_level(logging.WARNING, logger="molweight.datasets"):
        data = read(path)
    assert [item.row for item in data.rejects] == [1, 2]
    assert data.targets.ravel().tolist() == pytest.approx([0.1, 0.4])
    assert "row 4, column 'smiles': 'C1CC'" in caplog.text
    assert "row 5, column 'smiles': '' empty" in caplog.text
    with pytest.raises(DataError, match=r"mine\.csv: 2 of 4 rows cannot be used: row 4.*on_error='skip'"):
        read(path, on_error="raise")


def test_a_table_without_rejects_passes_on_error_raise(write: Write) -> None:
    assert len(read(write("smiles,y\nCCO,0.1\n"), on_error="raise")) == 1


def test_quoted_cells_may_span_lines(write: Write) -> None:
    path = write('smiles,note,y\nCCO,"two\nlines",0.1\nCCN,x,abc\n')
    with pytest.raises(DataError, match=r"row 4, column 'y': 'abc' is not a number"):
        read(path, targets=["y"])


def test_empty_cells_beyond_the_header_are_dropped(write: Write) -> None:
    assert read(write("smiles,y\nCCO,0.1,,\nCCN,0.2\n")).targets.ravel().tolist() == pytest.approx([0.1, 0.2])


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
SMILES = st.one_of(
    st.sampled_from(["CCO", "c1ccccc1", "[Na+].[Cl-]", "C", " N#N ", "F/C=C/F"]),
    st.sampled_from(["", "C1CC", "FAIL", "c1ccc", "C(C", "Xx", "CCCC(C)(C)(C)C(C)(C)(C)(C)C"]),
)
LABEL = st.one_of(st.none(), st.floats(-1e6, 1e6, width=32))
ROW = st.tuples(SMILES, CELL, LABEL, LABEL)


DIALECT = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from([",", "\t", ";"]),
        "lineterminator": st.sampled_from(["\n", "\r\n", "\n\n", "\r\n\r\n"]),
        "quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    }
)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=12), dialect=DIALECT)
def test_labels_never_leave_their_molecule(
    rows: list[tuple[str, str, float | None, float | None]],
    dialect: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    rows = [*rows, ("CCCCl", "the last", 0.25, 0.5)]  # so that there is a molecule, and a label in each column
    if dialect["quoting"] == csv.QUOTE_MINIMAL:  # which may leave a carriage return bare
        rows = [(smiles, note.replace("\r", " "), y, z) for smiles, note, y, z in rows]
    text = io.StringIO(newline="")
    writer = csv.writer(text, **dialect)
    writer.writerow(["smiles", "a note", "y", "z"])
    writer.writerows([[s, note, *("" if v is None else repr(v) for v in labels)] for s, note, *labels in rows])
    path = tmp_path_factory.mktemp("round_trip") / "mine.csv"
    path.write_bytes(text.getvalue().encode())
    data = read(path, "smiles", ["y", "z"], task="regression", duplicates="keep")
    assert sorted([*data.rows.tolist(), *(item.row for item in data.rejects)]) == list(range(len(rows)))
    for position, row in enumerate(data.rows):
        assert data.smiles[position] == rows[row][0].strip()
        for found, written in zip(data.targets[position], rows[row][2:], strict=True):
            assert math.isnan(found) if written is None else found == np.float32(written)
    for item in data.rejects:
        assert item.smiles == rows[item.row][0].strip()


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes_give_a_table_or_a_clear_error(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("bytes") / "mine.csv"
    path.write_bytes(content)
    try:
        table = read_table(path)
    except DataError as error:
        assert str(path) in str(error)  # noqa: PT017 - a table is a right answer too
    else:
        assert len(table.frame) > 0


@settings(max_examples=200, deadline=None)
@given(rows=st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=8))
def test_cells_and_rows_come_back_as_written(rows: list[list[str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["a", "b", "c"], *rows])
    table = parse_table(text.getvalue(), "mine", ",", header=True)
    assert table.frame.to_numpy().tolist() == rows
    assert table.row(0) == 2


def test_lists_and_arrays() -> None:
    data = from_smiles(np.array(["CCO", "C1CC", "CCN"]), np.array([[1, 0], [0, 1], [0, 1]]), cache=False)
    assert (data.target_names, data.task) == (["y0", "y1"], "classification")
    assert data.targets.tolist() == [[1, 0], [0, 1]]
    data = from_smiles(["CCO", None, float("nan"), " CCN "], [0.5, 1.5, 2.5, None], cache=False)
    assert list(data.smiles) == ["CCO", "CCN"]
    assert data.targets.ravel().tolist() == pytest.approx([0.5, math.nan], nan_ok=True)
    assert [item.row for item in data.rejects] == [1, 2]


@pytest.mark.parametrize(
    ("smiles", "targets", "words"),
    [
        ("CCO", None, "must be a sequence of SMILES, got the string 'CCO'"),
        ([], None, "there are no molecules"),
        (["CCO", 7], None, "position 1: 7 is int"),
        (["CCO"], [1.0, 2.0], r"targets of shape \(2, 1\) for 1 SMILES"),
        (["CCO"], ["high"], "not all numbers"),
        (["CCO", "CCN"], [0.5, math.inf], "position 1, target 'y0': 'inf' is not a finite"),
        (["CCO"], [1e39], "position 0, target 'y0': '1e.39' is not a finite"),
        (["CCO", "CCN"], [1, 1], "all 2 labels are 1"),
        (["CCO", "CCN"], [math.nan, math.nan], "no label at all"),
        (["C1CC"], [0.5], "none of the 1 rows"),
    ],
)
def test_lists_that_cannot_be_used(smiles: list[str], targets: list[float] | None, words: str) -> None:
    with pytest.raises(DataError, match=words):
        from_smiles(smiles, targets, cache=False)


def test_on_error_for_lists() -> None:
    with pytest.raises(DataError, match="1 of 2 rows cannot be used: position 1: 'C1CC' ring 1 is not"):
        from_smiles(["CCO", "C1CC"], cache=False, on_error="raise")
    with pytest.raises(ConfigError, match="on_error='drop' is unknown"):
        from_smiles(["CCO"], cache=False, on_error="drop")  # type: ignore[arg-type]  # what a user may type
