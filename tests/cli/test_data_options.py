"""The table that the command line's options name."""

import logging
from pathlib import Path

import numpy as np
import pytest

from molweight.cli._data_options import load_table
from molweight.cli._fit import parser
from molweight.errors import ConfigError, MolweightError
from molweight.graphs import MoleculeDataset


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(tmp_path / "cache"))


def table(*arguments: object) -> MoleculeDataset:
    return load_table(parser().parse_args([str(argument) for argument in arguments]))


def test_what_to_do_with_what_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("smiles,y\nCCO,0.5\nC1CC,1.5\nCCN,n.d.\n[Na+].CC(=O)[O-],2.5\n")
    assert table(path, "--targets", "y").rows.tolist() == [0, 3]
    kept = table(path, "--targets", "y", "--on_error", "nan", "--standardize", "salts,charges")
    assert list(kept.smiles) == ["CCO", "CCN", "CC(=O)O"]
    assert np.isnan(kept.targets[:, 0]).tolist() == [False, True, False]
    with pytest.raises(MolweightError, match=r"row 4, column 'y': 'n\.d\.' is not a number"):
        table(path, "--targets", "y", "--on_error", "raise")
    with pytest.raises(ConfigError, match="standardize='salt' is no choice; did you mean 'salts'"):
        table(path, "--standardize", "salt")


def test_the_format_is_that_of_the_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "mine.smi"
    path.write_text("CCO\t0.5\nCCN\t1.5\n")
    with caplog.at_level(logging.INFO, logger="molweight.datasets"):
        assert table(path).targets.ravel().tolist() == [0.5, 1.5]
    assert "taken for regression, because not all labels are 0 or 1" in caplog.text


def test_the_task_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("smiles,active,pIC50\nCCO,1,5.5\nCCN,0,4.5\nCCC,1,6.5\n")
    assert table(path, "--task", "classification").target_names == ["active"]
    asked = table(path, "--targets", "active", "--task", "regression")
    assert (asked.task, asked.metric) == ("regression", "rmse")
    with pytest.raises(MolweightError, match="task='clasification'"):
        table(path, "--targets", "active", "--task", "clasification")


def test_some_of_the_labels_of_a_published_table() -> None:
    assert table("--data", "clintox", "--targets", "CT_TOX").target_names == ["CT_TOX"]
    with pytest.raises(MolweightError, match="CT_TOKS"):
        table("--data", "clintox", "--targets", "CT_TOKS")


@pytest.mark.parametrize("option", ["--smiles=smiles", "--task=regression", "--on_error=nan", "--standardize=salts"])
def test_what_a_published_table_would_ignore_is_refused(option: str) -> None:
    with pytest.raises(ConfigError, match=f"{option.split('=', maxsplit=1)[0]} is for a table of your own"):
        table("--data", "freesolv", option)
