"""Tables as people have them: what is read, reported and refused."""

import gzip
import io
import logging
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rdkit import Chem

from molweight.datasets import from_file, from_frame, from_smiles, load, score, split
from molweight.datasets._from_file import read_any
from molweight.datasets._from_table import understand
from molweight.datasets._header import told_apart
from molweight.datasets._numbers import read_numbers
from molweight.datasets._read_rows import read_rows
from molweight.datasets._records import read_records
from molweight.datasets.internal import format_bound_counts, higher_is_better
from molweight.errors import ConfigError, DataError
from molweight.graphs import MoleculeDataset
from molweight.runs.internal import data_card

Write = Callable[..., Path]

DRUGS = (
    *("CC(=O)Oc1ccccc1C(=O)O", "CC(C)Cc1ccc(cc1)C(C)C(=O)O", "Cn1cnc2c1c(=O)n(C)c(=O)n2C", "CC(=O)Nc1ccc(O)cc1"),
    *("CN1CCC[C@H]1c1cccnc1", "OC(=O)c1ccccc1O", "CCN(CC)CCNC(=O)c1ccc(N)cc1", "NC(=O)c1cnccn1", "NNC(=O)c1ccncc1"),
    *("CN(C)C(=N)NC(N)=N", "Clc1ccccc1CN1CCc2sccc2C1", "OCC(O)CO"),
)
"""Aspirin, ibuprofen, caffeine, paracetamol, nicotine, ..."""
NUMBERS = [0.5 + 0.25 * place for place in range(len(DRUGS))]
ROWS = list(zip(DRUGS, NUMBERS, strict=True))


def table(columns: dict[str, list[Any]], delimiter: str = ",", header: bool = True) -> str:
    rows = zip(DRUGS, *columns.values(), strict=False)
    head = [delimiter.join(["smiles", *columns])] if header else []
    return "\n".join([*head, *(delimiter.join(map(str, row)) for row in rows)]) + "\n"


def read(path: Path, *args: Any, **options: Any) -> MoleculeDataset:
    return from_file(path, *args, cache=False, n_jobs=1, **options)


def said(data: MoleculeDataset) -> str:
    return " | ".join(data.notes)


def labels(data: MoleculeDataset) -> list[float]:
    values: list[float] = data.targets.ravel().tolist()
    return values


def test_a_plain_table_is_read_without_a_word(write: Write) -> None:
    data = read(write(table({"logS": NUMBERS})))
    assert (labels(data), data.notes) == (NUMBERS, [])


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_table_without_a_header_keeps_its_first_molecule(delimiter: str, write: Write) -> None:
    data = read(write(table({"y": NUMBERS}, delimiter, header=False)))
    assert (list(data.smiles), labels(data)) == (list(DRUGS), NUMBERS)
    assert data.target_names == ["column 2"]
    assert "row 1 (CC(=O)Oc1ccccc1C(=O)O, 0.5) is a molecule: read without a header" in said(data)


def test_rows_of_a_table_without_a_header_count_from_1(write: Write) -> None:
    data = read(write("CCO,0.5\nC1CC,1.5\nCCN,2.5\n"))
    assert [(item.row, item.number, item.place) for item in data.rejects] == [(1, 2, "row 2, column 'smiles'")]
    assert read(write("smiles,y\nCCO,0.5\nC1CC,1.5\nCCN,2.5\n")).rejects[0].number == 3


def test_the_first_row_is_quoted_whole_or_visibly_cut(write: Write) -> None:
    """A cut through the label ``-0.77`` would show another number."""
    names = ["C" * 56 + "O", "C" * 70 + "O"]
    found = [said(read(write("\n".join([f"{name},-0.77", "CCO,0.5", "CCN,1.5"])))) for name in names]
    assert f"row 1 ({names[0]}, -0.77) is a molecule" in found[0]
    assert f"row 1 ({names[1][:57]}..., -0.77) is a molecule" in found[1]


def test_whether_there_is_a_header_can_be_said(write: Write) -> None:
    path = write("C,N\nCCO,CCN\nCCC,CCF\n")
    assert list(read(path, "C", [], header=True).smiles) == ["CCO", "CCC"]
    assert list(read(path, targets=[], header=False).smiles) == ["C", "CCO", "CCC"]


@pytest.mark.parametrize("head", ["mol,y", "drug,CO", "structure,1", "my_smiles,N", "CAS,smiles,y"])
def test_headers_are_not_taken_for_molecules(head: str, write: Write) -> None:
    rows = ["50-78-2,CCO,0.5", "58-08-2,CCN,1.5"] if head.count(",") == 2 else ["CCO,0.5", "CCN,1.5"]
    data = read(write("\n".join([head, *rows])))
    assert (list(data.smiles), labels(data)) == (["CCO", "CCN"], [0.5, 1.5])


def test_a_table_without_a_header_and_with_decimal_commas(write: Write) -> None:
    text = "\n".join(f"{smiles};{str(value).replace('.', ',')}" for smiles, value in zip(DRUGS, NUMBERS, strict=True))
    data = read(write(text))
    assert (len(data), labels(data)) == (len(DRUGS), NUMBERS)
    assert "comma is read as the decimal sign" in said(data)


@pytest.mark.parametrize(
    ("words", "one"),
    [
        (("active", "inactive"), "active"),
        (("Active", "Inactive"), "Active"),
        (("yes", "no"), "yes"),
        (("Y", "N"), "Y"),
        (("ja", "nein"), "ja"),
        (("positive", "negative"), "positive"),
        (("+", "-"), "+"),
        (("toxic", "non-toxic"), "toxic"),
        (("BBB+", "BBB-"), "BBB+"),
        (("not sticky", "sticky"), "sticky"),
        (("high", "low"), "high"),
    ],
)
def test_words_that_are_classes(words: tuple[str, str], one: str, write: Write) -> None:
    column = [words[place % 3 == 0] for place in range(len(DRUGS))]
    data = read(write(table({"outcome": column})))
    assert data.task == "classification"
    assert labels(data) == [float(word == one) for word in column]
    other = next(word for word in words if word != one)
    assert f"{one!r} is class 1 and {other!r} class 0" in said(data)
    turned = read(write(table({"outcome": column})), positive=other)
    assert labels(turned) == [float(word == other) for word in column]


def test_words_in_mixed_case_and_without_an_outcome(write: Write) -> None:
    column = ["Active", "inactive", "ACTIVE", "Inactive", "Inconclusive", ""] * 2
    data = read(write(table({"outcome": column})))
    assert labels(data)[:4] == [1, 0, 1, 0]
    assert np.isnan(data.targets[4:6]).all()
    assert "case is ignored" in said(data)
    assert "'Inconclusive' treated as missing (2 rows)" in said(data)


def test_truth_values_and_codes_as_text(write: Write) -> None:
    for cells in (["TRUE", "FALSE"], ["true", "False"], ['"1"', '"0"'], ["1.0", "0.0"]):
        data = read(write(table({"y": cells * 6})))
        assert (data.task, labels(data)[:2]) == ("classification", [1, 0])


def test_truth_values_among_measurements_are_no_numbers(write: Write) -> None:
    cells = [*NUMBERS[:3], "TRUE", "false", *NUMBERS[5:]]
    path = write(table({"logD": cells}))
    with pytest.raises(DataError, match=r"row 5, column 'logD': 'TRUE' is not a number \(2 such cells"):
        read(path)
    data = read(path, targets="logD")
    assert labels(data) == [*NUMBERS[:3], *NUMBERS[5:]]
    assert [item.reason for item in data.rejects] == [f"column 'logD': {word!r} is not a number" for word in cells[3:5]]
    mixed = read(write(table({"hit": ["TRUE", "0", "1.0", "false", "n.d.", "0.0"] * 2})))
    assert mixed.task == "classification"
    assert labels(mixed)[:6] == pytest.approx([1, 0, 1, 0, np.nan, 0], nan_ok=True)


def test_words_nobody_knows_are_classes_only_if_named(write: Write) -> None:
    path = write(table({"ligand": ["blue", "red"] * 6}))
    assert read(path).task is None
    data = read(path, targets="ligand")
    assert labels(data)[:2] == [0, 1]
    assert "because it comes last in the alphabet; positive='blue' swaps them" in said(data)
    with pytest.raises(ConfigError, match="positive='green' does not occur in the label columns 'ligand'"):
        read(path, targets="ligand", positive="green")


def test_words_from_parquet_and_frames(tmp_path: Path) -> None:
    frame = pd.DataFrame({"smiles": DRUGS, "hit": ["active", "inactive"] * 6})
    frame.to_parquet(tmp_path / "mine.parquet")
    data = read(tmp_path / "mine.parquet")
    assert labels(data) == labels(from_frame(frame, cache=False)) == [1, 0] * 6


