"""Batches against PyG's collation, caches, and columns."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from molweight.datasets import load, load_corpus
from molweight.errors import DataError, TrainingError
from molweight.graphs import GraphBatch, MoleculeDataset, TargetSpec, attach_targets, build_dataset, target_column

SMILES = ["CCO", "C1CC", "c1ccccc1", "[Na+].[Cl-]", "C", ""]
LABELS = np.array([[0.0, 1.0], [9.0, 9.0], [2.0, np.nan], [3.0, 4.0], [5.0, 6.0], [9.0, 9.0]])


@pytest.fixture
def data() -> MoleculeDataset:
    return build_dataset(SMILES, LABELS, name="six", task="regression", cache=False)


def test_labels_stay_with_their_molecules(data: MoleculeDataset) -> None:
    assert data.rows.tolist() == [0, 2, 3, 4]
    assert data.targets[:, 0].tolist() == [0.0, 2.0, 3.0, 5.0]
    assert np.isnan(data.targets[1, 1])
    assert [reject.row for reject in data.rejects] == [1, 5]


def test_item_is_pyg_data(data: MoleculeDataset) -> None:
    item = data[-1]
    assert (item.smiles, item.num_nodes, item.num_edges) == ("C", 1, 0)
    assert item.y.tolist() == [[5.0, 6.0]]
    with pytest.raises(IndexError):
        data[4]


@pytest.mark.parametrize("name", ["freesolv", "clintox"])
def test_batch_equals_pyg_collation(name: str) -> None:
    table = load(name)
    indices = np.random.default_rng(0).integers(0, len(table), 200)
    ours, theirs = table.batch(indices), Batch.from_data_list([table[int(i)] for i in indices])
    for key in ("x", "edge_index", "edge_attr", "batch", "ptr"):
        assert torch.equal(ours[key], theirs[key]), key
    assert torch.equal(ours.y.nan_to_num(-1), theirs.y.nan_to_num(-1))
    assert ours.num_graphs == theirs.num_graphs


def test_batch_can_be_taken_apart(data: MoleculeDataset) -> None:
    for position, item in zip([2, 0, 3], data.batch([2, 0, 3]).to_data_list(), strict=True):
        for key in ("x", "edge_index", "edge_attr"):
            assert torch.equal(item[key], data[position][key])


def test_columns_travel_with_batches(data: MoleculeDataset) -> None:
    wider = data.with_columns({"size": np.array([[3], [6], [2], [1]], dtype=np.uint8)})
    assert wider.graphs([3, 1]).columns["size"].tolist() == [[1], [6]]
    assert wider.batch([3, 1])["size"].tolist() == [[1], [6]]
    assert "size" not in data.graphs([0]).columns
    with pytest.raises(DataError, match="column 'size' has 1 rows for 4 molecules"):
        data.with_columns({"size": np.zeros((1, 1))})


def test_graph_batch_moves(data: MoleculeDataset) -> None:
    moved = data.graphs([0, 1]).to("meta")
    assert moved.device.type == "meta"
    assert moved.y is not None
    assert moved.y.device.type == "meta"
    assert isinstance(moved, GraphBatch)


@pytest.mark.parametrize("bad", [4, -1])
def test_position_outside_is_refused(data: MoleculeDataset, bad: int) -> None:
    with pytest.raises(DataError, match=rf"no molecule at position {bad}; there are 4"):
        data.graphs([0, bad])


def test_no_usable_molecule_is_refused() -> None:
    with pytest.raises(DataError, match=r"none of 2 rows has a usable molecule, e\.g\. row 0 'FAIL'"):
        build_dataset(["FAIL", ""], name="bad", cache=False)


def test_labels_of_another_length_are_refused() -> None:
    with pytest.raises(DataError, match="labels of shape"):
        build_dataset(["C", "CC"], [[1.0]], name="bad", task="regression", cache=False)


def test_cache_returns_the_same_and_is_keyed_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(tmp_path))
    first = build_dataset(SMILES, LABELS, name="a", task="regression")
    again = build_dataset(SMILES, LABELS + 1, name="b", task="regression")
    other = build_dataset([*SMILES, "CC"], name="c")
    assert first.folder == again.folder != other.folder
    assert again.rejects == first.rejects
    assert np.array_equal(again.molecules.atoms, first.molecules.atoms)
    assert again.targets[0, 0] == 1.0
    assert sorted(path.name for path in (tmp_path / "molecules").iterdir()) == sorted(
        {first.folder.name, other.folder.name} if first.folder and other.folder else set()
    )


def test_cells_of_several_lines_are_not_mistaken_for_several_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(tmp_path))
    for smiles in (["CCO", "C", "CCN"], ["CCO\nC", "CCN"], ["CCO", "C\nCCN"]):
        assert list(build_dataset(smiles).smiles) == list(build_dataset(smiles, cache=False).smiles)


def test_cached_arrays_cannot_be_changed_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(tmp_path))
    build_dataset(SMILES, name="a")
    mapped = build_dataset(SMILES, name="a")
    mapped.molecules.atoms[:] = 7
    assert (build_dataset(SMILES, name="a").molecules.atoms != 7).any()


def _length(smiles: Sequence[str]) -> np.ndarray:
    return np.array([[len(text)] for text in smiles], dtype=np.float32)


def _refuse(smiles: Sequence[str]) -> np.ndarray:
    raise AssertionError(f"computed again for {len(smiles)} molecules")


def test_targets_are_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(tmp_path))
    table = build_dataset(SMILES, name="a")
    spec = TargetSpec("length", 1, 1, "float32", _length)
    again = TargetSpec("length", 1, 1, "float32", _refuse)
    newer = TargetSpec("length", 2, 1, "float32", _refuse)
    assert target_column(table, spec).ravel().tolist() == [3, 8, 11, 1]
    assert attach_targets(table, [again]).graphs([2]).columns["length"].item() == 11
    with pytest.raises(TrainingError, match="target 'length': AssertionError: computed again for 4"):
        target_column(table, newer)


def test_bytes_per_drug_like_molecule() -> None:
    corpus = load_corpus("zinc", size=2000)
    assert corpus.molecules.nbytes / len(corpus) <= 600
