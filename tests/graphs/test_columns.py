"""Columns per molecule and per atom: aligned, kept on disk, resumed after an interruption."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from rdkit import Chem

from molweight.errors import ConfigError, DataError
from molweight.graphs import GraphBatch, MoleculeDataset, TargetSpec, attach_targets, build_dataset, target_column
from molweight.graphs._columns import missing_targets
from molweight.graphs.internal import build_streamed, write_array

SMILES = ["CCO", "c1ccccc1N", "[Na+].[Cl-]", "C", "CC(=O)O"]


def numbers(smiles: Sequence[str], fail: frozenset[str] = frozenset()) -> np.ndarray:
    """Atomic number and position of each atom; NaN for the molecules in ``fail``."""
    rows = []
    for text in smiles:
        atoms = Chem.MolFromSmiles(text).GetAtoms()
        rows += [[np.nan, np.nan] if text in fail else [atom.GetAtomicNum(), atom.GetIdx()] for atom in atoms]
    return np.array(rows, dtype=np.float32)


NUMBERS = TargetSpec("numbers", version=1, dim=2, dtype="float32", compute=numbers, per="atom")
GAPS = TargetSpec("gaps", 1, 2, "float32", partial(numbers, fail=frozenset({"C", "CCO"})), per="atom")


@pytest.fixture
def data() -> MoleculeDataset:
    return attach_targets(build_dataset(SMILES, cache=False), [NUMBERS])


def assert_aligned(batch: GraphBatch) -> None:
    """Elements in the column are those of the atom features, which count from 0."""
    column = batch.atom_columns["numbers"]
    assert torch.equal(column[:, 0].long() - 1, batch.x[:, 0])
    assert torch.equal(column[:, 1].long(), torch.cat([torch.arange(int(n)) for n in batch.ptr.diff()]))


def test_values_per_atom_travel_with_batches(data: MoleculeDataset) -> None:
    for indices in ([0, 1, 2, 3, 4], [4, 0, 0], [2]):
        assert_aligned(data.graphs(indices))
        assert_aligned(data.subset(indices).graphs(range(len(indices))))
    assert data.graphs([0]).columns == {}
    assert [item["numbers"][:, 0].tolist() for item in data.batch([3, 0]).to_data_list()] == [[6], [6, 6, 8]]


def test_rows_are_counted(data: MoleculeDataset) -> None:
    with pytest.raises(DataError, match="5 rows for 17 atoms"):
        data.with_columns({}, {"wrong": np.zeros((5, 1))})
    bad = TargetSpec("bad", 1, 1, "uint8", lambda smiles: np.zeros((len(smiles), 1)), per="atom")
    with pytest.raises(DataError, match="5 rows for the 17 atoms of molecules 0 to 4"):
        target_column(data, bad)
    flat = TargetSpec("flat", 1, 2, "uint8", lambda smiles: np.zeros(3), per="atom")
    with pytest.raises(DataError, match="one row of 2 per atom"):
        flat(["CCO"])
    with pytest.raises(ConfigError, match="target 'odd': per='bond' must be 'molecule' or 'atom'"):
        TargetSpec("odd", 1, 1, "uint8", numbers, per="bond")  # type: ignore[arg-type]  # what a user may type


def test_missing_molecules_are_counted(data: MoleculeDataset, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        attached = attach_targets(data, [GAPS])
    assert "2 of 5 molecules have no gaps" in caplog.text
    assert missing_targets(attached, "gaps").tolist() == [True, False, False, True, False]
    assert not missing_targets(attached, "numbers").any()
    with pytest.raises(DataError, match="no column 'gap'"):
        missing_targets(attached, "gap")


class _Interrupted:
    """``numbers``, until something stops the process after ``good`` calls."""

    def __init__(self, good: int) -> None:
        self.left = good
        self.seen: list[str] = []

    def __call__(self, smiles: Sequence[str]) -> np.ndarray:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        self.seen += smiles
        return numbers(smiles)


def test_interrupted_work_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of 200 molecules in files of 64, two files are complete when the third is interrupted in its middle."""
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(tmp_path))
    smiles = ["C" * (1 + i % 7) for i in range(200)]
    data = build_dataset(smiles, n_jobs=1)
    first, second = _Interrupted(150), _Interrupted(1000)
    with pytest.raises(KeyboardInterrupt):
        target_column(data, TargetSpec("numbers", 1, 2, "float32", first, per="atom", chunk=1), n_jobs=1)
    assert data.folder is not None
    (place,) = (data.folder / "targets").glob("numbers-v1-rdkit-*")
    assert sorted(path.name for path in place.iterdir()) == ["00000.npy", "00001.npy"]
    values = target_column(data, TargetSpec("numbers", 1, 2, "float32", second, per="atom", chunk=1), n_jobs=1)
    assert second.seen == smiles[128:]
    assert np.array_equal(values, numbers(smiles))
    write_array(place / "00001.npy", np.zeros((3, 2), dtype=np.float32))
    again = target_column(data, TargetSpec("numbers", 1, 2, "float32", second, per="atom", chunk=1), n_jobs=1)
    assert "00001.npy: holds (3, 2) float32, and numbers needs" in caplog.text
    assert np.array_equal(again, values)


def test_values_of_another_rdkit_are_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, upgrade_rdkit: Callable[[], None]
) -> None:
    """Molecules, whole or streamed or a part of a table, and their targets, also in a folder that was found before."""
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(tmp_path / "cache"))
    counted = _Interrupted(1000)
    spec = TargetSpec("numbers", 1, 2, "float32", counted, per="atom")

    def folders() -> list[Path | None]:
        whole, streamed = build_dataset(SMILES, n_jobs=1), build_streamed(lambda: enumerate(SMILES), [b"a"], n_jobs=1)
        tables = [whole, streamed, whole.subset([1])]
        for table in tables:
            target_column(table, spec, n_jobs=1)
        return [table.folder for table in tables]

    found, before = build_dataset(SMILES, n_jobs=1), folders()
    assert folders() == before
    assert len(counted.seen) == 2 * len(SMILES) + 1
    upgrade_rdkit()
    assert not set(folders()) & set(before)
    assert len(counted.seen) == 2 * (2 * len(SMILES) + 1)
    target_column(found, spec, n_jobs=1)
    assert len(counted.seen) == 2 * (2 * len(SMILES) + 1) + len(SMILES)


def test_a_part_of_a_table_is_cached_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(tmp_path))
    part = build_dataset(SMILES, n_jobs=1).subset([4, 1])
    counted = _Interrupted(1)
    spec = TargetSpec("numbers", 1, 2, "float32", counted, per="atom")
    first = target_column(part, spec)
    again = target_column(build_dataset(SMILES, n_jobs=1).subset([4, 1]), spec)  # a second computation would be refused
    assert counted.seen == [SMILES[4], SMILES[1]]
    assert np.array_equal(first, again)
    assert build_dataset(SMILES, cache=False).subset([4, 1]).folder is None