def test_two_numbers_that_stand_for_classes(write: Write) -> None:
    for low, high in ((-1, 1), (1, 2)):
        path = write(table({"y": [low, high] * 6}))
        data = read(path)
        assert (data.task, labels(data)[:2]) == ("classification", [0, 1])
        assert f"{high} is class 1 and {low} class 0" in said(data)
        assert read(path, task="regression").task == "regression"


def test_small_whole_numbers_are_pointed_out_and_read_as_classes_if_asked(write: Write) -> None:
    path = write(table({"grade": [0, 1, 2] * 4}))
    data = read(path)
    assert data.task == "regression"
    assert "looks like classes or codes: only the whole numbers 0, 1, 2. For classes: task='multiclass'" in said(data)
    data = read(path, task="multiclass")
    assert (data.task, data.target_names) == ("multiclass", ["grade=0", "grade=1", "grade=2"])
    assert read(path, targets=data.target_names, task="multiclass").task == "multiclass"
    assert data.targets[:3].tolist() == np.eye(3).tolist()


def test_several_words_are_classes_if_asked(write: Write) -> None:
    path = write(table({"clearance": ["low", "medium", "high", ""] * 3}))
    assert "3 words: high, low, medium; for classes: targets=['clearance'] task='multiclass'" in said(read(path))
    with pytest.raises(DataError, match=r"'low' is not a number: the column holds 3 words .*the task 'multiclass'"):
        read(path, targets="clearance")
    data = read(path, targets="clearance", task="multiclass")
    assert data.target_names == ["clearance=high", "clearance=low", "clearance=medium"]
    assert data.targets[0].tolist() == [0, 1, 0]
    assert np.isnan(data.targets[3]).all()
    again = read(path, targets=["clearance=low"])
    assert labels(again)[:3] == [1, 0, 0]


def test_a_class_may_be_called_none(write: Write) -> None:
    column = ["none", "mild", "severe", "n.d.", "NA", ""] * 2
    path = write(table({"irritation": column}))
    assert "3 words: mild, none, severe; for classes" in said(read(path))
    each = ["irritation=mild", "irritation=none", "irritation=severe"]
    for named in (None, "irritation", each):
        data = read(path, targets=named, task="multiclass")
        assert data.target_names == each
        assert data.targets[:3].tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]
        assert np.isnan(data.targets[3:6]).all()
        assert said(data).count("column 'irritation': 'n.d.', 'NA' treated as missing (4 rows)") == 1
    two = read(write(table({"irritation": ["None", "severe"] * 6})), targets="irritation")
    assert (two.task, labels(two)[:2]) == ("classification", [0, 1])


def test_none_is_missing_among_numbers_and_known_classes(write: Write) -> None:
    assert np.isnan(labels(read(write(table({"y": ["None", "null", *NUMBERS[2:]]}))))[:2]).all()
    data = read(write(table({"outcome": ["active", "inactive", "NULL"] * 4})))
    assert (data.task, np.isnan(data.targets).sum()) == ("classification", 4)
    assert "'NULL' treated as missing (4 rows)" in said(data)
    chosen = read(write(table({"outcome": ["active", "inactive", "None"] * 4})), positive="inactive")
    assert labels(chosen)[:2] == [0, 1]
    assert np.isnan(chosen.targets[2::3]).all()
    assert "'None' treated as missing (4 rows)" in said(chosen)


@pytest.mark.parametrize("words", [["agonist", "antagonist"], ["high", "medium"], ["inhibitor", "activator"]])
@pytest.mark.parametrize("last", ["none", "None"])
def test_none_is_a_class_next_to_words_that_are_no_pair(words: list[str], last: str, write: Write) -> None:
    path = write(table({"effect": [*words, last] * 4}))
    assert f"3 words: {', '.join(sorted([*words, last], key=str.casefold))}" in said(read(path))
    data = read(path, task="multiclass")
    assert len(data.target_names) == 3
    assert not np.isnan(data.targets).any()


@pytest.mark.parametrize("words", [["agonist", "antagonist"], ["high", "medium"], ["active", "inactive"]])
def test_null_is_a_missing_label_next_to_any_words(words: list[str], write: Write) -> None:
    data = read(write(table({"effect": [*words, "NULL"] * 4})), targets=["effect"])
    assert (data.task, np.isnan(data.targets).sum()) == ("classification", 4)
    assert "'NULL' treated as missing (4 rows)" in said(data)


def test_none_next_to_one_class_is_missing_and_said(write: Write) -> None:
    path = write(table({"outcome": ["active", "none", "active"] * 4}))
    words = (
        "all 8 labels are 'active', but a classifier needs both classes. 'none' treated as missing (4 rows): if that"
    )
    assert words in said(read(path))
    with pytest.raises(DataError, match=re.escape(words)):
        read(path, task="classification")


def test_a_positive_number_makes_no_classes_of_measurements(write: Write) -> None:
    columns: dict[str, list[Any]] = {"active": [1, 2] * 6, "logD": ["1.00", *NUMBERS[1:]]}
    path = write(table(columns))
    data = read(path, targets=["active", "logD"], positive="1")
    assert (data.task, data.targets[:2].tolist()) == ("classification,regression", [[1, 1], [0, 0.75]])
    assert read(path, targets="logD", positive="1").targets.ravel().tolist() == [1, 0, 1, *[0] * 9]
    found = read(write(table({**columns, "grade": [0, 1, 2] * 4})), positive="1", targets=["grade", "active"])
    assert found.targets[:3].tolist() == [[0, 1], [1, 0], [2, 1]]
    with pytest.raises(
        ConfigError, match=r"positive='1' does not occur .*, or only in columns with more than two distinct numbers"
    ):
        read(write(table({"logD": columns["logD"], "grade": [0, 1, 2] * 4})), positive="1", targets=["grade", "logD"])


def test_a_positive_number_of_the_only_column_makes_classes(write: Write) -> None:
    path = write(table({"grade": [0, 1, 2] * 4}))
    for options in ({}, {"targets": "grade"}, {"task": "classification"}):
        assert labels(read(path, positive="2", **options)) == [0, 0, 1] * 4


def test_one_class_in_all_rows_is_said_or_refused(write: Write) -> None:
    path = write(table({"outcome": ["Active", "active", "n.d."] * 4}))
    words = "column 'outcome': all 8 labels are 'Active', but a classifier needs both classes"
    data = read(path)
    assert data.task is None
    assert words in said(data)
    with pytest.raises(DataError, match=words):
        read(path, task="classification")
    with pytest.raises(DataError, match=r"column 'y': all 12 labels are '1', but a classifier needs both classes"):
        read(write(table({"y": [1] * 12})), task="classification")
    assert "both classes" not in said(read(write(table({"colour": ["red"] * 12}))))


def test_constant_labels_are_a_finding(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="molweight.datasets"):
        data = read(write(table({"y": [3.3] * len(DRUGS)})))
    assert "all 12 labels are 3.3, so there is nothing to learn from it" in said(data)
    assert "nothing to learn" in caplog.text


@pytest.mark.parametrize(
    ("name", "values", "why"),
    [
        ("year", [1990 + (5 * place) % 12 for place in range(12)], "looks like a date"),
        ("published", [2001, 1999, 2010] * 4, "looks like years"),
        ("measured", [20240105, 20231231, 20240317] * 4, "looks like dates"),
        ("stamp", [1_700_000_000 + 977 * (place % 7) for place in range(12)], "looks like timestamps"),
        ("source", [2519 + 7919 * ((5 * place) % 12) for place in range(12)], "looks like identifiers"),
        ("site", [1, 2, 3, 1] * 3, "looks like classes or codes"),
        ("Molecular Weight", [180.2 + place for place in range(12)], "looks like a computed descriptor"),
        ("pH", [7.4, 6.5, 7.0] * 4, "looks like a condition"),
        ("logS_sd", [0.1, 0.2, 0.3] * 4, "looks like the error"),
        ("predicted logS", NUMBERS, "looks like a prediction"),
        ("assay version", [3] * 12, "is 3 in all rows"),
    ],
)
def test_numbers_that_look_like_something_else_are_no_labels(
    name: str, values: list[float], why: str, write: Write
) -> None:
    data = read(write(table({name: values, "logS": NUMBERS})))
    assert data.target_names == ["logS"]
    assert f"column {name!r} {why}" in said(data)
    assert read(write(table({name: values, "logS": NUMBERS})), targets=[name, "logS"]).target_names == [name, "logS"]


@pytest.mark.parametrize("name", ["Compound ID", "CAS No", "plate", "PUBCHEM_CID", "compoundId", "Batch", "barcode"])
def test_columns_called_like_identifiers_are_no_labels(name: str, write: Write) -> None:
    data = read(write(table({name: [7, 3, 9, 1] * 3, "logS": NUMBERS})))
    assert (data.target_names, data.notes) == (["logS"], [])


