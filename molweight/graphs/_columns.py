"""Targets of objectives per molecule or per atom: computed once, cached with the dataset."""

import logging
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from joblib import cpu_count

from molweight.arrays import BoolArray, Column
from molweight.errors import DataError
from molweight.graphs._as_smiles import parse_molecule
from molweight.graphs._cache import damaged, rdkit_version, read_array, write_array
from molweight.graphs._dataset import MoleculeDataset
from molweight.graphs._guard import SLOW_SECONDS, Guarded, always
from molweight.graphs._parallel import map_chunks
from molweight.graphs._targets import TargetSpec

__all__ = ["attach_targets", "column_seconds", "guarded_target", "missing_targets", "target_column"]

_SHARD: Final = 64
"""Chunks per file, the maximum loss from an interruption."""
_FEW: Final = 16
"""Molecules for estimating the time of a column."""
_log = logging.getLogger(__name__)


def attach_targets(dataset: MoleculeDataset, specs: Sequence[TargetSpec], *, progress: bool = False) -> MoleculeDataset:
    """The dataset with one column per spec, computed or read from the cache.

    Molecules without values, e.g. without a conformer, are counted in the log; :func:`missing_targets` identifies them.

    Args:
        dataset: The molecules.
        specs: The specs; a spec shared by several objectives is computed once.
        progress: Whether to show progress bars on a terminal.

    Returns:
        A dataset whose batches carry ``columns[spec.name]``, or ``atom_columns[spec.name]`` for values per atom.
    """
    unique = {spec.name: spec for spec in specs}
    columns = {name: target_column(dataset, spec, progress=progress) for name, spec in unique.items()}
    atoms = {name: column for name, column in columns.items() if unique[name].per == "atom"}
    attached = dataset.with_columns({name: columns[name] for name in columns.keys() - atoms.keys()}, atoms)
    for name in unique:
        missing = int(missing_targets(attached, name).sum())
        if missing:
            _log.warning("%s: %d of %d molecules have no %s", dataset.name, missing, len(dataset), name)
    return attached


def missing_targets(dataset: MoleculeDataset, name: str) -> BoolArray:
    """Which molecules have no value at all in a column.

    Args:
        dataset: The molecules, with the column.
        name: Name of the column.

    Returns:
        One bool per molecule: whether all its values are NaN. Integer columns have no missing values; see ``missing``
        of :class:`molweight.graphs.TargetSpec`.

    Raises:
        DataError: If there is no such column.

    Example:
        >>> from molweight.graphs import build_dataset
        >>> data = build_dataset(["CCO", "C"], cache=False).with_columns({"a": np.array([[np.nan], [1.0]])})
        >>> missing_targets(data, "a").tolist()
        [True, False]
    """
    if name not in dataset.columns:
        raise DataError(f"{dataset.name} has no column {name!r}. Columns: {', '.join(dataset.columns) or 'none'}.")
    column = dataset.columns[name]
    if column.dtype.kind != "f" or len(column) == 0:
        return np.zeros(len(dataset), dtype=bool)
    missing = np.isnan(column.reshape(len(column), -1))
    if name in dataset.per_atom:
        missing = np.logical_and.reduceat(missing, dataset.molecules.atom_offsets[:-1])
    return np.asarray(missing.all(axis=1))


def target_column(
    dataset: MoleculeDataset, spec: TargetSpec, *, n_jobs: int | None = None, progress: bool = False
) -> Column:
    """One spec's values for every molecule of a dataset.

    While they are computed, the values are stored in files of ``64 * spec.chunk`` molecules next to the dataset. Each
    file is written atomically, so interrupted work resumes where it stopped.

    Args:
        dataset: The molecules; if its ``folder`` is ``None``, nothing is stored.
        spec: The spec.
        n_jobs: Processes; ``None`` for all cores.
        progress: Whether to show a progress bar on a terminal.

    Returns:
        An array of type ``spec.dtype`` with ``spec.dim`` columns and one row per molecule, or per atom. If
        molecules are marked by ``spec.missing``, it has a floating-point type, and NaN in their rows.
    """
    starts, paths = _files(dataset, spec)
    stored = {start: _stored(dataset, spec, start, path) for start, path in paths.items()}
    parts = {start: values for start, values in stored.items() if values is not None}
    missing = [start for start in starts if start not in parts]
    title = f"{_plain(spec.name)} of {dataset.name}" if progress else None
    for start, values in _computed(dataset, spec, missing, n_jobs, title):
        parts[start] = values
        if paths:
            write_array(paths[start], values)
    none = np.empty((0, spec.dim), dtype=spec.dtype)  # for a dataset without molecules
    return _with_gaps(np.concatenate([none, *(parts[start] for start in starts)]), spec)


def _with_gaps(stored: Column, spec: TargetSpec) -> Column:
    """The values, with NaN in the rows that are marked as missing."""
    if spec.missing is None:
        return stored
    gaps = (stored == spec.missing).all(axis=1)
    if not gaps.any():
        return stored
    values: Column = stored.astype(np.promote_types(stored.dtype, np.float32))
    values[gaps] = np.nan
    return values


