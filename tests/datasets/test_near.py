"""Neighbours in large corpora: an exact search, an index that resumes, and a corpus without what the task holds out."""

import gzip
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import DataStructs

from molweight import datasets
from molweight.datasets import _fingerprint_index, split_by_indices
from molweight.datasets._fingerprint_index import fingerprint_index
from molweight.datasets._libraries import libraries_at_hand, open_library
from molweight.datasets._near import near_corpus
from molweight.datasets._nearest import BLOCK, bit_columns, nearest
from molweight.datasets._rdkit_ecfp import packed_ecfp
from molweight.errors import ConfigError, DataError, UnknownNameError

ZINC = list(open_library("zinc").smiles(range(400)).values())


def vector(packed: np.ndarray) -> DataStructs.ExplicitBitVect:
    bits = DataStructs.ExplicitBitVect(8 * len(packed))
    bits.SetBitsFromList(np.flatnonzero(np.unpackbits(packed, bitorder="little")).tolist())
    return bits


@settings(max_examples=20)
@given(st.lists(st.sampled_from(ZINC), min_size=1, max_size=60), st.integers(1, 12))
def test_the_search_is_exact(library: list[str], k: int) -> None:
    bits, queries = packed_ecfp(library), packed_ecfp(ZINC[:3])
    rows, values = nearest(queries, [bit_columns(bits)], np.bitwise_count(bits).sum(axis=1, dtype=np.uint16), k)
    vectors = [vector(row) for row in bits]
    for query, found, similarity in zip(queries, rows, values, strict=True):
        expected = np.array(DataStructs.BulkTanimotoSimilarity(vector(query), vectors))
        order = [int(row) for row in np.argsort(-expected, kind="stable") if expected[row] > 0][:k]
        assert found[found >= 0].tolist() == order
        np.testing.assert_allclose(similarity[: len(order)], expected[order], rtol=1e-6)
        assert not similarity[len(order) :].any()


def test_molecules_with_more_than_255_bits_in_common_are_counted() -> None:
    bits = np.full((2, 128), 0xFF, dtype=np.uint8)
    bits[1, :40] = 0
    rows, values = nearest(bits[:1], [bit_columns(bits)], np.array([1024, 704], dtype=np.uint16), 2)
    assert rows.tolist() == [[0, 1]]
    np.testing.assert_allclose(values, [[1.0, 704 / 1024]])


def test_several_blocks_and_an_interruption(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(tmp_path))
    monkeypatch.setattr(_fingerprint_index, "BLOCK", 100)
    computed: list[int] = []

    def count(smiles: list[str]) -> np.ndarray:
        computed.append(len(smiles))
        if len(computed) == 3:
            raise KeyboardInterrupt
        return packed_ecfp(smiles)

    monkeypatch.setattr(_fingerprint_index, "packed_ecfp", count)
    with pytest.raises(KeyboardInterrupt):
        fingerprint_index(lambda: list(enumerate(ZINC)), b"interrupted", name="zinc")
    index = fingerprint_index(lambda: list(enumerate(ZINC)), b"interrupted", name="zinc")
    assert computed == [100, 100, 100, 100, 100]  # the third one twice
    assert (index.sizes == np.bitwise_count(packed_ecfp(ZINC)).sum(axis=1)).all()
    fingerprint_index(lambda: pytest.fail("is in the cache"), b"interrupted", name="zinc")
    assert [path.suffix for path in (tmp_path / "fingerprints").glob(".*")] == [".lock"]
    before = np.array(index.columns[1])  # the index is mapped from the file
    block = next((tmp_path / "fingerprints").glob("*/00001.npy"))
    with block.open("r+b") as stream:
        stream.seek(5000)
        stream.write(b"damage")
    again = fingerprint_index(lambda: list(enumerate(ZINC)), b"interrupted", name="zinc")
    assert (again.columns[1] == before).all()


def test_the_index_of_another_rdkit_is_not_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, upgrade_rdkit: Callable[[], None]
) -> None:
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(tmp_path))
    for _ in range(2):
        fingerprint_index(lambda: enumerate(ZINC[:20]), b"upgraded", name="zinc", n_jobs=1)
    assert len(list((tmp_path / "fingerprints").glob("[!.]*"))) == 1
    upgrade_rdkit()
    fingerprint_index(lambda: enumerate(ZINC[:20]), b"upgraded", name="zinc", n_jobs=1)
    assert len(list((tmp_path / "fingerprints").glob("[!.]*"))) == 2