@pytest.mark.parametrize("name", ["Entry", "Compound", "Cpd", "cmpd", "Example", "Ex. No.", "Ligand", "Molecule", "#"])
@pytest.mark.parametrize("values", [[7, 3, 19, 1, 12, 5, 4, 8, 30, 11, 2, 6], [1, 1, 2, 2, 3, 3] * 2])
def test_numbers_of_the_molecules_are_no_labels(name: str, values: list[int], write: Write) -> None:
    data = read(write(table({name: values, "pIC50": NUMBERS})))
    assert (data.target_names, data.notes) == (["pIC50"], [])
    assert read(write(table({name: values, "pIC50": NUMBERS})), targets=[name]).target_names == [name]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([3, 1, 2, 6, 4, 5, 9, 13, 7, 8, 12, 11], "looks like numbers of the rows: whole numbers, all different"),
        ([1, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9], "looks like compound numbers (1, 2, 3 ...): whole numbers in ascending"),
    ],
)
def test_whole_numbers_that_may_number_the_molecules_are_said(values: list[int], why: str, write: Write) -> None:
    data = read(write(table({"series": values, "pIC50": NUMBERS})))
    assert data.target_names == ["pIC50"]
    assert f"column 'series' {why}" in said(data)
    alone = read(write(table({"series": values})))
    assert (alone.target_names, labels(alone)) == (["series"], values)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("ligand", [0, 1, 1] * 4),
        ("Molecule", [value + 0.5 for value in range(12)]),
        ("IC50 (nM)", [1, 2, 5, 10, 10, 20, 50, 80, 100, 200, 500, 1000]),
        ("melting point", [131, 78, 235, 169, 79, 158, 61, 190, 171, 222, 120, 18]),
        ("hits", [0, 4, 9, 2, 7, 7, 1, 3, 12, 20, 6, 5]),
    ],
)
def test_whole_numbers_that_are_measured_stay_labels(name: str, values: list[float], write: Write) -> None:
    data = read(write(table({name: values})))
    assert (data.target_names, labels(data)) == ([name], values)
    assert "looks like numbers" not in said(data)


@pytest.mark.parametrize("name", ["QSAR_READY_SMILES", "smiles_std", "SMILES (neutral)", "col"])
@pytest.mark.parametrize("other", ["Compound", "Molecule", "structure"])
def test_names_of_compounds_that_can_be_parsed_are_no_molecules(name: str, other: str, write: Write) -> None:
    names = ["BPS", "BPF", "PCP", *(f"compound {place}" for place in range(3, len(DRUGS)))]
    rows = [f"{word},{smiles},{value}" for word, (smiles, value) in zip(names, ROWS, strict=True)]
    data = read(write("\n".join([f"{other},{name},logK", *rows])))
    assert (list(data.smiles), data.target_names, data.rejects) == (list(DRUGS), ["logK"], [])
    table = read_rows(write("\n".join([f"{other},{name},logK", *rows]), "again.csv"))
    assert [cells[table.smiles] for _, cells in table.rows] == list(DRUGS)


@pytest.mark.parametrize("name", ["smiles", "structure"])
def test_symbols_are_no_molecules_if_some_of_a_column_called_so_are(name: str, write: Write) -> None:
    cells = [smiles if place % 3 else "unclear" for place, smiles in enumerate(DRUGS)]
    rows = [
        f"{'CNO'[place % 3]},{cell},{value}" for place, (cell, value) in enumerate(zip(cells, NUMBERS, strict=True))
    ]
    data = read(write("\n".join([f"element,{name},y", *rows])))
    assert (len(data), len(data.rejects)) == (8, 4)


def test_text_that_only_names_is_no_label(write: Write) -> None:
    columns: dict[str, list[Any]] = {
        "compound": [f"CHEMBL{1000 + place}" for place in range(12)],
        "day": ["2024-01-05", "05.01.2024", "Jan-24"] * 4,
        "logS": NUMBERS,
    }
    assert read(write(table(columns))).target_names == ["logS"]


def test_one_doubtful_column_is_taken_and_said_several_are_asked_for(write: Write) -> None:
    data = read(write(table({"site": [1, 2, 3, 1] * 3})))
    assert (data.target_names, data.task) == (["site"], "regression")
    assert "labels are read from column 'site', which looks like classes or codes" in said(data)
    with pytest.raises(DataError, match=r"it is not clear which columns hold labels: 'site' .*; 'pH' .*targets="):
        read(write(table({"site": [1, 2, 3, 1] * 3, "pH": [7.4, 6.5, 7.0] * 4})))


def test_several_columns_are_taken_and_said(write: Write) -> None:
    data = read(write(table({"logS": NUMBERS, "logD": NUMBERS[::-1]})))
    assert "2 columns are used as labels: 'logS', 'logD'" in said(data)


def test_bounds_in_cells(write: Write) -> None:
    cells = ["<5.38", "7.86", ">= 9", " 6.5", "\u22644.1", "~5", *NUMBERS[6:]]
    data = read(write(table({"pIC50": cells})))
    assert data.columns["label_bounds"].ravel().tolist()[:6] == [-1, 0, 1, 0, -1, 0]
    assert labels(data)[:4] == pytest.approx([5.38, 7.86, 9, 6.5])
    assert "3 of 12 labels are bounds (2 <, 1 >)" in said(data)
    part = data.subset([2, 0])
    assert part.columns["label_bounds"].ravel().tolist() == [1, -1]


@pytest.mark.parametrize("name", ["relation", "pIC50_relation", "pIC50 operator", "Qualifier"])
def test_bounds_in_a_column_of_their_own(name: str, write: Write) -> None:
    signs = ["'='", "'>'", "<", "", ">=", "~"] * 2
    data = read(write(table({name: signs, "pIC50": NUMBERS})))
    assert data.columns["label_bounds"].ravel().tolist() == [0, 1, -1, 0, 1, 0] * 2
    assert f"column {name!r} marks the labels in 'pIC50' that are bounds" in said(data)


def test_relations_of_nobody_are_refused(write: Write) -> None:
    path = write(table({"Ki_relation": [">", "="] * 6, "logS": NUMBERS, "logD": NUMBERS[::-1]}))
    with pytest.raises(DataError, match="marks 6 values as bounds, but it is not clear in which column"):
        read(path)
    path = write(table({"what": [">", "ca."] * 6, "logS": NUMBERS}))
    with pytest.raises(DataError, match=r"row 3|'ca\.' is not a relation"):
        read(path, targets="logS", relation="what")


@pytest.mark.parametrize("name", ["relation", "IC50_relation"])
@pytest.mark.parametrize("factor", [1e9, 1e6, 1])
def test_bounds_of_a_concentration_change_sides_in_its_logarithm(name: str, factor: float, write: Write) -> None:
    scaled = [5.0, 6.12, 7.3, 8.0, 4.7, 5.5, 6.6, 9.1, 5.0, 7.7, 4.4, 5.0]
    signs = [">" if value == 5 else "<" if value == 9.1 else "=" for value in scaled]
    raw = [f"{factor * 10**-value:.4g}" for value in scaled]
    path = write(table({name: signs, "IC50": raw, "pIC50": scaled}))
    data = read(path, targets="pIC50")
    bounds = [-1 if sign == ">" else 1 if sign == "<" else 0 for sign in signs]
    assert data.columns["label_bounds"].ravel().tolist() == bounds
    assert f"{name!r} is read as bounds of 'IC50'; 'pIC50' is its negative logarithm, so < and > are exch" in said(data)
    opposite = [-side for side in bounds]
    for options in ({"targets": "IC50"}, {"targets": "pIC50", "relation": name}):
        assert read(path, **options).columns["label_bounds"].ravel().tolist() == opposite


def test_relations_that_may_belong_to_several_columns_are_asked_for(write: Write) -> None:
    columns: dict[str, list[Any]] = {
        "relation": [">", "=", "="] * 4,
        "IC50 (nM)": [10, 30, 25.5, 7] * 3,
        "pKi": NUMBERS,
    }
    path = write(table(columns))
    message = (
        r"not clear in which column \('pKi', 'IC50 \(nM\)'\)\. If it marks 'pKi', use relation='relation'; otherwise"
    )
    with pytest.raises(DataError, match=message):
        read(path, targets="pKi")
    assert read(path, targets="pKi", relation="relation").columns["label_bounds"].ravel().tolist() == [1, 0, 0] * 4
    path = write(table({**columns, "hit": [0, 1] * 6, "units": ["nM"] * 12, "MW": [180 + n for n in range(12)]}))
    assert "label_bounds" not in read(path, targets="hit").columns  # classes have no bounds
    alone: dict[str, list[Any]] = {
        "relation": columns["relation"],
        "units": ["nM"] * 12,
        "MW": [180.5 + n for n in range(12)],
        "Ki": NUMBERS,
    }
    assert read(write(table(alone)), targets="Ki").columns["label_bounds"].ravel().tolist() == [1, 0, 0] * 4


