"""Corpora in shards: the same molecules as in one piece, resumed after a kill, one cache for two processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from molweight.datasets import load_corpus
from molweight.errors import DataError
from molweight.graphs import Featuriser, MoleculeDataset, Molecules, _stream, build_dataset, featurize
from molweight.graphs.internal import Record, build_streamed


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and shards of fifty."""
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(_stream, "_SHARD", 50)
    return tmp_path / "cache" / "molecules"


@pytest.fixture(scope="module")
def smiles() -> list[str]:
    texts = list(load_corpus("zinc", size=330, cache=False).smiles)
    texts[7] = "C1CC"
    texts[120] = ""
    texts[200:250] = ["FAIL"] * 50  # a shard without a molecule
    return texts


def assert_equal(left: MoleculeDataset, right: MoleculeDataset) -> None:
    for item in fields(Molecules):
        one, other = getattr(left.molecules, item.name), getattr(right.molecules, item.name)
        assert one.dtype == other.dtype, item.name
        assert np.array_equal(one, other), item.name
    assert left.rejects == right.rejects


def test_shards_give_what_one_piece_gives(smiles: list[str], cache: Path) -> None:
    streamed = build_streamed(lambda: enumerate(smiles), [b"a"], n_jobs=1)
    assert_equal(streamed, build_dataset(smiles, cache=False, n_jobs=1))
    assert streamed.folder is not None
    assert sorted(path.name for path in cache.iterdir()) == [f".{streamed.folder.name}.lock", streamed.folder.name]
    assert isinstance(streamed.molecules.atoms, np.memmap)
    batch, whole = (data.graphs([0, 100, 277]) for data in (streamed, build_dataset(smiles, cache=False, n_jobs=1)))
    assert batch.x.equal(whole.x)
    assert batch.edge_index.equal(whole.edge_index)


def test_rows_are_those_of_the_records(smiles: list[str]) -> None:
    picked = [(3 * row, text) for row, text in enumerate(smiles)]
    streamed = build_streamed(lambda: picked, [b"b"], n_jobs=1)
    assert [smiles[row // 3] for row in streamed.rows.tolist()] == list(streamed.smiles)
    assert [reject.row for reject in streamed.rejects] == [21, 360, *range(600, 750, 3)]


def test_the_second_time_nothing_is_read(smiles: list[str]) -> None:
    first = build_streamed(lambda: enumerate(smiles), [b"c"], n_jobs=1)

    def refuse() -> Iterator[Record]:
        raise AssertionError("read again")

    assert_equal(build_streamed(refuse, [b"c"]), first)
    with pytest.raises(AssertionError, match="read again"):
        build_streamed(refuse, [b"d"])


def test_what_was_done_before_an_error_is_kept(smiles: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def cut_off() -> Iterator[Record]:
        yield from enumerate(smiles[:170])
        raise DataError("the file ends here")

    with pytest.raises(DataError, match="the file ends here"):
        build_streamed(cut_off, [b"e"], n_jobs=1)
    done: list[int] = []

    def counting(texts: list[str], *, featuriser: Featuriser, n_jobs: int | None = None) -> object:
        done.append(len(texts))
        return featurize(texts, featuriser=featuriser, n_jobs=n_jobs)

    monkeypatch.setattr(_stream, "featurize", counting)
    again = build_streamed(lambda: enumerate(smiles), [b"e"], n_jobs=1)
    assert done == [50, 50, 50, 30]  # three of seven shards were there
    assert_equal(again, build_dataset(smiles, cache=False, n_jobs=1))


def test_nothing_to_use_is_refused() -> None:
    with pytest.raises(DataError, match=r"bad: none of 2 rows has a usable molecule, e\.g\. row 5 'FAIL'"):
        build_streamed(lambda: [(5, "FAIL"), (6, "")], [b"f"], name="bad")
    with pytest.raises(DataError, match="nothing: none of 0 rows"):
        build_streamed(list, [b"g"], name="nothing")


SCRIPT = """
import sys, time
from molweight.graphs import _stream, build_streamed
_stream._SHARD = 50
def read():
    for row, text in enumerate(open(sys.argv[1]).read().split("\\n")):
        yield row, text
        if row == 50:  # the first shard is complete
            time.sleep(float(sys.argv[2]))
print(len(build_streamed(read, [b"shared"], n_jobs=1)))
"""


def _start(path: Path, pause: float) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(path), str(pause)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def _wait_for(pattern: str, cache: Path, seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not list(cache.glob(pattern)):
        assert time.monotonic() < end, f"no {pattern} after {seconds} s"
        time.sleep(0.02)


def test_a_killed_process_is_gone_on_from_and_two_give_one_cache(smiles: list[str], cache: Path) -> None:
    path = cache.parent.parent / "mine.smi"
    path.write_text("\n".join(smiles))
    killed = _start(path, 30.0)  # it never finishes
    _wait_for(".*.parts/00000/meta.json", cache)
    waiting, other = _start(path, 0.0), _start(path, 0.0)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=120)
    for process in (waiting, other):
        output, errors = process.communicate(timeout=240)
        assert (process.returncode, output.strip()) == (0, "278"), errors
    assert [item.name for item in cache.iterdir() if not item.name.startswith(".")] == [
        item.name.strip(".").removesuffix(".lock") for item in cache.iterdir() if item.name.startswith(".")
    ]
    found = build_streamed(list, [b"shared"])
    assert_equal(found, build_dataset(smiles, cache=False, n_jobs=1))