def test_a_second_build_waits_for_the_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(tmp_path))
    monkeypatch.setattr(_fingerprint_index, "BLOCK", 20)
    written, proceed = Event(), Event()

    def read() -> Iterator[tuple[int, str]]:
        yield from enumerate(ZINC[:40])
        written.set()  # all blocks, but the folder is not in its place yet
        assert proceed.wait(60)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(fingerprint_index, read, b"shared", name="some", n_jobs=1)
        assert written.wait(60)
        second = pool.submit(fingerprint_index, lambda: enumerate(ZINC[:40]), b"shared", name="some", n_jobs=1)
        while not (second.done() or "another process is featurising it; waiting" in caplog.text):
            time.sleep(0.02)
        proceed.set()
        assert [len(index.result().sizes) for index in (first, second)] == [40, 40]
    fingerprint_index(lambda: pytest.fail("is in the cache"), b"shared", name="some")


def test_an_index_takes_130_bytes_a_molecule(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(tmp_path))
    fingerprint_index(lambda: list(enumerate(ZINC)), b"size", name="zinc")
    bits, sizes = (next(tmp_path.rglob(name)).stat().st_size for name in ("00000.npy", "00000-sizes.npy"))
    header = 256
    assert (bits - header) / BLOCK <= 128
    assert (sizes - header) / len(ZINC) <= 2


def test_a_file_without_molecules(tmp_path: Path) -> None:
    path = tmp_path / "none.smi"
    path.write_text("?\nC1CC\n")
    with pytest.raises(DataError, match=r"none\.smi: none of its 2 records has a valid molecule\. Name another file"):
        open_library(path).index()


SALTS = ["Cl", "Br", "I", "F", "O"]
TASK = ["CC(=O)Oc1ccccc1C(=O)O", "CC(C)Cc1ccc(cc1)C(C)C(=O)O", "CN1C=NC2=C1C(=O)N(C)C(=O)N2C", "OCCc1ccccc1"]
LARGE = [
    "CC(=O)Oc1ccccc1C(=O)[O-].[Na+]",  # a salt of the first, which is in train
    "COC(=O)c1ccccc1OC(C)=O",  # its ester
    "?",
    "C[C@H](C(=O)O)c1ccc(CC(C)C)cc1",  # a hand of the second, which is in test
    "COC(=O)C(C)c1ccc(CC(C)C)cc1",  # its ester
    "CCCCCCCC",
    "COC(=O)c1ccccc1OC(C)=O",  # twice
    "CCOC(=O)c1ccccc1OC(C)=O",
]


def test_compounds_of_the_task_are_left_out(tmp_path: Path) -> None:
    data = datasets.from_smiles(TASK)
    splits = split_by_indices(data, {"train": [0], "meta": [2], "select": [3], "test": [1]})
    path = tmp_path / "large.smi.gz"
    path.write_bytes(gzip.compress("\n".join(LARGE).encode()))
    found = near_corpus(data, splits, [path])
    assert list(found.smiles)[:2] == [LARGE[1], LARGE[7]]
    assert found.name == "near"
    assert not {LARGE[0], LARGE[3]} & set(found.smiles)
    assert list(found.smiles).count(LARGE[1]) == 1
    assert LARGE[3] in near_corpus(data, splits, [path], held_out=True).smiles
    assert len(near_corpus(data, splits, [path], size=1)) == 1
    with pytest.raises(ConfigError, match="size=0 must be at least 1"):
        near_corpus(data, splits, [path], size=0)
    with pytest.raises(UnknownNameError, match="zinc"):
        near_corpus(data, splits, ["zink"])
    path = tmp_path / "own.smi"
    path.write_text("\n".join(TASK))
    with pytest.raises(DataError, match=r"near: all .* neighbours are salts, isomers or tautomers of"):
        near_corpus(data, splits, [path])