CHEMBL = (
    '"Molecule ChEMBL ID";"Molecular Weight";"AlogP";"Smiles";"Standard Type";"Standard Relation";"Standard Value";'
    '"Standard Units";"pChEMBL Value"\n'
)


def chembl(rows: list[tuple[str, str, str, str]]) -> str:
    lines = (
        f'"CHEMBL{place}";"300.4";"1.68";"{smiles}";"IC50";"\'{sign}\'";"{value}";"{unit}";"{scaled}"'
        for place, (smiles, (sign, value, unit, scaled)) in enumerate(zip(DRUGS, rows, strict=False))
    )
    return CHEMBL + "\n".join(lines) + "\n"


def test_an_export_of_chembl(write: Write) -> None:
    path = write(chembl([("=", "10", "nM", "8.00"), (">", "5000", "nM", ""), ("=", "1", "uM", "6.00")] * 4))
    data = read(path)
    assert data.target_names == ["pChEMBL Value"]
    assert np.isnan(data.targets[1, 0])
    assert "a ChEMBL export" in said(data)
    assert "targets=['p(Standard Value)']" in said(data)
    scaled = read(path, targets=["p(Standard Value)"])
    assert labels(scaled)[:3] == pytest.approx([8, 5.30103, 6], abs=1e-4)
    assert scaled.columns["label_bounds"].ravel().tolist()[:3] == [0, -1, 0]  # IC50 > 5000 nM: pIC50 < 5.3
    raw = read(path, targets=["Standard Value"])
    assert raw.columns["label_bounds"].ravel().tolist() == [0, 1] * 4
    assert labels(raw) == [10, 5000] * 4
    assert raw.units == {"Standard Value": "nM"}
    assert [item.number for item in raw.rejects] == [4, 7, 10, 13]
    assert "'1' is in one of several units (nM, uM); the target 'p(Standard Value)' converts" in raw.rejects[0].reason
    assert "has several units (nM, uM): labels in other units than the most common one are left out" in said(raw)


def test_an_activity_that_has_no_logarithm_is_a_reject(write: Write) -> None:
    rows = [("=", "10", "nM", "8"), ("=", "0", "nM", ""), ("=", "3", "ug.mL-1", ""), *[("=", "20", "nM", "7.7")] * 9]
    data = read(write(chembl(rows)), targets="p(Standard Value)")
    assert [item.number for item in data.rejects] == [3, 4]
    assert "is not a positive molar concentration" in data.rejects[0].reason
    with pytest.raises(ConfigError, match=r"'p\(logS\)' needs a molar unit \(e\.g\. nM\) in 'logS'"):
        read(write(table({"logS": NUMBERS})), targets="p(logS)")


def test_a_table_of_pubchem(write: Write) -> None:
    head = "PUBCHEM_RESULT_TAG,PUBCHEM_CID,PUBCHEM_EXT_DATASOURCE_SMILES,PUBCHEM_ACTIVITY_OUTCOME,Potency\n"
    about = "RESULT_TYPE,,,,FLOAT\nRESULT_DESCR,,,,Concentration\nRESULT_UNIT,,,,MICROMOLAR\n"
    words = ["Active", "Inactive", "Inconclusive", "Inactive"] * 3
    rows = [
        f"{place + 1},{2000 + place},{s},{w},{0.5 + place}"
        for place, (s, w) in enumerate(zip(DRUGS, words, strict=True))
    ]
    data = read(write(head + about + "\n".join(rows)))
    assert (data.target_names, data.task, len(data)) == (["PUBCHEM_ACTIVITY_OUTCOME"], "classification", 12)
    assert data.rejects == []
    assert "rows 2 to 4 describe the columns" in said(data)
    assert "units: 'Potency' in MICROMOLAR" in said(data)
    assert labels(read(write(head + about + "\n".join(rows)), targets="Potency"))[:2] == [0.5, 1.5]
    scaled = read(write(head + about + "\n".join(rows)), targets="p(Potency)")
    assert labels(scaled)[:2] == pytest.approx([6.30103, 5.823909], abs=1e-5)


def test_affinities_of_bindingdb(write: Write) -> None:
    values = [f" 18.{place}\t" if place % 2 else f"\t>{10000 + place}" for place in range(len(DRUGS))]
    rows = [
        f"{n}\t{smiles}\tKinase, alpha\t{value}\t7.4"
        for n, (smiles, value) in enumerate(zip(DRUGS, values, strict=True))
    ]
    head = "Reactant_set_id\tLigand SMILES\tTarget Name\tKi (nM)\tIC50 (nM)\tpH"
    data = read(write("\n".join([head, *rows]), "mine.tsv"))
    assert data.target_names == ["Ki (nM)", "IC50 (nM)"]
    assert data.columns["label_bounds"][:2].tolist() == [[0, 1], [0, 0]]


def test_comments_titles_and_blank_lines_above_the_header(write: Write) -> None:
    plain = table({"logS": NUMBERS})
    for above in (
        "# exported by me\n# on Monday, 3rd\n\n",
        "Solubility of drugs\n\n",
        "Solubility of drugs,\n",
        "// x\n",
    ):
        data = read(write(above + plain))
        assert labels(data) == NUMBERS
        assert "above the header" in said(data)
        assert read(write(above + plain.replace("0.75", "high", 1)), on_error="nan").rejects[0].number == (
            3 + above.count("\n")
        )
    assert labels(read(write("#" + plain))) == NUMBERS


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_encodings(encoding: str, write: Write) -> None:
    path = write(table({"Löslichkeit (g/l)": NUMBERS}).encode(encoding))
    options = {"encoding": encoding} if encoding == "cp1252" else {}
    assert read(path, **options).target_names == ["Löslichkeit (g/l)"]


def test_columns_of_the_same_name_are_told_apart_and_said(write: Write) -> None:
    more = [value + 1 for value in NUMBERS]
    rows = "\n".join(f"{smiles},{low},{high}" for smiles, low, high in zip(DRUGS, NUMBERS, more, strict=True))
    data = read(write(f"smiles,y,y\n{rows}\n"))
    assert (data.target_names, data.targets[:, 1].tolist()) == (["y", "y (2)"], more)
    assert "2 columns are called 'y': the second is read as 'y (2)'" in said(data)
    first = read(write(f"smiles,y,y\n{rows}\n"), targets="y")
    assert labels(first) == NUMBERS
    assert "2 columns are called 'y': the second is read as 'y (2)'" in said(first)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["y", "y", "y", "y (2)"], ["y", "y (3)", "y (4)", "y (2)"]),
        (["", "a", "", ""], ["", "a", "Unnamed: 2", "Unnamed: 3"]),
        (["", "Unnamed: 1", ""], ["", "Unnamed: 1", "Unnamed: 2"]),
    ],
)
def test_names_that_are_told_apart_take_no_other(names: list[str], found: list[str]) -> None:
    assert told_apart(names)[0] == found


def test_the_first_of_two_columns_of_smiles_is_read_and_the_second_said(write: Write) -> None:
    rows = "\n".join(f"{smiles},{'CO' if place % 2 else 'CCO'},{value}" for place, (smiles, value) in enumerate(ROWS))
    data = read(write(f"SMILES,SMILES,y\n{rows}\n"))
    assert (list(data.smiles), data.target_names) == (list(DRUGS), ["y"])
    assert "column 'SMILES (2)' holds further molecules, which are not used" in said(data)


def test_columns_without_a_name(write: Write) -> None:
    indexed = read(write("\n".join([",smiles,y,", *(f"{place},{row[0]},{row[1]}," for place, row in enumerate(ROWS))])))
    assert (indexed.target_names, indexed.notes) == (["y"], [])
    measured = read(write("\n".join([",smiles,y,", *(f"a,{row[0]},{row[1]},{row[1]}1" for row in ROWS)])))
    assert measured.target_names == ["y"]
    assert "column 'Unnamed: 3' looks like a column without a name, and is not used as labels" in said(measured)


@pytest.mark.parametrize(
    "word", ["ND", "n.d.", "n. d.", "NT", "n.t.", "no data", "not applicable", "?", "TBD", "(blank)"]
)
def test_words_that_say_that_nothing_was_measured(word: str, write: Write) -> None:
    numbers = read(write(table({"pIC50": [word, *NUMBERS[1:]]})))
    assert np.isnan(labels(numbers)[0])
    assert labels(numbers)[1:] == NUMBERS[1:]
    assert f"column 'pIC50': {word!r} treated as missing" in said(numbers)
    classes = read(write(table({"toxic": [word, *["Yes", "No"] * 5, "Yes"]})))
    assert np.isnan(labels(classes)[0])
    assert labels(classes)[1:3] == [1.0, 0.0]
    assert f"column 'toxic': {word!r} treated as missing (1 rows)" in said(classes)


