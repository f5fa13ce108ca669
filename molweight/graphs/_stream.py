"""Corpora of any size: featurised in shards, merged into one memory-mapped folder."""

import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from molweight._progress import Progress, progress_bar
from molweight.errors import DataError
from molweight.graphs._cache import (
    add_seal,
    building_alone,
    cache_root,
    content_key,
    partial_name,
    place_folder,
    write_meta,
)
from molweight.graphs._dataset import MoleculeDataset, check_some
from molweight.graphs._featuriser import Featuriser
from molweight.graphs._featurize import featurize
from molweight.graphs._molecules import Reject
from molweight.graphs._stored import ARRAYS, molecules_meta, read_molecules, write_molecules

__all__ = ["Record", "build_streamed"]

Record = tuple[int, str]
"""Row of the source, counted from 0, and its text as SMILES."""

_SHARD: Final = 32_768
"""Molecules per file: the maximum loss from an interruption, and the number in memory at a time."""
_log = logging.getLogger(__name__)


def build_streamed(
    read: Callable[[], Iterable[Record]],
    key: Iterable[bytes],
    *,
    name: str = "molecules",
    total: int | None = None,
    featuriser: Featuriser | None = None,
    n_jobs: int | None = None,
    progress: bool = False,
) -> MoleculeDataset:
    """Featurise a source that need not fit into memory, or read it from the cache.

    Molecules are read, featurised and written shard by shard, so memory does not grow with the source, and interrupted
    work resumes at the unfinished shard. The merged folder is written atomically. A second process that requests the
    same source waits for the first one, and takes over if that one dies.

    Args:
        read: Returns the records of the source from the start; called only if the cache lacks them.
        key: Identifies the records, e.g. the checksum of a file; with the features, their version and that of RDKit it
            names the cached folder.
        name: Name of the corpus in messages.
        total: Number of records, for the progress bar; ``None`` if unknown.
        featuriser: The features; ``None`` for ``Featuriser()``.
        n_jobs: Processes for featurising; ``None`` for all cores.
        progress: Whether to show a progress bar on a terminal.

    Returns:
        The molecules, memory-mapped, with ``rows`` from the records; ``rejects`` holds the records without a molecule.
        Blocks of large files are verified by checksum on first access.

    Raises:
        DataError: If no record holds a molecule.

    Example:
        >>> data = build_streamed(lambda: [(3, "CCO"), (4, "?"), (7, "C")], [b"example"], name="some")
        >>> data, data.rows.tolist(), data.rejects[0].row
        (<MoleculeDataset some: 2 molecules, 1 row without a molecule>, [3, 7], 4)
    """
    featuriser = featuriser or Featuriser()
    folder = cache_root() / "molecules" / content_key([featuriser.cache_key() + b", streamed", *key])
    found = read_molecules(folder)
    if found is None:
        with building_alone(folder, name):
            if read_molecules(folder) is None:
                _build(folder, _Source(read, name, total, featuriser, n_jobs, progress))
        found = read_molecules(folder)
    if found is None:
        raise DataError(f"{folder}: was removed while it was being read. Try again.")
    molecules, rejects = found
    if rejects:
        rows = len(molecules) + len(rejects)
        _log.info("%s: %d of %d rows cannot be used: they have no valid molecule", name, len(rejects), rows)
    return MoleculeDataset(molecules, name=name, rejects=rejects, folder=folder, featuriser=featuriser)


@dataclass(frozen=True)
class _Source:
    """The source of records and the settings of featurisation."""

    read: Callable[[], Iterable[Record]]
    name: str
    total: int | None
    featuriser: Featuriser
    n_jobs: int | None
    progress: bool


def _build(folder: Path, source: _Source) -> None:
    parts = folder.with_name(f".{folder.name}.parts")
    title = f"featurising {source.name}" if source.progress else None
    with progress_bar(title, source.total, "molecules") as bar:
        shards = enumerate(_shards(source.read()))
        places = [_complete(parts / f"{number:05d}", shard, source, bar) for number, shard in shards]
    _merge(places, parts / "merged", folder, source)
    shutil.rmtree(parts)


def _shards(records: Iterable[Record]) -> Iterator[list[Record]]:
    stream = iter(records)
    while shard := list(islice(stream, _SHARD)):
        yield shard


def _complete(place: Path, shard: Sequence[Record], source: _Source, bar: Progress) -> Path:
    """Featurise and write a shard, unless an earlier attempt did."""
    if read_molecules(place) is None:
        rows = np.array([row for row, _ in shard], dtype=np.int64)
        molecules, rejects = featurize([text for _, text in shard], featuriser=source.featuriser, n_jobs=source.n_jobs)
        renumbered = [replace(reject, row=int(rows[reject.row])) for reject in rejects]
        write_molecules(place, replace(molecules, rows=rows[molecules.rows]), renumbered, source.featuriser)
    bar.update(len(shard))
    return place


def _merge(places: Sequence[Path], merged: Path, folder: Path, source: _Source) -> None:
    """Join the shards array by array in a temporary folder, which is then renamed to ``folder``."""
    rejects: list[Reject] = []
    count = 0
    for place in places:
        found = read_molecules(place, lazy=False)
        if found is None:
            raise DataError(f"{place}: was damaged after it was written. Check the disk, and try again.")
        count += len(found[0])
        rejects += found[1]
    check_some(count, rejects, source.name)
    with partial_name(merged) as partial:
        partial.mkdir()
        for item in ARRAYS:
            _join(partial / f"{item}.npy", [place / f"{item}.npy" for place in places], offsets="offsets" in item)
        write_meta(partial, molecules_meta(rejects, source.featuriser))
        place_folder(partial, folder)


def _join(target: Path, sources: Sequence[Path], *, offsets: bool) -> None:
    """Write the concatenation of arrays, one in memory at a time; offsets continue from the previous array."""
    first = np.load(sources[0], mmap_mode="r", allow_pickle=False)
    length = sum(len(np.load(path, mmap_mode="r", allow_pickle=False)) for path in sources)
    length -= len(sources) - 1 if offsets else 0
    header = np.lib.format.header_data_from_array_1_0(first) | {"shape": (length, *first.shape[1:])}
    with target.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        end = 0
        for number, path in enumerate(sources):
            array = np.load(path, allow_pickle=False)
            if offsets:
                array = array[1 if number else 0 :] + end
                end = int(array[-1]) if len(array) else end
            array.tofile(stream)
    add_seal(target)