def test_isotopes_of_held_out_compounds_are_left_out(tmp_path: Path) -> None:
    data = datasets.from_smiles(TASK)
    splits = split_by_indices(data, {"train": [0], "meta": [2], "select": [3], "test": [1]})
    path = tmp_path / "isotopes.smi"
    path.write_text("[2H]C([2H])([2H])C(C)Cc1ccc(cc1)C(C)C(=O)O\nCOC(=O)C(C)c1ccc(CC(C)C)cc1\n")
    assert list(near_corpus(data, splits, [path]).smiles) == ["COC(=O)C(C)c1ccc(CC(C)C)cc1"]
    assert len(near_corpus(data, splits, [path], held_out=True)) == 2


def test_overlapping_libraries_yield_as_many_molecules_as_asked(tmp_path: Path) -> None:
    data = datasets.from_smiles(["CCCCO", "CCS", "CCP", "CCCl"])
    splits = split_by_indices(data, {"train": [0], "meta": [1], "select": [2], "test": [3]})
    for place in range(4):
        (tmp_path / f"{place}.smi").write_text(
            f"{'#' * place}\n" + "\n".join(f"{'C' * size}O" for size in range(5, 40))
        )
    paths = [tmp_path / f"{place}.smi" for place in range(4)]
    assert len(near_corpus(data, splits, paths, size=6)) == 6
    # The nearest are forms of the molecule itself, more than there are spares.
    (tmp_path / "salts.smi").write_text("\n".join(f"CCCCO.{salt}" for salt in SALTS) + "\nCCCCCO\n")
    assert list(near_corpus(data, splits, [tmp_path / "salts.smi"], size=1).smiles) == ["CCCCCO"]


def test_an_index_of_a_list_is_not_used_for_a_table(tmp_path: Path) -> None:
    data = datasets.from_smiles(["CCCCCCCN", "CCS", "CCP", "CCCl"])
    splits = split_by_indices(data, {"train": [0], "meta": [1], "select": [2], "test": [3]})
    content = "smiles\tname\n" + "".join(f"{'C' * size}O\tx\n" for size in range(1, 12))
    for name in ("mine.smi", "mine.tsv"):
        (tmp_path / name).write_text(content)
    first, second = (list(near_corpus(data, splits, [tmp_path / name], 3).smiles) for name in ("mine.smi", "mine.tsv"))
    assert first == second


def test_the_corpora_of_the_data_folder_are_searched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MOLWEIGHT_DATA", raising=False)
    assert [library.name for library in libraries_at_hand()] == ["zinc"]
    (tmp_path / "corpora").mkdir()
    for name in ("one.smi", "two.csv", "README.md"):
        (tmp_path / "corpora" / name).write_text("smiles\n" * name.endswith("csv") + "CCO\nCCN\nCCCC\n")
    monkeypatch.setenv("MOLWEIGHT_DATA", str(tmp_path))
    assert [library.name for library in libraries_at_hand()] == ["one", "two"]
    data = datasets.from_smiles(["CCCO", "CCS", "CCP", "CCCl"])
    found = near_corpus(data, split_by_indices(data, {"train": [0], "meta": [1], "select": [2], "test": [3]}))
    assert sorted(found.smiles) == ["CCCC", "CCN", "CCO"]  # once, though both files hold them


@pytest.mark.parametrize(
    ("name", "content"),
    [("README.txt", "These files are corpora.\nRead them.\n"), ("empty.smi", ""), ("sizes.csv", "file,size\nzinc,9\n")],
)
def test_a_file_without_molecules_in_the_data_folder_is_left_out(
    name: str, content: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "corpora"
    folder.mkdir()
    (folder / "one.smi").write_text("CCO\nCCN\nCCCC\n")
    (folder / name).write_text(content)
    monkeypatch.setenv("MOLWEIGHT_DATA", str(tmp_path))
    data = datasets.from_smiles(["CCCO", "CCS", "CCP", "CCCl"])
    splits = split_by_indices(data, {"train": [0], "meta": [1], "select": [2], "test": [3]})
    assert sorted(near_corpus(data, splits).smiles) == ["CCCC", "CCN", "CCO"]
    assert f"is left out: it contains no molecules. {folder / name}" in caplog.text
    with pytest.raises(DataError, match=f"corpora/{name}: "):
        near_corpus(data, splits, [folder / name])
