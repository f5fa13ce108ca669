"""Files that cannot be used: one message each, with file, row, column, what was found, and what to do."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from molweight.datasets import from_csv, from_file
from molweight.datasets.internal import read_records
from molweight.errors import ConfigError, DataError, MolweightError

Write = Callable[..., Path]

CONTENTS = {
    "empty": (b"", "the file is empty"),
    "blank": (b" \n\r\n \n", "the file is empty"),
    "only a byte-order mark": (b"\xff\xfe", "the file is empty"),
    "only quotes": (b'""\n', "only a header in row 1, and no molecules"),
    "header only": (b"smiles,y\n", "only a header in row 1, and no molecules"),
    "header and blank lines": (b"\n\nsmiles,y\n\n\n", "only a header in row 3, and no molecules"),
    "NUL bytes": (b"smiles,y\nCCO,1\nC\0N,0\n", "row 3: holds a NUL character.*encoding"),
    "UTF-16 without a mark": ("smiles,y\nCCO,1\n".encode("utf-16-le"), "row 1: holds a NUL character.*utf-16"),
    "another encoding": ("smiles,y\nCCO,1\nCCN,ø\n".encode("cp1252"), r"row 3: byte 0xf8 is not utf-8.*cp1252"),
    "half a character": ("smiles,y\nCCO,1\n".encode("utf-16")[:-1], "is not utf-16 text"),
    "truncated gzip": (gzip.compress(b"smiles,y\nCCO,1\n" * 99)[:-20], "truncated or damaged"),
    "damaged gzip": (gzip.compress(b"smiles,y\nCCO,1\n" * 99)[:-8] + bytes(8), "truncated or damaged"),
    "a spreadsheet": (b"PK\x03\x04" + bytes(99), "a zip archive or a spreadsheet, not text"),
    "a long row": (b"smiles,y\nCCO,1\nCC,N,0\n", "row 3: has 3 cells, but the header has 2.*Quote"),
    "a short row": (b"smiles,y,z\nCCO,1,0\nCCN,1\n", "row 3: has 2 cells, but the header has 3"),
    "an open quote": (b'smiles,y\nCCO,1\n"CCN,0\nCCF,1\n', "row 3: cannot be read as a table.*quotes"),
    "a stray quote": (b'smiles,y\nCCO,1\n"CC"N,0\n', "row 3: cannot be read as a table.*quotes"),
    "words for labels": (
        b"smiles,y\nCCO,1\n\nCCN,high\nC,low\n",
        r"row 4, column 'y': 'high' is not a number \(2 such",
    ),
    "half a number": (b"smiles,y\nCCO,1\nCCN,1.0e\n", "row 3, column 'y': '1.0e' is not a number"),
    "digits with underscores": (b"smiles,y\nCCO,1\nCCN,1_000\n", "row 3, column 'y': '1_000' is not a number"),
    "mixed decimals": (b"smiles;y\nCCO;1,5\nCCN;2.5\n", "row 2, column 'y': '1,5' is not.*with a point"),
    "thousands or decimals": (
        b"smiles;y\nCCO;1,500\nCCN;2\n",
        "'1,500' is 1.5 with a decimal comma and 1500 .*decimal",
    ),
    "infinity": (b"smiles,y\nCCO,0.5\nCCN,-inf\n", "row 3, column 'y': '-inf' is not a finite float32 number"),
    "beyond float32": (b"smiles,y\nCCO,0.5\nCCN,1e39\n", "row 3, column 'y': '1e39' is not a finite float32 number"),
    "beyond float64": (b"smiles,y\nCCO,0.5\nCCN,1e999\n", "row 3, column 'y': '1e999' is not a finite float32"),
    "one class": (b"smiles,y\nCCO,1\nCCN,1\nC,\n", "column 'y': all 2 labels are 1, but a classifier needs both"),
    "no label": (b"smiles,y\nCCO,\nCCN,NA\n", "column 'y': has no label at all"),
    "no such column": (b"smiles,solubility\nCCO,1\n", "no column 'y'.*'smiles', 'solubility'"),
    "no molecule": (
        b"smiles,y\nC1CC,0.5\n,1.5\n",
        "none of the 2 rows, starting at row 2, .*'C1CC' .ring 1 is not closed.",
    ),
}


@pytest.mark.parametrize("case", CONTENTS)
def test_one_clear_message(case: str, write: Write) -> None:
    content, words = CONTENTS[case]
    path = write(content)
    with pytest.raises(DataError) as raised:
        from_csv(path, "smiles", ["y"], cache=False, n_jobs=1)
    message = str(raised.value)
    assert message.startswith(str(path))
    assert re.search(words, message), message
    assert message.endswith((".", "')", "'utf-16'."))
    assert "\n" not in message


def test_missing_files_name_the_nearest(write: Write) -> None:
    path = write("smiles,y\nCCO,1\n", "solubility.csv")
    with pytest.raises(DataError, match=r"no such file; did you mean 'solubility\.csv'"):
        from_csv(path.with_name("solubilty.csv"))
    with pytest.raises(DataError, match="does not exist either"):
        from_csv(path.parent / "nowhere" / "mine.csv")


def test_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder"):
        from_csv(tmp_path)


def test_unreadable_paths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        from_csv(tmp_path / ("x" * 300))


def test_misspelt_columns_name_the_nearest(write: Write) -> None:
    path = write("SMILES,logS\nCCO,0.5\n")
    with pytest.raises(DataError, match="no column 'smiles'; did you mean 'SMILES'"):
        from_csv(path, "smiles")
    with pytest.raises(DataError, match="no column 'LogS'; did you mean 'logS'"):
        from_csv(path, targets="LogS")


def test_a_table_without_smiles_or_without_a_header(write: Write) -> None:
    with pytest.raises(DataError, match=r"none of the columns 'name', 'y' holds SMILES.*smiles="):
        from_csv(write("name,y\nethanol,0.5\nphenol,0.7\n"))
    with pytest.raises(DataError, match=r"SMILES that can be parsed.*header line"):
        from_csv(write("1,0.5\n2,0.7\n"))


def test_labels_that_are_no_classes(write: Write) -> None:
    path = write("smiles,y\nCCO,-1\nCCN,1\nCCF,2\n")
    with pytest.raises(DataError, match=r"column 'y': the label -1 is not a class.*0 and 1"):
        from_csv(path, "smiles", ["y"], task="classification")


@pytest.mark.parametrize(
    "rows",
    [
        "C1CC,1\nC1CO,1\n",  # neither has a valid molecule
        "CCO,1\nOCC,0\nNC,1\nCN,0\n",  # replicates without a majority
    ],
)
def test_a_class_that_remains_in_no_usable_row_is_refused(rows: str, write: Write) -> None:
    zeros = "".join(f"{'C' * size}Cl,0\n" for size in range(1, 31))
    message = r"mine\.csv, rows that can be used, column 'y': all 30 labels are 0, but a classifier needs both classes"
    with pytest.raises(DataError, match=message):
        from_csv(write(f"smiles,y\n{zeros}{rows}"), duplicates="mean", cache=False)


def test_labels_that_only_rows_without_a_molecule_have_are_refused(write: Write) -> None:
    path = write("smiles,y\nCCO,\nCCN,\nC1CC,0.5\n")
    with pytest.raises(DataError, match=r"rows that can be used, column 'y': has no label at all"):
        from_csv(path, "smiles", ["y"], cache=False)


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("task", "clasification", "did you mean 'classification'"),
        ("metric", "auc_roc", "metric='auc_roc' is unknown"),
        ("decimal", "x", r"decimal='x' is unknown\. Choices: '\.', ','\."),
        ("task", "foo", "Choices: classification, regression, multiclass"),
        ("task", 3, "task=3 "),
        ("on_error", "ignore", "Choices: raise, skip, nan"),
        ("delimiter", ", ", "delimiter must be one character"),
    ],
)
def test_options_name_their_choices(option: str, value: str, words: str, write: Write) -> None:
    with pytest.raises(ConfigError, match=words):
        from_csv(write("smiles,y\nCCO,0.5\n"), **{option: value})


def test_unknown_encodings(write: Write) -> None:
    with pytest.raises(DataError, match="no encoding 'utf-9'"):
        from_csv(write("smiles,y\nCCO,0.5\n"), encoding="utf-9")


@pytest.mark.parametrize(
    "smiles",
    [
        "C" * 5_000,
        "[13CH4]",
        "*C(=O)[C@H](CCCCNC(=O)OCCOC)NC(=O)OCCOC",
        "CCO>>CC=O",
        "*CC(*)c1ccccc1",
        "C1CCCCC",
        "C",
        "[U]",
        "[999Xe]",
        "N->[Pt]",
        "[H][H]",
        "%%%",
        "C C",
        "[*:1]C",
        "\\",
    ],
)
def test_odd_molecules_are_used_or_reported_and_shift_nothing(smiles: str, write: Write) -> None:
    try:
        data = from_csv(write(f"smiles,y\nCCO,0.5\n{smiles},1.5\nCCN,2.5\n"), cache=False, n_jobs=1)
    except MolweightError as error:
        pytest.fail(str(error))
    assert len(data) + len(data.rejects) == 3
    assert data.targets[0].item() == 0.5
    assert data.targets[-1].item() == 2.5


UNNAMED = {
    "a word": ("smiles,y\nCCO,1\nC,0\n\nCCN,abc\nCCF,1\n", "row 5, column 'y': 'abc' is not a number. Correct it"),
    "two words": ("smiles,y\nCCO,1\nC,low\nCCN,abc\nCCF,1\nN,1\n", r"row 3, column 'y': 'low' .* \(2 such cells"),
    "infinity": ("smiles,y\nCCO,1.5\nC,inf\nCCN,2\n", "row 3, column 'y': 'inf' is not a finite float32 number"),
    "next to a good one": ("smiles,y,z\nCCO,1,1.5\nC,0,?!\nCCN,1,2\n", r"row 3, column 'z': '\?!' is not a number"),
    "an empty column": ("smiles,y\nCCO,\nC,NA\n", r"column 'y': no row has a label.*targets=\[\.\.\.\]"),
}


@pytest.mark.parametrize("case", UNNAMED)
def test_a_label_column_that_would_be_found_but_for_some_cells_is_refused(case: str, write: Write) -> None:
    content, words = UNNAMED[case]
    path = write(content.encode())
    with pytest.raises(DataError, match=f"{re.escape(str(path))}, {words}"):
        from_csv(path, cache=False, n_jobs=1)


def test_columns_of_text_and_identifiers_are_left_out_as_before(write: Write) -> None:
    content = "id,smiles,remark,note,note,y\na1,CCO,good,,x,0.5\n7,CCN,3,,,1.5\n,C,bad,,y,2.5\n"
    data = from_csv(write(content.encode()), cache=False, n_jobs=1)
    assert list(data.target_names) == ["y"]
    empty = from_csv(write(b"smiles,y\nCCO,\nC,\n"), targets=[], cache=False, n_jobs=1)
    assert empty.task is None


def test_an_absent_smiles_column_is_named_before_the_labels(write: Write) -> None:
    path = write(b"smiles,y\nCCO,1\nC,0\nCCN,abc\n")
    with pytest.raises(DataError, match="no column 'smile'; did you mean 'smiles'"):
        from_csv(path, "smile", cache=False, n_jobs=1)


@pytest.mark.parametrize(
    ("read", "old", "new"),
    [
        (from_file, b"\x04name%", b"\x04\xbdame%"),
        (lambda path: list(read_records(path)), b'"pandas_version"', b'"pandas_versio\n"'),
    ],
    ids=["name of a column", "notes of pandas"],
)
def test_damage_inside_a_parquet_file_is_one_sentence(
    read: Callable[[Path], object], old: bytes, new: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "table.parquet"
    frame = pd.DataFrame({"smiles": ["CCO", "C"], "y": [0.5, 1.5], "name": ["ethanol", "methane"]})
    frame.to_parquet(path, compression=None)
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    with pytest.raises(DataError, match=r"table.parquet: cannot be read as Parquet"):
        read(path)
