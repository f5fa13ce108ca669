"""Large files of the cache: opened without reading them, and every block checked when it is first read."""

import logging
import os
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from safetensors.torch import load_file

from molweight.cli import main
from molweight.errors import DataError
from molweight.graphs import Featuriser, MoleculeDataset, Molecules, featurize
from molweight.graphs._blocks import BLOCK, BlockArray
from molweight.graphs._cache import read_folder, write_folder
from molweight.graphs._stored import read_molecules, write_molecules

SMILES = ["C[C@H](N)C(=O)O", "c1ccccc1N", "[Na+].[Cl-]", "C", "C/C=C/C", "O=C(O)c1ccccc1OC(C)=O"]
COPIES = 60_000


@pytest.fixture(scope="module")
def large() -> Molecules:
    """Real molecules, many times: more than 16 MiB of atoms."""
    few = featurize(SMILES, n_jobs=1)[0]
    many = few.take(np.tile(np.arange(len(few)), COPIES))
    return replace(many, rows=np.arange(len(many)))


@pytest.fixture
def stored(large: Molecules, tmp_path: Path) -> Path:
    write_molecules(tmp_path / "cache", large, [], Featuriser())
    assert (tmp_path / "cache" / "atoms.npy").stat().st_size > 16 * BLOCK
    return tmp_path / "cache"


def opened(folder: Path) -> MoleculeDataset:
    found = read_molecules(folder)
    assert found is not None
    return MoleculeDataset(found[0], name="large", folder=folder)


def blocks_of(data: MoleculeDataset) -> BlockArray:
    atoms = cast("object", data.molecules.atoms)
    assert isinstance(atoms, BlockArray)
    return atoms


def flip(path: Path, at: int) -> None:
    with path.open("r+b") as stream:
        stream.seek(at)
        byte = stream.read(1)[0]
        stream.seek(at)
        stream.write(bytes([byte ^ 4]))


def test_a_batch_reads_only_its_blocks(stored: Path, large: Molecules) -> None:
    data = opened(stored)
    atoms = blocks_of(data)
    assert atoms.read_share < 0.1, "opened without reading all"
    chosen = [0, 5, len(data) - 1]
    assert data.graphs(chosen).x.equal(MoleculeDataset(large).graphs(chosen).x)
    assert data.smiles[-1] == SMILES[-1]
    assert atoms.read_share < 0.2
    part = data.subset([3, 17])
    assert np.array_equal(part.molecules.atoms, large.take(np.array([3, 17])).atoms)
    assert np.array_equal(np.asarray(data.molecules.bonds), large.bonds)
    assert np.concatenate([data.molecules.atoms, data.molecules.atoms]).shape == (2 * len(large.atoms), 9)
    assert atoms.read_share == 1.0


