"""The tables that are not in the wheel: counts as published, with all traps of the sources.

They need the folder that ``MOLWEIGHT_DATA`` names, and some of them minutes: those run with ``--slow``.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from molweight import datasets
from molweight.datasets._label_columns import parse_labels
from molweight.datasets._load import _columns, _read
from molweight.datasets.internal import TABLES
from molweight.errors import DataError

FOLDER = Path(os.environ.get("MOLWEIGHT_DATA", "/nonexistent")) / "moleculenet"
needs_sources = pytest.mark.skipif(not FOLDER.is_dir(), reason="MOLWEIGHT_DATA does not name the folder of the sources")

FETCHED = {  # rows, unparsable, targets, percentage of labels missing: counted in the sources with other tools
    "hiv": (41_127, 7, 1, 0.0),
    "muv": (93_087, 0, 17, 84.2),
    "qm7": (6_834, 0, 1, 0.0),
    "qm8": (21_786, 0, 12, 0.0),
    "qm9": (133_885, 0, 19, 0.0),
    "toxcast": (8_597, 18, 617, 71.0),
}
SLOW = ("hiv", "muv", "qm8", "qm9")  # tens of thousands of molecules


def test_the_catalogue_is_moleculenet() -> None:
    names = "bbbp bace clintox sider tox21 toxcast hiv muv esol freesolv lipophilicity qm7 qm8 qm9"
    assert datasets.available() == sorted(names.split())
    assert {name for name, entry in TABLES.items() if not entry.embedded} == set(FETCHED)
    for name, entry in TABLES.items():
        metric = "mae" if name.startswith("qm") else "roc_auc" if entry.task == "classification" else "rmse"
        assert entry.metric == ("prc_auc" if name == "muv" else metric)
        assert entry.url.startswith("https://")
        assert len(entry.sha256) == 64
        assert entry.num_targets == len(set(entry.targets)) or entry.unlisted
    assert {name: (entry.rows, entry.num_targets) for name, entry in TABLES.items() if name in FETCHED} == {
        name: (rows, targets) for name, (rows, _, targets, _) in FETCHED.items()
    }


@needs_sources
@pytest.mark.parametrize("name", sorted(FETCHED.keys() - {"qm9"}))
def test_rows_and_labels_are_those_of_the_sources(name: str) -> None:
    rows, _, targets, missing = FETCHED[name]
    table = _read(TABLES[name])
    columns = _columns(TABLES[name], table)
    labels = parse_labels(table, columns)
    assert labels.shape == (rows, targets)
    assert len(table.cells("smiles")) == rows
    assert 100 * float(np.isnan(labels).mean()) == pytest.approx(missing, abs=0.1)
    if TABLES[name].task == "classification":
        assert set(np.unique(labels[~np.isnan(labels)]).tolist()) == {0.0, 1.0}


@needs_sources
@pytest.mark.parametrize("name", ["qm7", "toxcast", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_one_line_loads_it(name: str) -> None:
    rows, unparsable, targets, _ = FETCHED[name]
    data = datasets.load(name, n_jobs=1)
    assert (len(data), len(data.rejects)) == (rows - unparsable, unparsable)
    assert data.targets.shape == (rows - unparsable, targets)
    assert (data.task, data.metric) == (TABLES[name].task, TABLES[name].metric)
    assert sorted([*data.rows.tolist(), *(item.row for item in data.rejects)]) == list(range(rows))
    if name == "toxcast":
        assert sum(item.smiles == "FAIL" for item in data.rejects) == 15


@needs_sources
@pytest.mark.parametrize("name", ["qm7", "toxcast", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_the_frozen_split_is_the_computed_one(name: str) -> None:
    data = datasets.load(name, n_jobs=1)
    frozen, computed = datasets.split(data), datasets.split(data, frozen=False)
    assert (frozen.frozen, computed.frozen) == (True, False)
    for role, positions in computed.roles().items():
        assert np.array_equal(frozen.roles()[role], np.sort(positions)), role  # stored in the order of rows


@needs_sources
def test_some_of_the_targets() -> None:
    one = datasets.load("qm7", "u0_atom", n_jobs=1)
    assert one.target_names == ["u0_atom"]
    with pytest.raises(DataError, match="no column 'u0_atoms'; did you mean 'u0_atom'"):
        datasets.load("qm7", ["u0_atoms"])


def test_some_of_the_targets_of_an_embedded_table() -> None:
    data = datasets.load("clintox", "CT_TOX", n_jobs=1)
    assert data.target_names == ["CT_TOX"]
    assert np.array_equal(data.targets, datasets.load("clintox", n_jobs=1).targets[:, 1:])


@needs_sources
def test_the_numbers_of_bace() -> None:
    data = datasets.load("bace", "pIC50", n_jobs=1)
    assert (data.task, data.metric, data.targets.shape) == ("regression", "rmse", (1513, 1))
    active = datasets.load("bace", n_jobs=1).targets[:, 0] == 1
    assert np.sum((data.targets[:, 0] >= 7) != active) == 17  # rows of the source that contradict themselves
    with pytest.raises(DataError, match="no column 'pIC5'"):
        datasets.load("bace", "pIC5")
