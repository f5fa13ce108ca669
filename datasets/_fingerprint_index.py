"""Fingerprints of a large set of molecules on disk, computed once and memory-mapped."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from molweight._progress import progress_bar
from molweight.datasets._nearest import BLOCK, bit_columns
from molweight.datasets._no_molecules import NoMoleculesError
from molweight.datasets._rdkit_ecfp import packed_ecfp
from molweight.errors import DataError
from molweight.graphs.internal import (
    Record,
    building_alone,
    cache_root,
    content_key,
    map_chunks,
    place_folder,
    rdkit_version,
    read_array,
    read_folder,
    write_array,
    write_meta,
)

__all__ = ["FingerprintIndex", "fingerprint_index"]

_VERSION: Final = 1
"""Part of the name in the cache; incremented whenever the bits change."""
_CHUNK: Final = 1024


@dataclass(frozen=True)
class FingerprintIndex:
    """Fingerprints of a set of molecules: 130 bytes for each.

    Args:
        columns: Blocks of fingerprints, one row per bit, for :func:`molweight.datasets._nearest.nearest`.
        sizes: Number of bits of each molecule; 0 for a record without one.
    """

    columns: list[np.ndarray[Any, np.dtype[np.uint8]]]
    sizes: np.ndarray[Any, np.dtype[np.uint16]]


def fingerprint_index(
    read: Callable[[], Iterable[Record]],
    key: bytes,
    *,
    name: str,
    origin: str = "",
    n_jobs: int | None = None,
    progress: bool = False,
) -> FingerprintIndex:
    """Fingerprints of all records of a source, computed or read from the cache of this version of RDKit.

    Blocks of 65,536 molecules are written atomically as they are computed, each with its checksum. Interrupted work
    resumes at the unfinished block, and memory does not grow with the source. A second process that requests the same
    source waits for the first one, and takes over if that one dies.

    Args:
        read: Returns the records from the start; called only if the cache lacks them.
        key: Identifies the records, e.g. the checksum of a file.
        name: Name of the source in messages.
        origin: File of the source, for errors; empty for data from memory.
        n_jobs: Processes; ``None`` for all cores.
        progress: Whether to show a progress bar on a terminal.

    Raises:
        NoMoleculesError: If no record holds a molecule.
        DataError: If the cache is removed at the same time.

    Example:
        >>> index = fingerprint_index(lambda: [(0, "CCO"), (1, "?"), (2, "C")], b"example", name="some")
        >>> len(index.columns), index.sizes.tolist()
        (1, [6, 0, 1])
    """
    folder = cache_root() / "fingerprints" / content_key([f"ecfp4 {_VERSION}, rdkit {rdkit_version()}".encode(), key])
    found = _read(folder)
    if found is None:
        with building_alone(folder, name):
            if _read(folder) is None:
                _build(folder, read, name, n_jobs, progress=progress)
        found = _read(folder)
    if found is None:
        raise DataError(f"{folder}: was removed while it was being read. Try again.")
    if not found.sizes.any():
        raise NoMoleculesError(
            f"{origin or name}: none of its {len(found.sizes)} records has a valid molecule. Name another file, or "
            "give one SMILES per record."
        )
    return found


def _read(folder: Path) -> FingerprintIndex | None:
    read = read_folder(folder)
    if read is None:
        return None
    arrays, meta = read
    names = [f"{number:05d}" for number in range(meta["blocks"])]
    if not all(name in arrays and f"{name}-sizes" in arrays for name in names):
        return None
    sizes = [arrays[f"{name}-sizes"] for name in names]
    return FingerprintIndex([arrays[name] for name in names], np.concatenate(sizes))


def _build(
    folder: Path, read: Callable[[], Iterable[Record]], name: str, n_jobs: int | None, *, progress: bool
) -> None:
    parts = folder.with_name(f".{folder.name}.parts")
    title = f"fingerprints of {name}" if progress else None
    count = 0
    with progress_bar(title, None, "molecules") as bar:
        for block in _blocks(read()):
            _complete(parts, count, block, n_jobs)
            bar.update(len(block))
            count += 1
    if count == 0:
        raise NoMoleculesError(f"{name}: holds no records. Give at least one SMILES.")
    write_meta(parts, {"blocks": count})
    place_folder(parts, folder)


def _blocks(records: Iterable[Record]) -> Iterator[list[str]]:
    texts = (text for _, text in records)
    while block := list(islice(texts, BLOCK)):
        yield block


def _complete(parts: Path, number: int, block: list[str], n_jobs: int | None) -> None:
    """Compute and write a block, unless an earlier attempt did."""
    bits, sizes = parts / f"{number:05d}.npy", parts / f"{number:05d}-sizes.npy"
    if read_array(bits) is not None and (found := read_array(sizes)) is not None and len(found) == len(block):
        return
    packed = np.concatenate(list(map_chunks(packed_ecfp, block, chunk=_CHUNK, n_jobs=n_jobs)))
    write_array(bits, bit_columns(packed))
    write_array(sizes, np.bitwise_count(packed).sum(axis=1, dtype=np.uint16))
