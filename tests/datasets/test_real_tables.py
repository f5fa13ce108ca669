"""The traps of MoleculeNet's own files, read as a user's files: what is found, and that no label leaves its molecule.

Every table is read from its source bytes by the reader for people's own tables, nothing named that can be found, and
compared with :func:`molweight.datasets.load` and with a second reading by the standard library.
"""

import csv
import gzip
import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from molweight import datasets
from molweight.datasets._choose_targets import choose_targets
from molweight.datasets._columns import describe_columns, find_smiles
from molweight.datasets._table import TextTable, read_table
from molweight.datasets.internal import TABLES
from molweight.errors import DataError
from molweight.graphs import MoleculeDataset

FOLDER = Path(os.environ.get("MOLWEIGHT_DATA", "/nonexistent")) / "moleculenet"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="MOLWEIGHT_DATA does not name the folder of the sources")

Load = Callable[[str], MoleculeDataset]


def source(name: str) -> Path:
    return FOLDER / f"{name}.csv.gz"


def text(name: str) -> str:
    return gzip.decompress(source(name).read_bytes()).decode()


def found_targets(table: TextTable) -> list[str]:
    return choose_targets(table, describe_columns(table, "smiles"), None).targets


def same_as_loaded(found: MoleculeDataset, loaded: MoleculeDataset) -> None:
    assert list(found.smiles) == list(loaded.smiles)
    assert np.array_equal(found.rows, loaded.rows)
    assert np.array_equal(found.targets, loaded.targets, equal_nan=True)
    assert found.target_names == loaded.target_names
    assert found.task == loaded.task
    assert [(item.row, item.smiles) for item in found.rejects] == [(item.row, item.smiles) for item in loaded.rejects]


@pytest.mark.parametrize("name", ["bbbp", "freesolv", "lipophilicity"])
def test_carriage_returns(name: str, table: Load) -> None:
    assert text(name).count("\r\n") >= TABLES[name].rows
    targets = {"freesolv": "expt"}.get(name)  # which has a column of calculated values next to the measured one
    same_as_loaded(datasets.from_file(source(name), targets=targets, duplicates="keep", n_jobs=1), table(name))


def test_a_blank_line_after_each_row_of_hiv() -> None:
    assert text("hiv").count("\r\n\n") + text("hiv").count("\n\r\n") >= 41_000
    found = read_table(source("hiv"))
    assert find_smiles(found) == "smiles"
    assert found_targets(found) == ["HIV_active"]
    records = [record for record in csv.DictReader(io.StringIO(text("hiv"), newline="")) if record["smiles"]]
    assert found.cells("smiles") == [record["smiles"] for record in records]
    assert found.cells("HIV_active") == [record["HIV_active"] for record in records]
    assert (found.row(0), found.row(1)) == (3, 5)


def test_a_blank_line_after_each_row_of_muv() -> None:
    found = read_table(source("muv"))
    assert len(found.frame) == 93_087
    assert found_targets(found) == list(TABLES["muv"].targets)
    assert (found.row(0), found.row(1)) == (3, 5)
    assert found.cells("smiles")[0] == "Cc1cccc(N2CCN(C(=O)C34CC5CC(CC(C5)C3)C4)CC2)c1C"


def test_trailing_blanks_of_esol(table: Load) -> None:
    assert sum(line.endswith(" ") for line in text("esol").splitlines()) > 100
    measured = TABLES["esol"].targets
    same_as_loaded(datasets.from_file(source("esol"), targets=measured, duplicates="keep", n_jobs=1), table("esol"))


def test_quoted_headers_with_commas_of_sider(table: Load) -> None:
    assert text("sider").splitlines()[0].count('"') >= 4
    same_as_loaded(datasets.from_file(source("sider"), duplicates="keep", n_jobs=1), table("sider"))


def test_the_column_mol_of_bace_and_its_hundred_descriptors(table: Load) -> None:
    with pytest.raises(
        DataError, match=r"holds? classes \(0 and 1\).*holds? numbers\. Name the label columns: targets="
    ):
        datasets.from_file(source("bace"))
    same_as_loaded(datasets.from_file(source("bace"), targets=["Class"], duplicates="keep", n_jobs=1), table("bace"))


def test_the_word_fail_of_toxcast() -> None:
    found = read_table(source("toxcast"))
    assert sum(cell == "FAIL" for cell in found.cells("smiles")) == 15
    assert find_smiles(found) == "smiles"
    assert len(found_targets(found)) == 617


@pytest.mark.parametrize("name", ["clintox", "tox21"])
def test_missing_labels_and_many_tasks(name: str, table: Load) -> None:
    same_as_loaded(datasets.from_file(source(name), duplicates="keep", n_jobs=1), table(name))


@pytest.mark.parametrize("name", ["qm7", "qm8"])
def test_tables_of_numbers(name: str) -> None:
    found = read_table(source(name))
    assert found_targets(found) == list(TABLES[name].targets)