def column_seconds(dataset: MoleculeDataset, spec: TargetSpec) -> float:
    """Expected seconds of :func:`target_column`, from the time of a few molecules; 0 if all values are stored.

    Args:
        dataset: The molecules.
        spec: The spec.
    """
    starts, paths = _files(dataset, spec)
    absent = [start for start in starts if start not in paths or not paths[start].is_file()]
    if not absent:
        return 0.0
    missing = sum(_stop(dataset, spec, start) - start for start in absent)
    few = [dataset.smiles[row] for row in range(0, len(dataset), -(-len(dataset) // _FEW))]
    compute = guarded_target(spec)
    compute(few[:1])  # sets everything up
    started = time.perf_counter()
    compute(few)
    return (time.perf_counter() - started) / len(few) * missing / int(cpu_count())


def _files(dataset: MoleculeDataset, spec: TargetSpec) -> tuple[Sequence[int], dict[int, Path]]:
    """The first molecule of each file, and the files by it; no files for a dataset that is not stored."""
    starts = range(0, len(dataset), _SHARD * spec.chunk)
    if not dataset.folder:
        return starts, {}
    place = dataset.folder / "targets" / f"{spec.name}-v{spec.version}-rdkit-{rdkit_version()}"
    return starts, {start: place / f"{number:05d}.npy" for number, start in enumerate(starts)}


def _stop(dataset: MoleculeDataset, spec: TargetSpec, start: int) -> int:
    return min(start + _SHARD * spec.chunk, len(dataset))


def _rows(dataset: MoleculeDataset, spec: TargetSpec, start: int) -> int:
    """Rows of the file that begins with molecule ``start``."""
    stop, offsets = _stop(dataset, spec, start), dataset.molecules.atom_offsets
    return int(offsets[stop] - offsets[start]) if spec.per == "atom" else stop - start


def _stored(dataset: MoleculeDataset, spec: TargetSpec, start: int, path: Path) -> Column | None:
    """The values in a file; ``None`` if it is missing or damaged."""
    stored = read_array(path)
    wanted = (_rows(dataset, spec, start), spec.dim)
    if stored is not None and (stored.shape != wanted or stored.dtype != np.dtype(spec.dtype)):
        damaged(path, f"holds {stored.shape} {stored.dtype}, and {spec.name} needs {wanted} {spec.dtype}")
        return None
    return stored


def _computed(
    dataset: MoleculeDataset, spec: TargetSpec, starts: Sequence[int], n_jobs: int | None, title: str | None
) -> Iterator[tuple[int, Column]]:
    """The values of each file beginning at one of ``starts``, as soon as it is complete."""
    spans = [(start, _stop(dataset, spec, start)) for start in starts]
    smiles = [text for start, stop in spans for text in dataset.smiles[start:stop]]
    results = map_chunks(
        guarded_target(spec),
        smiles,
        chunk=spec.chunk,
        n_jobs=n_jobs,
        parallel_from=4 * spec.chunk,
        progress=title if smiles else None,
    )
    for start, stop in spans:
        values: Column = np.concatenate(list(islice(results, -(-(stop - start) // spec.chunk))))
        rows = _rows(dataset, spec, start)
        if len(values) != rows:
            raise DataError(
                f"target {spec.name!r} returned {len(values)} rows for the {rows} atoms of molecules {start} to "
                f"{stop - 1} of {dataset.name}; its compute function must return one row per atom of these molecules."
            )
        yield start, values


def guarded_target(spec: TargetSpec) -> Guarded[Column]:
    """A spec with a budget of time and memory for each molecule."""
    missing = partial(_no_values, spec)
    doing = f"computing {spec.name}"
    if spec.slow:
        return Guarded(spec, np.concatenate, missing, doing, alone=always, seconds=SLOW_SECONDS, prepare=spec.prepare)
    return Guarded(spec, np.concatenate, missing, doing, prepare=spec.prepare)


def _no_values(spec: TargetSpec, smiles: str, reason: str) -> Column:
    """Values of a molecule whose computation was aborted: NaN, or in an integer column the mark, 0 without one."""
    _log.warning("%r has no %s: %s", smiles[:60], spec.name, reason)
    blank = np.nan if np.dtype(spec.dtype).kind == "f" else spec.missing or 0
    return np.full((_atoms(smiles) if spec.per == "atom" else 1, spec.dim), blank, dtype=spec.dtype)


def _atoms(smiles: str) -> int:
    """Number of atoms; for ten thousand of them, features would take three times as long."""
    molecule = parse_molecule(smiles)
    return 0 if molecule is None else int(molecule.GetNumAtoms())


def _plain(name: str) -> str:
    """The display name of a column, without the version of RDKit, which separates caches of different versions.

    Example:
        >>> _plain("identity_rdkit_2026_3_1"), _plain("functional_groups")
        ('identity', 'functional groups')
    """
    return name.partition("_rdkit_")[0].replace("_", " ")