@pytest.mark.parametrize("word", ["BLQ", "<LLOQ", "not detected", "insoluble", "*", "NS", "1-Mar", "5.1*"])
def test_words_that_say_something_are_not_taken_for_missing(word: str, write: Write) -> None:
    with pytest.raises(DataError, match="is not a number"):
        read(write(table({"pIC50": [word, *NUMBERS[1:]]})))
    assert len(read(write(table({"pIC50": [word, *NUMBERS[1:]]})), on_error="nan")) == len(DRUGS)


def test_numbers_as_web_pages_and_other_scripts_write_them(write: Write) -> None:
    data = read(write(table({"IC50": ["&gt;10", "&lt; 2", "\uff15.\uff11", "7 (0.1)", "8 (n=3)", *NUMBERS[5:]]})))
    assert labels(data)[:5] == [10, 2, pytest.approx(5.1), 7, 8]
    assert data.columns["label_bounds"].ravel().tolist()[:3] == [1, -1, 0]
    assert "numbers in brackets are ignored: 7 (0.1) is read as 7" in said(data)


def test_cells_with_the_other_decimal_sign_say_so(write: Write) -> None:
    commas = [f'"{value:.2f}"'.replace(".", ",") for value in NUMBERS]
    data = read(write(table({"logS": [*commas[:9], *NUMBERS[9:]]})), targets="logS")
    assert labels(data) == NUMBERS[:9]
    why = "is not a number with a decimal comma, as in most cells of this column"
    assert [item.reason for item in data.rejects] == [f"column 'logS': '{value}' {why}" for value in NUMBERS[9:]]
    mixed = write(table({"logS": [*NUMBERS[:9], *commas[9:11], "abc"]}))
    with pytest.raises(DataError, match=r"'2,75' is not a number with a decimal point, as in most cells"):
        read(mixed)
    assert read(mixed, targets="logS").rejects[2].reason == "column 'logS': 'abc' is not a number"
    asked = read(mixed, targets="logS", decimal=".")
    assert asked.rejects[0].reason.endswith("with a decimal point, as stated by decimal='.'")
    doses = read(write(table({"Ki (nM)": [*commas[:10], NUMBERS[10], '"-1,5"']})), targets="p(Ki (nM))")
    assert "'3.0' is not a number with a decimal comma" in doses.rejects[0].reason
    assert "'-1,5' is not a positive molar concentration" in doses.rejects[1].reason


