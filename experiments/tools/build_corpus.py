"""Build a pretraining corpus: cleaned, without duplicates and without molecules similar to those of any test role.

    MOLWEIGHT_DATA=FOLDER python -m experiments.tools.build_corpus --output FOLDER [--moses 250000] [--blocks 4]

Sources, in this order (the first of equal skeletons is kept): train molecules of the MoleculeNet tables in the package
(tox21 and others bring salts and charged forms), MolScore's ChEMBL sample, BRICS fragments of every tenth molecule of
that, ZINC250k, and a sample of MOSES. All files are from packages on the Python package index; their checksums are
verified. A molecule is left out if it cannot be parsed or has more than 100 heavy atoms; if its InChIKey skeleton came
before; or if it has the skeleton of a molecule in the test role (scaffold split) of any of the 14 tables, or a Tanimoto
similarity of at least 0.9 to one (ECFP4, 1,024 bits).

After an interruption, the same command resumes at the unfinished block of 16,384 molecules; memory grows by 8 bytes per
molecule. ``--blocks`` stops after that many blocks. At the end: ``corpus.smi.gz`` and ``audit.json``.
"""

import argparse
import gzip
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from tqdm import tqdm

from experiments._provenance import provenance
from experiments.tools._clean_molecules import MOST_ATOMS, Cleaned, clean, fragments
from molweight import datasets
from molweight.datasets._data_files import data_folder
from molweight.datasets._libraries import open_library
from molweight.datasets._nearest import BLOCK, bit_columns, nearest
from molweight.datasets._rdkit_ecfp import packed_ecfp
from molweight.datasets._rdkit_identity import number_of
from molweight.datasets._skeletons import skeletons
from molweight.datasets.internal import CORPORA, TABLES
from molweight.graphs.internal import map_chunks
from molweight.storage import write_file

SIMILAR: Final = 0.9
"""Tanimoto similarity to a test molecule from which a molecule is left out."""
SIZE: Final = 16_384
"""Records per block, the maximum loss from an interruption."""
MOLSCORE: Final = ("molscore_sample300k.smi.gz", "bb4e29792aa1d96db1e66dbdee6706fddb2c294632f9e69e1b0d1ff2f4aee809")
"""File in ``corpora`` of ``MOLWEIGHT_DATA`` and its SHA-256; molscore 1.9.5, molscore/data/sample.smi."""
Keys = np.ndarray[Any, np.dtype[np.uint64]]


def records(moses: int) -> Iterator[tuple[str, str]]:
    """Source and SMILES of every record, in the same order each time."""
    for name, table in TABLES.items():
        if table.embedded:
            data = datasets.load(name)
            train = datasets.split(data, "scaffold").train
            yield from (("tables", data.smiles[int(place)]) for place in train)
    sample = open_library(_molscore())
    yield from (("molscore", text) for _, text in sample.read())
    yield from (("fragments", part) for _, text in islice(sample.read(), 0, None, 10) for part in fragments(text))
    yield from (("zinc250k", text) for _, text in open_library("zinc250k").read())
    chosen = np.zeros(CORPORA["moses"].size, dtype=bool)
    chosen[np.random.default_rng(0).permutation(len(chosen))[:moses]] = True
    yield from (("moses", text) for row, (_, text) in enumerate(open_library("moses").read()) if chosen[row])


def _molscore() -> Path:
    folder = data_folder()
    path = (folder or Path()) / "corpora" / MOLSCORE[0]
    if folder is None or not path.exists():
        raise SystemExit(f"{path}: is missing; point MOLWEIGHT_DATA to the folder that has it.")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != MOLSCORE[1]:
        raise SystemExit(f"{path}: has sha256 {found}, expected {MOLSCORE[1]}.")
    return path


