"""Rows of files with all their cells, read while they are used."""

import gzip
import io
import sys
from pathlib import Path

import pandas as pd
import pytest
from rdkit import Chem

from molweight.datasets import from_file
from molweight.datasets.internal import Reading, read_rows
from molweight.errors import DataError

FRAME = pd.DataFrame({"id": ["7", "a b", ""], "smiles": ["CCO", "C1CC", "c1ccccc1"], "y": ["0.5", "", "1,5"]})
ROWS = FRAME.to_numpy().tolist()
_LONG = "CCN\n" * 70


@pytest.mark.parametrize("ending", ["csv", "tsv", "csv.gz", "parquet", "xlsx", "txt", "tab"])
def test_every_format_gives_its_cells(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"mine.{ending}"
    if ending == "parquet":
        FRAME.to_parquet(path)
    elif ending == "xlsx":
        FRAME.to_excel(path, index=False)
    else:
        FRAME.to_csv(path, index=False, sep="," if "csv" in ending else "\t")
    table = read_rows(path)
    assert (table.columns, table.smiles) == (["id", "smiles", "y"], 1)
    rows = list(table.rows)
    assert [cells for _, cells in rows] == ROWS
    assert [row for row, _ in rows] == ([1, 2, 3] if ending == "parquet" else [2, 3, 4])


@pytest.mark.parametrize(
    ("text", "columns", "cells"),
    [
        ("CCO\nC\n", ["smiles"], [["CCO"], ["C"]]),
        ("CCO ethyl alcohol\n\nC\n", ["smiles", "name"], [["CCO", "ethyl alcohol"], ["C", ""]]),
        ("CCO\tx y\t7\nC\n", ["smiles", "name", "column 3"], [["CCO", "x y", "7"], ["C", "", ""]]),
        ("smiles code\nCCO a\nC b\n", ["smiles", "code"], [["CCO", "a"], ["C", "b"]]),
        ("C1CC |c:1| x\n", ["smiles", "name"], [["C1CC |c:1|", "x"]]),
        ("id,smiles\na,CCO\nb,C\n", ["id", "smiles"], [["a", "CCO"], ["b", "C"]]),
    ],
)
def test_lists_of_smiles_keep_what_follows_them(
    text: str, columns: list[str], cells: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.smi.gz"
    path.write_bytes(gzip.compress(text.encode()))
    table = read_rows(path)
    assert (table.columns, [found for _, found in table.rows]) == (columns, cells)
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    assert read_rows("-").columns == columns


@pytest.mark.parametrize("name", ["mine.csv", "mine.smi", "mine.sdf"])
def test_bytes_of_another_encoding_are_refused(name: str, tmp_path: Path) -> None:
    """They would be lost in what predict keeps of its input; ``from_file`` refuses them with the same words."""
    path, rows = tmp_path / name, [("C", "a"), ("CC", "\u00e4"), ("CCC", "\u00f6")]
    text = "smiles,name\n" + "".join(f"{smiles},{title}\n" for smiles, title in rows)
    if name == "mine.smi":
        text = "".join(f"{smiles} {title}\n" for smiles, title in rows)
    elif name == "mine.sdf":
        text = "".join(f"{title}{Chem.MolToMolBlock(Chem.MolFromSmiles(smiles))}$$$$\n" for smiles, title in rows)
    path.write_bytes(text.encode("cp1252"))
    said = []
    for read in (from_file, lambda path: list(read_rows(path).rows)):
        with pytest.raises(DataError, match=r"row \d+: byte 0xe4 is not utf-8 text\. .* encoding='cp1252'") as error:
            read(path)
        said.append(str(error.value))
    assert said[0] == said[1]
    found = read_rows(path, how=Reading(encoding="cp1252")).rows
    assert [cells[1] for _, cells in found] == ["a", "\u00e4", "\u00f6"]


def test_a_replacement_character_of_the_file_itself_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("smiles,name\nC,\ufffd\n", encoding="utf-8")
    assert [cells[1] for _, cells in read_rows(path).rows] == ["\ufffd"]


def test_a_list_is_read_beyond_its_first_lines(tmp_path: Path) -> None:
    path = tmp_path / "mine.smi"
    path.write_text("\n".join("C" * n for n in range(1, 200)) + "\n\nCCO late name\n")
    rows = list(read_rows(path).rows)
    assert rows[150] == (151, ["C" * 151, ""])
    assert rows[-1] == (201, ["CCO", "late name"])


@pytest.mark.parametrize("header", ["", "smiles\n"])
@pytest.mark.parametrize("last", ["CCO M7", "CCO\tM7", "CCO |$_AV:;;$| M7"])
def test_names_that_begin_late_are_kept(header: str, last: str, tmp_path: Path) -> None:
    (tmp_path / "mine.smi.gz").write_bytes(gzip.compress(f"{header}{_LONG}{last}\n".encode()))
    table = read_rows(tmp_path / "mine.smi.gz")
    rows = [cells for _, cells in table.rows]
    assert (table.columns, rows[0]) == (["smiles", "name"], ["CCN", ""])
    assert rows[-1] == [last[:-3], "M7"]


def test_names_that_begin_late_on_standard_input_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, width in ((f"{_LONG}CCO M7\n", 2), (_LONG, 2), ("CCN\n" * 40, 1)):
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        table = read_rows("-")
        assert table.columns == ["smiles", "name"][:width]
        assert [len(cells) for _, cells in table.rows] == [width] * text.count("\n")
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{_LONG}CCO M7\n"))
    assert list(read_rows("-").rows)[-1] == (71, ["CCO", "M7"])


def test_a_long_list_without_names_has_one_column(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text(f"{_LONG}C1CC |c:1|\n")
    table = read_rows(tmp_path / "mine.txt")
    assert (table.columns, list(table.rows)[-1]) == (["smiles"], (71, ["C1CC |c:1|"]))


def test_sd_files_give_every_value_of_any_record(tmp_path: Path) -> None:
    blocks = [Chem.MolToMolBlock(Chem.MolFromSmiles(text)) for text in ("CCO", "c1ccccc1")]
    records = [f"ethanol{blocks[0]}> <id>\n7\n\n", f"benzene{blocks[1]}> <title>\nphene\n\n> <y>\n0.5\n\n"]
    (tmp_path / "mine.sdf").write_text("$$$$\n".join(records))
    table = read_rows(tmp_path / "mine.sdf")
    assert table.columns == ["structure", "title", "id", "title (value)", "y"]
    assert list(table.rows) == [
        (1, ["CCO", "ethanol", "7", "", ""]),
        (2, ["c1ccccc1", "benzene", "", "phene", "0.5"]),
    ]


def test_what_is_named_is_used(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("CCO|C\nCC|N\n")
    table = read_rows(tmp_path / "mine.csv", None, Reading(delimiter="|", header=True))
    assert (table.columns, list(table.rows)) == (["CCO", "C"], [(2, ["CC", "N"])])
    (tmp_path / "two.csv").write_text("smiles,other\nC,CC\n")
    assert read_rows(tmp_path / "two.csv", "other").smiles == 1
    with pytest.raises(DataError, match="did you mean 'other'"):
        read_rows(tmp_path / "two.csv", "othr")


@pytest.mark.parametrize("content", [b"", b"\n \n", b"smiles,y\n"])
def test_files_without_molecules_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_bytes(content)
    with pytest.raises(DataError, match="no molecules"):
        list(read_rows(tmp_path / "mine.csv").rows)
    with pytest.raises(DataError, match="there is no such file"):
        read_rows(tmp_path / "nowhere.csv")