def test_damage_is_named_when_its_block_is_read_and_mended_next_time(
    stored: Path, large: Molecules, caplog: pytest.LogCaptureFixture
) -> None:
    path = stored / "atoms.npy"
    flip(path, 8 * BLOCK + 77)
    data = opened(stored)
    first, last = 0, len(data) - 1
    assert data.graphs([first, last]).x.equal(MoleculeDataset(large).graphs([first, last]).x), "other blocks are sound"
    hit = int(np.searchsorted(large.atom_offsets, (8 * BLOCK + 77 - 128) // 9, side="right")) - 1
    said = rf"atoms\.npy: its bytes {8 * BLOCK} to {9 * BLOCK - 1} do not match their checksum.*run the command again"
    with pytest.raises(DataError, match=said):
        data.graphs([hit])
    assert not path.exists()
    with caplog.at_level(logging.WARNING):
        assert read_molecules(stored) is None, "computed again"
    assert f"{path}: is missing. Recomputing it." in caplog.text
    write_molecules(stored, large, [], Featuriser())
    assert opened(stored).graphs([hit]).x.equal(MoleculeDataset(large).graphs([hit]).x)


@pytest.mark.parametrize("way", ["whole", "subset", "smiles", "compare", "pickle"])
def test_no_way_leads_past_the_checksums(way: str, stored: Path) -> None:
    name = "smiles_data" if way == "smiles" else "atoms"
    array = np.zeros((18 * BLOCK, 1), dtype=np.uint8) if way == "smiles" else None
    if array is not None:  # the text of these molecules is short: any large array serves
        write_folder(stored, {name: array}, {})
    flip(stored / f"{name}.npy", 10 * BLOCK)
    arrays, _ = read_folder(stored, lazy=[name]) or ({}, {})
    found: Any = arrays[name]
    ways: dict[str, Callable[[], object]] = {
        "whole": lambda: np.asarray(found),
        "subset": lambda: found[np.arange(len(found))],
        "smiles": lambda: found[9 * BLOCK : 12 * BLOCK],
        "compare": lambda: found == 3,
        "pickle": lambda: pickle.dumps(found),
    }
    with pytest.raises(DataError, match="do not match their checksum"):
        ways[way]()


def test_every_part_of_the_table_of_checksums_counts(stored: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = stored / "atoms.npy"
    whole = path.read_bytes()
    end = len(whole) - 24
    table = end - 32 - 8 * (end // BLOCK)
    rng = np.random.default_rng(0)
    for place in [0, 9, 100, table + 3, end - 1, end - 10, end - 30, *rng.integers(table, end, size=20).tolist()]:
        changed = bytearray(whole)
        changed[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        caplog.clear()
        assert read_molecules(stored) is None, place
        assert "atoms.npy: " in caplog.text
    for length in (end, end - 40, 16 * BLOCK + 5):
        path.write_bytes(whole[:length])
        assert read_molecules(stored) is None, length
    path.write_bytes(whole)
    assert read_molecules(stored) is not None


def test_opening_a_gigabyte_does_not_read_it(tmp_path: Path) -> None:
    """A file of 1 GB, most of it a hole: its blocks of zeros have checksums as any others."""
    path = tmp_path / "big" / "atoms.npy"
    write_folder(path.parent, {"few": np.zeros(3)}, {})
    _sparse(path, (1 << 30) // 9)
    before = _read_bytes()
    arrays, _ = read_folder(path.parent, lazy=["atoms"]) or ({}, {})
    found = cast("BlockArray", arrays["atoms"])
    assert (found[np.array([100_000_000])] == 0).all()
    assert found.read_share < 0.003
    assert _read_bytes() - before < 8 * BLOCK


def _sparse(path: Path, rows: int) -> None:
    """What ``np.save`` and ``add_seal`` write for zeros, without writing the zeros."""
    import xxhash

    from molweight.graphs._blocks import block_table

    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": (rows, 9)})
        start = stream.tell()
    length = start + 9 * rows
    os.truncate(path, length)
    with path.open("rb") as stream:
        first = xxhash.xxh3_64(stream.read(BLOCK)).digest()
    zeros, rest = xxhash.xxh3_64(bytes(BLOCK)).digest(), length % BLOCK
    last = [xxhash.xxh3_64(bytes(rest)).digest()] if rest else []
    with path.open("ab") as stream:
        stream.write(block_table(length, [first, *[zeros] * (length // BLOCK - 1), *last]) + bytes(24))


def _read_bytes() -> int:
    """Bytes that this process has had paged in: resident memory of files."""
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(text.partition("RssFile:")[2].split()[0])


def test_a_command_that_meets_damage_starts_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What it writes is what a command with a sound cache writes."""
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("molweight.graphs._cache._EAGER", BLOCK)
    tails = [f"{'C' * (40 + number % 60)}{'NOF'[number % 3]}" for number in range(3600)]
    table = tmp_path / "library.csv"
    table.write_text(
        "\n".join(["smiles", *(f"C({'C' * (1 + number // 180)}){tail}" for number, tail in enumerate(tails))])
    )
    sizes = [
        "--encoder_options.layers=1",
        "--encoder_options.width=8",
        "--batch_size=64",
        "--pretrain_steps=2",
        "--quiet",
    ]
    command = ["pretrain", "--corpus", str(table), "--objectives=attribute_masking", *sizes, "--device=cpu"]
    assert main([*command, "--output", str(tmp_path / "sound")]) == 0
    (path,) = (tmp_path / "cache").rglob("atoms.npy")
    flip(path, BLOCK + 5)
    shutil.rmtree(tmp_path / "cache" / "pretrained")
    assert main([*command, "--output", str(tmp_path / "mended")]) == 0
    said = [line for line in caplog.messages if "atoms.npy" in line]
    assert said[0].endswith("do not match their checksum. Restarting the command.")
    assert set(said[1:]) == {f"{path}: is missing. Recomputing it."}
    sound, mended = (load_file(tmp_path / name / "checkpoint.safetensors") for name in ("sound", "mended"))
    assert all(sound[name].equal(mended[name]) for name in sound)
