"""Damaged files of the cache are noticed, said, and written again."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from molweight.graphs import MoleculeDataset, TargetSpec, build_dataset, featurize, target_column
from molweight.graphs._cache import add_seal, find_damage, sealed_json, unsealed_json
from molweight.graphs._molecules import Molecules, inconsistency
from molweight.graphs._stored import ARRAYS
from molweight.graphs.internal import build_streamed, read_array, write_array

SMILES = ["C[C@H](N)C(=O)O", "c1ccccc1N", "[Na+].[Cl-]", "C", "?", "C/C=C/C", "O=C(O)c1ccccc1OC(C)=O"]
Damage = Callable[[bytearray, np.random.Generator], bytearray]


def flip(content: bytearray, rng: np.random.Generator) -> bytearray:
    content[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
    return content


def cut(content: bytearray, rng: np.random.Generator) -> bytearray:
    return content[: int(rng.integers(len(content)))]


def overwrite(content: bytearray, rng: np.random.Generator) -> bytearray:
    at = int(rng.integers(len(content)))
    content[at : at + 16] = rng.bytes(len(content[at : at + 16]))
    return content


def sizes(smiles: Sequence[str]) -> np.ndarray:
    return np.array([[len(text)] for text in smiles], dtype=np.float32)


SPEC = TargetSpec("sizes", 1, 1, "float32", sizes)
BUILDERS: dict[str, Callable[[], MoleculeDataset]] = {
    "table": lambda: build_dataset(SMILES, n_jobs=1),
    "corpus": lambda: build_streamed(lambda: enumerate(SMILES), [b"damage"], n_jobs=1),
}


def everything(build: Callable[[], MoleculeDataset]) -> dict[str, np.ndarray]:
    data = build()
    rejects = np.array([f"{item.row} {item.reason}" for item in data.rejects])
    arrays = {name: np.array(getattr(data.molecules, name)) for name in ARRAYS}
    return {**arrays, "rejects": rejects, "target": target_column(data, SPEC, n_jobs=1)}


@pytest.mark.parametrize("damage", [flip, cut, overwrite], ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("kind", BUILDERS)
def test_every_damaged_file_is_written_again(
    kind: str, damage: Damage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(tmp_path))
    build = BUILDERS[kind]
    expected, rng = everything(build), np.random.default_rng(0)
    files = sorted(path for path in tmp_path.rglob("*") if path.suffix in (".npy", ".json"))
    assert len(files) == len(ARRAYS) + 2
    for path in files:
        for _ in range(2):
            caplog.clear()
            whole = path.read_bytes()
            path.write_bytes(damage(bytearray(whole), rng))
            found = everything(build)
            assert found.keys() == expected.keys()
            assert all(np.array_equal(found[name], expected[name]) for name in found), path
            assert path.read_bytes() == whole, "written again"
            assert f"{path.name}: " in caplog.text
            assert "Recomputing it." in caplog.text


def test_what_objectives_computed_survives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(tmp_path))
    data = build_dataset(SMILES, n_jobs=1)
    target_column(data, SPEC, n_jobs=1)
    assert data.folder is not None
    (data.folder / "bonds.npy").unlink()

    def refuse(smiles: Sequence[str]) -> np.ndarray:
        raise AssertionError(smiles)

    again = build_dataset(SMILES, n_jobs=1)
    assert (target_column(again, replace(SPEC, compute=refuse)) == sizes(again.smiles)).all()


def test_stored_values_of_another_shape_or_type_are_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whole files with sound checksums, as another version may have left them."""
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(tmp_path))
    data = build_dataset(SMILES, n_jobs=1)
    expected = target_column(data, SPEC, n_jobs=1)
    assert data.folder is not None
    (path,) = (data.folder / "targets").rglob("*.npy")
    for wrong in (expected[:-1], np.hstack([expected, expected]), expected.astype(np.float64)):
        caplog.clear()
        write_array(path, wrong)
        found = target_column(data, SPEC, n_jobs=1)
        assert found.dtype == np.float32
        assert np.array_equal(found, expected)
        assert f"{path}: holds {wrong.shape} {wrong.dtype}" in caplog.text


@pytest.mark.parametrize(
    ("script", "attacks"),
    [("damage_cache", ["--attacks=3"]), ("shared_cache", ["--rounds=1", "--processes=2", "--threads=2"])],
)
def test_attacks_on_the_cache(script: str, attacks: list[str], root: Path, tmp_path: Path) -> None:
    """A few of those of ``experiments/stress``."""
    command = [sys.executable, "-m", f"experiments.stress.{script}", *attacks, f"--output={tmp_path / 'found.json'}"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_seal_is_found_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    write_array(path, np.arange(5))
    assert np.load(path).tolist() == [0, 1, 2, 3, 4]
    found = read_array(path)
    assert found is not None
    assert found.tolist() == [0, 1, 2, 3, 4]
    assert read_array(tmp_path / "b.npy") is None
    assert find_damage(tmp_path / "b.npy") == "is missing"
    empty = tmp_path / "c"
    empty.write_bytes(b"")
    assert find_damage(empty) == "is truncated"
    add_seal(empty)
    assert find_damage(empty) is None


def test_every_single_bit_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    write_array(path, np.arange(3, dtype=np.uint8))
    whole = path.read_bytes()
    for place in range(len(whole)):
        for bit in range(8):
            changed = bytearray(whole)
            changed[place] ^= 1 << bit
            path.write_bytes(changed)
            assert find_damage(path) is not None, (place, bit)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"content": 3}', '{"checksum": "", "content": {}}', "[" * 100_000])
def test_json_without_its_checksum_is_refused(text: str) -> None:
    assert unsealed_json(text) is None
    assert unsealed_json(sealed_json({"rejects": []})) == {"rejects": []}


def test_offsets_are_checked_before_they_are_used() -> None:
    whole, _ = featurize(SMILES)
    assert inconsistency(whole) is None
    beyond, falling = whole.atom_offsets.copy(), whole.bond_offsets.copy()
    beyond[-1] += 1
    falling[1], falling[2] = falling[2], falling[1]
    broken: dict[str, Molecules] = {
        "atom_offsets do not fit": replace(whole, atom_offsets=beyond),
        "bond_offsets do not fit": replace(whole, bond_offsets=falling),
        "smiles_offsets do not fit": replace(whole, smiles_offsets=whole.smiles_offsets[:-1]),
        "atoms have the shape": replace(whole, atoms=whole.atoms[:, :8]),
        "ends and bonds differ": replace(whole, ends=whole.ends[:-1]),
    }
    for problem, molecules in broken.items():
        assert (inconsistency(molecules) or "").startswith(problem)


def test_offsets_that_do_not_fit_are_not_used_even_with_a_sound_checksum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MOLWEIGHT_CACHE", str(tmp_path))
    data = build_dataset(SMILES, n_jobs=1)
    assert data.folder is not None
    expected = np.array(data.molecules.atom_offsets)
    beyond = expected.copy()
    beyond[-1] += 1000
    write_array(data.folder / "atom_offsets.npy", beyond)
    assert np.array_equal(build_dataset(SMILES, n_jobs=1).molecules.atom_offsets, expected)
    assert "atom_offsets do not fit" in caplog.text