class TestRoles:
    """The test molecules of all tables."""

    def __init__(self, state: Path) -> None:
        """Read the keys, or compute and save them: an InChIKey takes a millisecond."""
        path = state / "test_roles.npz"
        if not path.exists():
            self._write(path)
        with np.load(path, allow_pickle=False) as kept:
            self.skeletons, bits, self.tables = kept["skeletons"], kept["bits"], json.loads(str(kept["tables"]))
        self.sizes = np.bitwise_count(bits).sum(axis=1, dtype=np.uint16)
        self.columns = [bit_columns(bits[start : start + BLOCK]) for start in range(0, len(bits), BLOCK)]

    @staticmethod
    def _write(path: Path) -> None:
        smiles: list[str] = []
        tables: dict[str, int] = {}
        for name in TABLES:
            data = datasets.load(name)
            held = [data.smiles[int(place)] for place in datasets.split(data, "scaffold").test]
            tables[name] = len(held)
            smiles += held
        keys = np.array([number_of(block) for block in skeletons(smiles)], dtype=np.uint64)
        bits = np.concatenate(list(map_chunks(packed_ecfp, smiles, chunk=1024)))
        partial = path.with_name("partial.npz")
        np.savez(partial, skeletons=np.unique(keys[keys > 0]), bits=bits, tables=json.dumps(tables))
        partial.replace(path)

    def similarity(self, bits: np.ndarray[Any, np.dtype[np.uint8]]) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Similarity of each molecule to the most similar test molecule."""
        return nearest(bits, self.columns, self.sizes, 1)[1][:, 0]


def judged(parts: Sequence[Cleaned], sources: Sequence[str], seen: Keys, roles: TestRoles) -> dict[str, Any]:
    """The kept molecules of a block, and counts of the reasons for dropping the others."""
    joined = {name: [value for part in parts for value in getattr(part, name)] for name in Cleaned.__annotations__}
    keys = np.array(joined["skeletons"], dtype=np.uint64)
    reasons = np.array(joined["reasons"], dtype=object)
    _, first = np.unique(keys, return_index=True)
    again = np.isin(keys, seen) | ~np.isin(np.arange(len(keys)), first)
    reasons[(reasons == "") & np.isin(keys, roles.skeletons)] = "test molecule"
    reasons[(reasons == "") & again] = "duplicate"
    open_rows = np.flatnonzero(reasons == "")
    similarity = np.zeros(0, dtype=np.float32)
    if len(open_rows):
        similarity = roles.similarity(np.stack([joined["bits"][row] for row in open_rows]))
    reasons[open_rows[similarity >= SIMILAR]] = "analogue of a test molecule"
    kept = np.flatnonzero(reasons == "")
    closest = max((float(value) for value in similarity if value < SIMILAR), default=0.0)
    counts = Counter(f"{source}: {reason or 'kept'}" for source, reason in zip(sources, reasons, strict=True))
    chosen = {name: [joined[name][row] for row in kept] for name in joined if name not in ("bits", "reasons")}
    return {"counts": dict(counts), "closest": closest, **chosen}


def composition(block: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Counts of heavy atoms, charges, components and elements in a block."""
    found = {name: Counter(map(str, block[name])) for name in ("atoms", "charges", "parts")}
    found["elements"] = Counter(symbol for symbols in block["elements"] for symbol in symbols.split())
    return {name: dict(counter) for name, counter in found.items()}


def work(state: Path, moses: int, most: int | None) -> bool:
    """Process the blocks; returns whether all are done."""
    roles, seen = TestRoles(state), np.empty(0, dtype=np.uint64)
    source = records(moses)
    blocks = iter(lambda: list(islice(source, SIZE)), [])
    for number, block in tqdm(enumerate(blocks), unit=" blocks", desc=f"blocks of {SIZE}"):
        if most is not None and number >= most:
            return False
        done = state / f"{number:05d}.json"
        if not done.exists():
            parts = list(map_chunks(clean, [text for _, text in block], chunk=512, parallel_from=1024))
            found = judged(parts, [source for source, _ in block], seen, roles)
            packed = gzip.compress("".join(f"{text}\n" for text in found["smiles"]).encode(), mtime=0)
            write_file(state / f"{number:05d}.smi.gz", packed)
            about = {name: found[name] for name in ("counts", "closest", "skeletons", "scaffolds")}
            write_file(done, json.dumps({**about, "composition": composition(found)}).encode())
        keys = np.array(json.loads(done.read_text())["skeletons"], dtype=np.uint64)
        seen = np.concatenate([seen, keys])
    return True


def finish(output: Path, state: Path, moses: int, *, complete: bool) -> None:
    """Join the blocks that are done, and write the audit."""
    blocks = sorted(state.glob("[0-9]*.json"))
    target = output / "corpus.smi.gz"
    with target.with_suffix(".partial").open("wb") as stream:  # concatenated gzip files are a valid gzip file
        for path in blocks:
            stream.write(path.with_suffix(".smi.gz").read_bytes())
    target.with_suffix(".partial").replace(target)
    about = [json.loads(path.read_text()) for path in blocks]
    counts, shape = Counter[str](), {name: Counter[str]() for name in ("atoms", "charges", "parts", "elements")}
    for item in about:
        counts.update(item["counts"])
        for name, counter in shape.items():
            counter.update(item["composition"][name])
    roles = TestRoles(state)
    keys = np.array([key for item in about for key in item["skeletons"]], dtype=np.uint64)
    audit = {
        "complete": complete,
        "moses": moses,
        "molecules": len(keys),
        "sha256": hashlib.sha256(target.read_bytes()).hexdigest(),
        "counts": dict(sorted(counts.items())),
        "test_roles": {"split": "scaffold", "molecules": roles.tables},
        "skeletons_shared_with_test_roles": int(np.isin(keys, roles.skeletons).sum()),
        "skeletons_repeated": len(keys) - len(np.unique(keys)),
        "largest_similarity_to_a_test_molecule": max(item["closest"] for item in about),
        "most_heavy_atoms": MOST_ATOMS,
        "scaffolds": len({key for item in about for key in item["scaffolds"]}),
        "composition": {name: dict(counter.most_common()) for name, counter in shape.items()},
        **provenance([0]),
    }
    write_file(output / "audit.json", (json.dumps(audit, indent=1) + "\n").encode())


def main() -> None:
    """Work, join, write the audit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--moses", type=int, default=250_000, help="molecules of MOSES")
    parser.add_argument("--blocks", type=int, default=None, help="stop after this many blocks")
    parser.add_argument("--keep", action="store_true", help="keep the blocks when all is done")
    options = parser.parse_args()
    state = options.output / f"state-{options.moses}"
    state.mkdir(parents=True, exist_ok=True)
    complete = work(state, options.moses, options.blocks)
    finish(options.output, state, options.moses, complete=complete)
    if complete and not options.keep:
        shutil.rmtree(state)


if __name__ == "__main__":
    main()
