"""The options that say which molecules to use, without a fit."""

import json
from pathlib import Path

import pytest

from molweight.cli._data_options import load_table, split_table
from molweight.cli._fit import parser
from molweight.datasets import Splits
from molweight.errors import ConfigError, DataError

ROLES = ["train", "train", "valid", "select", "test", "", "test"]


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A table with a column of roles."""
    path = tmp_path / "mine.csv"
    path.write_text("smiles,y,fold\n" + "".join(f"{'C' * (n + 1)},{n}.5,{role}\n" for n, role in enumerate(ROLES)))
    return path


def _split(*arguments: str) -> Splits:
    options = parser().parse_args(list(arguments))
    return split_table(options, load_table(options))


def test_a_column_of_ones_own_table_is_a_split(mine: Path) -> None:
    splits = _split(str(mine), "--split_column", "fold")
    assert [part.tolist() for part in splits.roles().values()] == [[0, 1], [2], [3], [4, 6]]
    assert splits.definition == f"given by {mine}, column 'fold'"


def test_a_file_is_a_split(mine: Path, tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    path.write_text(json.dumps({"train": [0, 1, 2], "valid": [3], "test": [4]}))
    splits = _split(str(mine), "--split_file", str(path), "--protocol", "paper")
    assert [part.tolist() for part in splits.roles().values()] == [[0, 1, 2], [3], [3], [4]]


def test_a_method_takes_its_options() -> None:
    splits = _split("--data", "freesolv", "--split", "stratified", "--split_options.bins", "4")
    assert "4 ranges of 'expt'" in splits.definition


def test_options_that_make_no_sense_are_refused(mine: Path) -> None:
    with pytest.raises(ConfigError, match="both name a split"):
        _split(str(mine), "--split_column", "fold", "--split_file", "split.json")
    with pytest.raises(ConfigError, match="a column of your own table"):
        _split("--data", "freesolv", "--split_column", "fold")
    with pytest.raises(ConfigError, match="has no option 'cutoff'"):
        _split("--data", "freesolv", "--split_options.cutoff", "0.5")
    with pytest.raises(DataError, match="there is no column 'folds'; did you mean 'fold'"):
        _split(str(mine), "--split_column", "folds")