def test_ranges_are_no_numbers_and_the_message_says_so(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert read(write(table({"mp": [f"{100 + place}-{105 + place}" for place in range(12)]}))).task is None
    assert "column 'mp' holds texts like '100-105', which are not numbers" in caplog.text


def test_the_index_of_a_frame_may_be_the_molecules(tmp_path: Path) -> None:
    frame = pd.DataFrame({"y": NUMBERS}, index=list(DRUGS))
    data = from_frame(frame, cache=False)
    assert (list(data.smiles), labels(data), data.rows.tolist()) == (list(DRUGS), NUMBERS, list(range(12)))
    named = pd.DataFrame({"smiles": DRUGS, "y": NUMBERS}).set_index("smiles")
    assert list(from_frame(named, cache=False).smiles) == list(DRUGS)
    kept = pd.DataFrame({"smiles": DRUGS, "y": NUMBERS}, index=["C"] * 12)
    assert (list(from_frame(kept, cache=False).smiles), from_frame(kept, cache=False).notes) == (list(DRUGS), [])
    for number, stored in enumerate((frame, named)):
        stored.to_parquet(tmp_path / f"{number}.parquet")
        assert list(read(tmp_path / f"{number}.parquet").smiles) == list(DRUGS)
        assert [text for _, text in read_records(tmp_path / f"{number}.parquet")] == list(DRUGS)


@pytest.mark.parametrize("delimiter", ["\t", ",", " "])
def test_tables_that_r_writes_have_a_name_for_each_row(delimiter: str, write: Write) -> None:
    rows = [f'"{place}"{delimiter}"{smiles}"{delimiter}{value}' for place, (smiles, value) in enumerate(ROWS)]
    data = read(write("\n".join([f'"smiles"{delimiter}"y"', *rows]), "mine.txt"))
    assert (list(data.smiles), labels(data)) == (list(DRUGS), NUMBERS)
    assert "rows have one cell more than the header: the first cell is read as a row name" in said(data)


def test_a_decimal_comma_that_is_not_quoted_names_no_rows(write: Write) -> None:
    with pytest.raises(DataError, match="row 2: has 3 cells, but the header has 2"):
        read(write("\n".join(["smiles,y", *(f"{smiles},1,{place}" for place, smiles in enumerate(DRUGS))])))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_names_over_several_columns_are_above_the_header(delimiter: str, write: Write) -> None:
    rows = [delimiter.join(["m", smiles, str(value)]) for smiles, value in ROWS]
    heads = [
        delimiter.join(cells) for cells in (["Results", "", ""], ["Compound", "", "Activity"], ["ID", "SMILES", "y"])
    ]
    data = read(write("\n".join([*heads, *rows])))
    assert (list(data.smiles), labels(data), data.target_names) == (list(DRUGS), NUMBERS, ["y"])
    assert "2 rows above the header skipped" in said(data)


def test_a_row_of_types_is_no_header(write: Write) -> None:
    data = read(write("\n".join(["id,structure,y", "string,smiles,real", *(f"a,{row[0]},{row[1]}" for row in ROWS)])))
    assert (list(data.smiles), data.target_names) == (list(DRUGS), ["y"])


def test_of_two_columns_of_smiles_the_isomeric_one_is_read_and_of_others_the_one_that_parses(write: Write) -> None:
    flat = [Chem.MolToSmiles(Chem.MolFromSmiles(smiles), isomericSmiles=False) for smiles in DRUGS]
    rows = "\n".join(f"{plain},{smiles},{value}" for plain, (smiles, value) in zip(flat, ROWS, strict=True))
    data = read(write(f"CanonicalSMILES,IsomericSMILES,y\n{rows}\n"))
    assert list(data.smiles) == list(DRUGS)
    assert "column 'CanonicalSMILES' holds further molecules, which are not used" in said(data)
    rows = "\n".join(f"{'?' if place % 3 else row[0]},{row[0]},{row[1]}" for place, row in enumerate(ROWS))
    assert list(read(write(f"Raw SMILES,Standardized SMILES,y\n{rows}\n")).smiles) == list(DRUGS)


@pytest.mark.parametrize(
    "name", ["conc_uM", "Concentration (uM)", "Pressure (bar)", "Temperature (K)", "temp_C", "dose"]
)
def test_conditions_with_their_units_are_no_labels(name: str, write: Write) -> None:
    data = read(write(table({name: [0.1, 1.5, 10, 100] * 3, "inhibition": NUMBERS})))
    assert data.target_names == ["inhibition"]
    assert f"column {name!r} looks like a condition of the measurement" in said(data)


@pytest.mark.parametrize("name", ["Hill slope", "Assay: R2", "cLogS", "Total Molweight"])
def test_qualities_of_fits_and_computed_numbers_are_no_labels(name: str, write: Write) -> None:
    assert read(write(table({name: NUMBERS[::-1], "pIC50": NUMBERS}))).target_names == ["pIC50"]


@pytest.mark.parametrize("name", ["mine.xls", "mine.xlsx"])
def test_text_that_is_called_a_spreadsheet_is_read_as_text(name: str, write: Write) -> None:
    path = write(table({"y": NUMBERS}, "\t"), name)
    data = read(path)
    assert (list(data.smiles), labels(data)) == (list(DRUGS), NUMBERS)
    assert "is a text file despite its suffix, and is read as a table of text" in said(data)
    assert len(list(read_rows(path).rows)) == len(DRUGS)
    with pytest.raises(DataError, match="holds HTML"):
        read(write("<html></html>", name))


def test_bounds_in_words(write: Write) -> None:
    data = read(write(table({"IC50": ["greater than 10", "Less than 2", *NUMBERS[2:]]})))
    assert (labels(data)[:2], data.columns["label_bounds"].ravel().tolist()[:3]) == ([10, 2], [1, -1, 0])


def test_a_header_that_is_repeated_is_left_out_and_said(write: Write) -> None:
    lines = table({"y": NUMBERS}).splitlines()
    data = read(write("\n".join([*lines[:6], lines[0], *lines[6:]])))
    assert (list(data.smiles), labels(data), data.rejects) == (list(DRUGS), NUMBERS, [])
    assert "row 7 repeats the header and is skipped" in said(data)


def test_footnotes_below_the_table_are_rejects(write: Write) -> None:
    rows = [f"{place + 1},{smiles},{value}" for place, (smiles, value) in enumerate(ROWS)]
    data = read(write("\n".join(["No.,smiles,y", *rows, "a mean of three,,", ",,n = 3"])))
    assert (data.target_names, labels(data)) == (["y"], NUMBERS)
    assert [item.reason.startswith("empty SMILES") for item in data.rejects] == [True, True]


def test_a_training_set_in_a_column_of_any_name_is_said(write: Write) -> None:
    data = read(write(table({"y": NUMBERS, "Status": ["Training", "Prediction", "Training"] * 4})))
    assert "column 'Status' (Prediction, Training) states no roles (train, valid, test)" in said(data)


@pytest.mark.parametrize("name", ["mine.smi", "mine.txt"])
@pytest.mark.parametrize("delimiter", ["\t", " "])
def test_lists_may_have_the_names_first(name: str, delimiter: str, write: Write) -> None:
    path = write("".join(f"M{place}{delimiter}{smiles}\n" for place, smiles in enumerate(DRUGS)), name)
    table = read_rows(path)
    assert [cells[table.smiles] for _, cells in table.rows] == list(DRUGS)
    assert list(read(path, targets=[]).smiles) == list(DRUGS)


@pytest.mark.parametrize("name", ["mine.csv", "mine.txt"])
def test_what_a_run_predicts_is_read_as_what_it_was_trained_on(name: str, write: Write) -> None:
    rows = list(enumerate(ROWS))
    for text in (
        "smiles,y\n" + "".join(f"{smiles},{value},\n" for _, (smiles, value) in rows),
        '"smiles" "y"\n' + "".join(f'"{place}" "{smiles}" {value}\n' for place, (smiles, value) in rows),
        "smiles,smiles,y\n" + "".join(f"{smiles},CO,{value}\n" for _, (smiles, value) in rows),
        "Compound,,Test\nID,SMILES,y\n" + "".join(f"{place},{smiles},{value}\n" for place, (smiles, value) in rows),
    ):
        path = write(text, name)
        table = read_rows(path)
        assert [cells[table.smiles] for _, cells in table.rows] == list(read(path).smiles) == list(DRUGS)


def zipped(**files: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return packed.getvalue()


def test_a_zip_archive_of_one_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv.zip"
    path.write_bytes(zipped(**{"data/mine.csv": table({"y": NUMBERS}), "__MACOSX/data/._mine.csv": "x"}))
    data = read(path)
    assert (list(data.smiles), labels(data), data.name) == (list(DRUGS), NUMBERS, "mine")
    assert [cells[0] for _, cells in read_rows(path).rows] == list(DRUGS)
    path.write_bytes(zipped(**{"a.csv": table({"y": NUMBERS}), "b.csv": "x"}))
    with pytest.raises(DataError, match=r"a zip archive of 2 files \(a\.csv, b\.csv\)"):
        read(path)
    path.write_bytes(zipped(**{"a.csv": "smiles,y\n" + "CCO,1\n" * 1_000_000}))
    with pytest.raises(DataError, match="larger than 1 MB once unpacked"):
        read(path, max_mb=1)


def test_the_format_of_a_zip_archive_is_that_of_its_file(tmp_path: Path) -> None:
    block = Chem.MolToMolBlock(Chem.MolFromSmiles("CCO"))
    path = tmp_path / "download.zip"
    path.write_bytes(zipped(**{"mine.sdf": f"{block}> <y>\n0.5\n\n$$$$\n"}))
    data = read(path)
    assert (list(data.smiles), labels(data)) == (["CCO"], [0.5])


def test_a_value_that_a_record_holds_twice_is_said(write: Write) -> None:
    block = Chem.MolToMolBlock(Chem.MolFromSmiles("CCO"))
    data = read(write(f"{block}> <y>\n0.5\n\n> <y>\n1.5\n\n$$$$\n", "mine.sdf"))
    assert (labels(data), data.notes) == ([1.5], ["record 1 holds 'y' more than once: the last value is used"])


def test_open_quotes_are_named_and_the_delimiter_is_kept(write: Write) -> None:
    rows = "".join(f'{smiles}\t"unclosed\t{value}\n' for smiles, value in ROWS)
    with pytest.raises(DataError, match=r"cannot be read as a table.*Check its quotes"):
        read(write(f"smiles\tname\ty\n{rows}", "mine.tsv"))


def test_numbers_that_excel_keeps_as_text(write: Write) -> None:
    data = read(write(table({"y": [f"'{NUMBERS[0]}", f'="{NUMBERS[1]}"', *NUMBERS[2:]]})))
    assert labels(data) == NUMBERS


def test_a_split_that_names_only_a_training_set_is_said(write: Write) -> None:
    data = read(write(table({"y": NUMBERS, "split": ["train"] * 9 + [""] * 3})))
    assert "column 'split' (train) states no roles" in said(data)


@pytest.mark.parametrize("length", [100_000, 200_000, 1_000_000])
def test_long_cells_are_read_and_not_printed(length: int, write: Write) -> None:
    path = write(table({"comment": ["x" * length, *["" for _ in NUMBERS[1:]]], "y": NUMBERS}))
    assert labels(read(path)) == NUMBERS
    assert len(list(read_rows(path).rows)) == len(DRUGS)
    found = understand(read_any(path))[1]
    assert max(len(report.detail) for report in found) < 100


def test_a_comment_between_rows_is_a_reject(write: Write) -> None:
    lines = table({"y": NUMBERS}).splitlines()
    path = write("\n".join([*lines[:5], "# the rest was measured later", *lines[5:]]))
    data = read(path)
    assert (list(data.smiles), labels(data)) == (list(DRUGS), NUMBERS)
    assert [item.place for item in data.rejects] == ["row 6, column 'smiles'"]
    assert len(list(read_rows(path).rows)) == len(DRUGS) + 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'[{"smiles": "CCO", "y": 1}]', "holds JSON, not rows of cells"),
        (b'{"smiles": "CCO", "y": 1}\n', "holds JSON, not rows of cells"),
        (b"<!DOCTYPE html><table></table></html>", "holds HTML or XML, not rows of cells"),
        (b"ARROW1\x00\x00\xff\xff\xff\xff", "is a binary file, not text"),
        (b"smiles^y\nCCO^1\nCCN^2\n", r"If '\^' separates the cells, pass delimiter='\^'"),
        (b"smiles,y,note\nCCO,1\nCCN,2,x\n", "Write the delimiters of empty cells, too"),
    ],
)
def test_other_files_are_named(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_bytes(content)
    with pytest.raises(DataError, match=words):
        read(tmp_path / "mine.csv")


def test_a_column_of_roles_is_used_and_said(write: Write) -> None:
    roles = ["train"] * 7 + ["val"] * 2 + ["test"] * 3
    data = read(write(table({"logS": NUMBERS, "split": roles})))
    assert data.target_names == ["logS"]
    assert "column 'split' states roles (train 7, val 2, test 3)" in said(data)
    assert split(data, "column", protocol="paper").test.tolist() == [9, 10, 11]
    with pytest.raises(DataError, match="no column states a role"):
        split(read(write(table({"logS": NUMBERS}))), "column")
    named = read(write(table({"logS": NUMBERS, "part": roles})), split_column="part")
    assert split(named, "column", protocol="paper").meta.tolist() == [7, 8]
    with pytest.raises(DataError, match=r"row 9, column 'part': 'later' is not a role"):
        read(write(table({"logS": NUMBERS, "part": [*roles[:7], "later", *roles[8:]]})), split_column="part")


def test_further_molecules_and_reactions_are_said(write: Write) -> None:
    data = read(write(table({"solvent": ["CCO", "CS(C)=O", "O"] * 4, "logS": NUMBERS})))
    assert "column 'solvent' holds further molecules, which are not used" in said(data)
    with pytest.raises(DataError, match=r"column 'rxn': holds reactions \(A\.B>>C\)"):
        read(write("rxn,yield\nCCO>>CC=O,0.5\nCC.O>[H+]>CCO,0.7\n"))


def test_weights_of_rows(write: Write) -> None:
    data = read(write(table({"logS": NUMBERS, "weight": [1, 2, 0, 0.5] * 3})), sample_weight="weight")
    assert np.flatnonzero(np.isnan(data.targets[:, 0])).tolist() == [2, 6, 10]
    assert "the labels of 3 rows of weight 0 are not used" in data.notes
    assert data.columns["label_weight"].ravel().tolist() == [1, 2, 0, 0.5] * 3
    assert data.target_names == ["logS"]
    with pytest.raises(DataError, match=r"row 3, column 'weight': '-2' is not a weight"):
        read(write(table({"logS": NUMBERS, "weight": [1, -2, 0, 0.5] * 3})), sample_weight="weight")
    path = write(table({"a": NUMBERS, "b": NUMBERS, "w": [1, 2] * 6}))
    both = read(path, targets=["a", "b"], sample_weight="w", target_weights=[1, 0.5])
    assert both.columns["label_weight"][:2].tolist() == [[1, 0.5], [2, 1]]
    with pytest.raises(ConfigError, match=r"target_weights=\[1\] must be one number .* for each of the 2 targets"):
        from_smiles(DRUGS, np.ones((12, 2)) * np.arange(12)[:, None], target_weights=[1], cache=False)
    named = read(path, targets=["a", "b"], target_weights={"b": 0.5})
    assert named.columns["label_weight"][:2].tolist() == [[1, 0.5], [1, 0.5]]
    with pytest.raises(ConfigError, match=r"names 'logs', which is not a target.* Targets: a, b"):
        read(path, targets=["a", "b"], target_weights={"logs": 0.5})
    arrays = from_smiles(DRUGS, NUMBERS, sample_weight=np.ones(12), bounds=[0] * 11 + [1], cache=False)
    assert arrays.columns["label_bounds"].ravel()[-1] == 1
    with pytest.raises(DataError, match="sample_weight must be 12 numbers >= 0"):
        from_smiles(DRUGS, NUMBERS, sample_weight=[1, 2], cache=False)


def test_molecules_of_rdkit() -> None:
    from rdkit import Chem

    data = from_smiles([Chem.MolFromSmiles("OCC"), "CN", None], [0.5, 1.5, 2.5], cache=False)
    assert (list(data.smiles), [item.row for item in data.rejects]) == (["CCO", "CN"], [2])


def test_the_message_about_molecules_without_rings_names_what_works() -> None:
    chains = from_smiles(["C" * size for size in range(1, 41)], np.arange(40.0), cache=False)
    with pytest.raises(DataError, match=r"without a ring share one scaffold\). Use method='random'\."):
        split(chains, "scaffold")
    assert min(split(chains, "random").sizes.values()) > 0


def test_packed_text_that_is_too_large_is_refused_while_it_is_unpacked(write: Write) -> None:
    path = write(gzip.compress(b"smiles,y\n" + b"CCO,0.5\n" * (1 << 19)), "mine.csv.gz")
    with pytest.raises(DataError, match=r"is larger than 1 MB once unpacked.*raise the limit, e\.g\. max_mb=4"):
        read(path, max_mb=1)
    with pytest.raises(DataError, match=r"has 100001 rows or more, over the limit of 100000.*max_rows="):
        read(path, max_rows=100_000)


def test_parquet_with_millions_of_rows_is_refused_before_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.parquet"
    pd.DataFrame({"smiles": pd.Series(["CCO"] * 2_000_000, dtype="category"), "y": np.zeros(2_000_000)}).to_parquet(
        path
    )
    assert path.stat().st_size < 1 << 20
    with pytest.raises(DataError, match="has 2000000 rows or more, over the limit of 1000000"):
        read(path)


def test_a_record_of_a_million_atoms_is_rejected_before_it_is_parsed(write: Write) -> None:
    from rdkit import Chem

    small = Chem.MolToMolBlock(Chem.MolFromSmiles("CCO"))
    atoms = "\n".join(["M  V30 1 C 0 0 0 0"] * 1_000_000)
    path = write(f"{small}> <y>\n0.5\n\n$$$$\nhuge\n\n\n{atoms}\nM  END\n$$$$\n{small}> <y>\n1.5\n\n$$$$\n", "mine.sdf")
    data = read(path, targets="y", duplicates="keep")
    assert (data.rows.tolist(), [item.number for item in data.rejects]) == ([0, 2], [2])
    assert "at most 65535 atoms" in data.rejects[0].reason


def test_a_panel_of_classes_and_numbers(write: Write) -> None:
    cells: dict[str, list[Any]] = {
        "logS": NUMBERS,
        "toxic": ["yes", "no", ""] * 4,
        "clearance": [10.0 * value for value in NUMBERS[::-1]],
    }
    path = write(table(cells))
    with pytest.raises(
        DataError, match=r"holds classes .* hold numbers\. Name the label columns: .* one model of classes and numbers"
    ):
        read(path)
    data = read(path, targets=list(cells))
    assert (data.task, data.metric) == ("regression,classification,regression", "rmse,roc_auc,rmse")
    assert "3 targets (classes and numbers)" in repr(data)
    truth = data.targets
    perfect = score(str(data.metric), truth, np.nan_to_num(truth, nan=0.5), data.target_names)
    assert (perfect.value, perfect.per_task) == (1, {"logS": 0, "toxic": 1, "clearance": 0})
    means = np.broadcast_to(np.nanmean(truth, axis=0), truth.shape)
    assert score(str(data.metric), truth, means, data.target_names).value == pytest.approx(0, abs=1e-6)
    assert higher_is_better(str(data.metric))
    with pytest.raises(ConfigError, match="names 2 tasks for 3 targets"):
        read(path, targets=list(cells), task="regression,classification")


@pytest.mark.parametrize(("name", "line"), [("mine.smi", "CCO\n"), ("mine.sdf", "\n\n\n$$$$\n")])
def test_lists_of_too_many_rows_are_refused_before_they_are_split(name: str, line: str, write: Write) -> None:
    with pytest.raises(DataError, match="has 5000 rows or more, over the limit of 4999"):
        read(write(5000 * line, name), max_rows=4999)


def test_measurements_of_a_molecule_are_averaged_within_the_role_that_the_table_states(tmp_path: Path) -> None:
    """A mean over train and test would be a label of the test set in training."""
    rows = ["CCO,1.25,train", "OCC,3.25,train", "C(O)C,9.5,test", "CCN,2.5,train", "CCCN,4.5,test"]
    path = tmp_path / "my.csv"
    path.write_text("\n".join(["smiles,y,split", *rows]))
    data = read(path)
    assert dict(zip(data.rows.tolist(), data.targets[:, 0].tolist(), strict=True)) == {0: 2.25, 2: 9.5, 3: 2.5, 4: 4.5}
    dropped = read(path, duplicates="drop")
    assert dropped.rows.tolist() == [3, 4]


@pytest.mark.parametrize("values", [["0.5", "2", "1.25"], ["0", "1", "1"]])
def test_a_column_of_weights_holds_no_labels(tmp_path: Path, values: list[str]) -> None:
    rows = [
        f"{smiles},{at}.5,{value}" for at, (smiles, value) in enumerate(zip(["C", "CC", "CCC"], values, strict=True))
    ]
    path = tmp_path / "my.csv"
    path.write_text("\n".join(["smiles,y,w", *rows]))
    data = read(path, sample_weight="w")
    assert data.target_names == ["y"]
    assert data.columns["label_weight"].ravel().tolist() == [float(value) for value in values]
    with pytest.raises(DataError, match="'nope'"):
        read(path, sample_weight="nope")


def test_bounds_are_counted_in_the_card_of_a_run(tmp_path: Path) -> None:
    rows = [f"{'C' * (1 + at)},{'>' if at < 3 else ''}{at}.5" for at in range(40)]
    path = tmp_path / "my.csv"
    path.write_text("\n".join(["smiles,pIC50", *rows, "CCO,"]))
    data = read(path)
    card = data_card(data, split(data, "random"))
    assert (card["bounds"], card["labels"]) == (3, 40)
    assert format_bound_counts(card) == "; 3 of 40 labels are bounds (one-sided loss)"
    exact = data_card(freesolv := load("freesolv"), split(freesolv, "random"))
    assert "bounds" not in exact
    assert format_bound_counts(exact) == ""


def test_a_mistyped_role_is_refused_where_the_others_are_roles(tmp_path: Path) -> None:
    rows = [f"{'C' * (1 + at)},{at}.5,{'test' if at % 3 else 'train'}" for at in range(10)]
    path = tmp_path / "my.csv"
    path.write_text("\n".join(["smiles,y,split", *rows, "CCO,1.5,tets"]))
    with pytest.raises(DataError, match=r"row 12, column 'split': 'tets' is not a role.*Correct the cell"):
        read(path)
    path.write_text("\n".join(["smiles,y,Subset", *rows, "CCO,1.5,external"]))
    assert sorted(split(read(path), "column").test.tolist()) == [1, 2, 4, 5, 7, 8, 10]


@pytest.mark.parametrize("word", ["", "NA", "n/a", "n.d.", "unknown"])
def test_a_row_without_a_relation_or_role_may_say_so(word: str, write: Write) -> None:
    data = read(write(table({"relation": [">", "=", word] * 4, "pIC50": NUMBERS})))
    assert data.columns["label_bounds"].ravel().tolist() == [1, 0, 0] * 4
    data = read(write(table({"split": ["train", "train", "test", word] * 3, "pIC50": NUMBERS})))
    assert data.columns["given_role"].tolist() == [0, 0, 3, -1] * 3
    assert len(split(data, "column").test) == 3


def test_what_is_read_of_dashes_and_percent_signs_is_said() -> None:
    assert read_numbers(["\u22121.5", "2.5"]).notes == ["a dash is read as a minus sign: \u22121.5 is read as -1.5"]
    (mixed,) = read_numbers(["5.87%", "0.0613", ""]).notes
    assert "5.87% is read as 5.87; other cells have none, so check that all are on the same scale" in mixed
    assert "other cells" not in read_numbers(["5.87%", "6 %", ""]).notes[0]


def test_a_frame_may_hold_molecules_of_rdkit() -> None:
    texts = ["CCO", "c1ccccc1", "C[C@H](N)O"]
    frame = pd.DataFrame({"mol": [*map(Chem.MolFromSmiles, texts), None], "y": [0.5, 1.5, 2.5, 3.5]})
    data = from_frame(frame, cache=False, n_jobs=1)
    assert list(data.smiles) == [Chem.MolToSmiles(Chem.MolFromSmiles(text)) for text in texts]
    assert data.targets.ravel().tolist() == [0.5, 1.5, 2.5]
    assert list(from_frame(frame, smiles="mol", cache=False, n_jobs=1).smiles) == list(data.smiles)


def test_a_relation_of_a_column_that_is_no_label_bounds_nothing(tmp_path: Path) -> None:
    rows = [f"{'C' * (1 + at)},{at % 2},{at}.5,{'>' if at < 3 else '='}" for at in range(10)]
    path = tmp_path / "my.csv"
    path.write_text("\n".join(["smiles,active,IC50,IC50_relation", *rows]))
    data = read(path, targets=["active"])
    assert "label_bounds" not in data.columns
    assert "bounds" not in said(data)
    assert read(path, targets=["IC50"]).columns["label_bounds"].ravel().tolist()[:4] == [1, 1, 1, 0]


@pytest.mark.parametrize("units", [["nM"], ["nM", "uM"]])
def test_an_export_of_chembl_without_pchembl_values(units: list[str], write: Write) -> None:
    path = write(chembl([("=>"[n % 2], str(20 + 30 * n), units[n % len(units)], "") for n in range(12)]))
    data = read(path)
    assert data.target_names == ["p(Standard Value)"]
    assert "a ChEMBL export without pChEMBL values" in said(data)
    assert data.columns["label_bounds"].ravel().tolist()[:2] == [0, -1]
    assert labels(data)[:2] == pytest.approx([7.69897, 7.30103 if len(units) == 1 else 4.30103], abs=1e-4)
    other = read(write(chembl([("=", str(7 * (n % 5) + 1), "%", "") for n in range(12)])))
    assert other.target_names == ["Standard Value"]


def test_units_that_have_no_logarithm_are_named(write: Write) -> None:
    rows = [("=", "10", "nM", ""), ("=", "30", "ug.mL-1", "")]
    with pytest.raises(DataError, match=r"units that are not molar: ug\.mL-1"):
        read(write(chembl([*rows] * 6)))


@pytest.mark.parametrize("name", ["Standard Type", "Target Name", "endpoint", "Solvent"])
def test_measurements_of_different_things_are_said(name: str, write: Write) -> None:
    words = ["logS", "logD", "logS"] * 4
    assert f"column {name!r} names several kinds of measurement ('logD', 'logS')" in said(
        read(write(table({"logS": NUMBERS, name: words})))
    )
    assert read(write(table({"logS": NUMBERS, name: ["logS"] * 12}))).notes == []


def test_columns_like_splits_are_used_or_said(write: Write) -> None:
    roles = [*["train"] * 8, "valid", "valid", "test", "test"]
    used = read(write(table({"logS": NUMBERS, "purpose": roles})))
    assert used.columns["given_role"].ravel().tolist() == [0] * 8 + [1, 1, 3, 3]
    both = read(write(table({"logS": NUMBERS, "split_random": roles, "split_scaffold": roles[::-1]})))
    assert "given_role" not in both.columns
    assert (
        "columns 'split_random', 'split_scaffold' state roles, and none is used. To choose one: split_column="
        in said(both)
    )
    abbreviated = read(write(table({"logS": NUMBERS, "Set": ["TR"] * 10 + ["TE"] * 2})))
    assert abbreviated.columns["given_role"].ravel().tolist() == [0] * 10 + [3] * 2
    in_words = read(write(table({"logS": NUMBERS, "Set": ["Training set"] * 10 + ["Test set"] * 2})))
    assert in_words.columns["given_role"].ravel().tolist() == [0] * 10 + [3] * 2
    short = read(write(table({"logS": NUMBERS, "Set": ["A"] * 10 + ["B"] * 2})))
    assert "column 'Set' (A, B) states no roles (train, valid, test), and is not used as a split" in said(short)
    flag = read(write(table({"logS": NUMBERS, "is_test": [0] * 10 + [1] * 2})))
    assert flag.target_names == ["logS"]
    assert "column 'is_test' looks like a split, and is not used as labels" in said(flag)


@pytest.mark.parametrize("value", ["-999", "9999", "-99.9"])
def test_numbers_written_for_missing_ones_are_said(value: str, write: Write) -> None:
    data = read(write(table({"logS": [value, value, *NUMBERS[2:]]})))
    assert f"column 'logS': {value} occurs 2 times, far from all other numbers" in said(data)
    assert read(write(table({"logS": [99, 99.5, 99, *NUMBERS[3:8], *[50 * n for n in range(4)]]}))).notes == []


def test_replicates_of_classes_are_no_averages(write: Write) -> None:
    rows = [f"{smiles},{place % 2}" for place, smiles in enumerate([*DRUGS, *DRUGS])]
    data = read(write("\n".join(["smiles,hit", *rows])), duplicates="mean")
    assert "the majority label is used" in said(data)
    assert "averaged" not in said(data)


def test_names_with_digits_are_no_classes_and_units_that_are_not_molar_have_no_logarithm(write: Write) -> None:
    named = read(write(table({"logS": NUMBERS, "Target Name": ["HER2", "EGFR"] * 6})))
    assert named.target_names == ["logS"]
    times = [f"{n + 1} h" if n % 2 else f"{60 * n + 60} min" for n in range(12)]
    assert (
        read(write(table({"half-life": times}))).notes[-1].endswith("numbers in several units, which are not compared")
    )
    with pytest.raises(DataError, match=r"one of several units \(h, min\); convert all labels to one unit"):
        read(write(table({"half-life": times})), targets="half-life")


def test_units_of_a_second_header(write: Write) -> None:
    rows = table({"IC50": [str(1.5 + 30 * n) for n in range(12)]}).split("\n", 1)
    data = read(write("\n".join(["Compound,Assay A", "SMILES,IC50 (nM)", rows[1]])), targets="p(Assay A)")
    assert "units: 'Assay A' in nM" in said(data)
    assert labels(data)[0] == pytest.approx(8.823909, abs=1e-5)


@pytest.mark.parametrize("name", ["SD of logS", "p-value", "Price (USD)", "pKa calc", "calculated logP"])
def test_further_numbers_that_are_no_labels(name: str, write: Write) -> None:
    data = read(write(table({name: NUMBERS[::-1], "logS": NUMBERS})))
    assert data.target_names == ["logS"]
    assert f"column {name!r} looks like" in said(data)


def test_relations_in_words(write: Write) -> None:
    data = read(write(table({"operator": ["less than", "equal to", "&gt;"] * 4, "pIC50": NUMBERS})))
    assert data.columns["label_bounds"].ravel().tolist()[:3] == [-1, 0, 1]


def test_endpoints_in_units_of_their_own_count_alike(write: Write) -> None:
    """The metric of such a table, which also chooses the epoch, does not depend on the units."""
    data = read(write(table({"logD": NUMBERS, "CLint": [10_000 * (5 - n % 7) for n in range(12)]})))
    assert (data.task, data.metric) == ("regression", "scaled_rmse")
    assert data.metric is not None
    truth = data.targets.astype(float)
    guess = truth + np.random.default_rng(0).normal(size=truth.shape) * [0.5, 5_000]
    own, same = score(data.metric, truth, guess), score(data.metric, truth / [1, 10_000], guess / [1, 10_000])
    assert own.value == pytest.approx(same.value)
    assert score("rmse", truth, guess).value > 1000 * own.value
