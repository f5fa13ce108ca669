"""Values per molecule that objectives train on: computed once, kept beside the dataset."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from molweight.errors import DataError
from molweight.graphs._cache import write_array
from molweight.graphs._dataset import MoleculeDataset
from molweight.graphs._parallel import map_chunks
from molweight.graphs._targets import TargetSpec

__all__ = ["attach_targets", "target_column"]

Array = np.ndarray[tuple[int, ...], np.dtype[np.generic]]
_CHUNK: Final = 128
_SHARD: Final = 8192
"""Molecules per file: what an interrupted computation loses at most."""
_log = logging.getLogger(__name__)


def attach_targets(dataset: MoleculeDataset, specs: Sequence[TargetSpec], *, progress: bool = False) -> MoleculeDataset:
    """The dataset with one column per spec, computed or read from the cache.

    Args:
        dataset: The molecules.
        specs: What to compute; a spec that several objectives share is computed once.
        progress: Whether to show progress bars on a terminal.

    Returns:
        A dataset whose batches carry ``columns[spec.name]``.
    """
    unique = {spec.name: spec for spec in specs}
    return dataset.with_columns(
        {name: target_column(dataset, spec, progress=progress) for name, spec in unique.items()}
    )


def target_column(
    dataset: MoleculeDataset, spec: TargetSpec, *, n_jobs: int | None = None, progress: bool = False
) -> Array:
    """One spec's values for every molecule of a dataset.

    They are stored in shards beside the dataset as they are computed, so interrupted work goes on where it stopped.

    Args:
        dataset: The molecules; where its ``folder`` is ``None`` nothing is stored.
        spec: What to compute.
        n_jobs: Processes; ``None`` for all cores.
        progress: Whether to show a progress bar on a terminal.

    Returns:
        An array ``len(dataset) x spec.dim`` of type ``spec.dtype``.
    """
    shards = range(0, len(dataset), _SHARD)
    place = dataset.folder / "targets" / f"{spec.name}-v{spec.version}" if dataset.folder else None
    title = f"{spec.name} of {dataset.name}" if progress else None
    parts = [_shard(dataset, spec, start, place, n_jobs=n_jobs, title=title) for start in shards]
    return np.concatenate(parts)


def _shard(
    dataset: MoleculeDataset, spec: TargetSpec, start: int, place: Path | None, *, n_jobs: int | None, title: str | None
) -> Array:
    smiles = dataset.smiles[start : start + _SHARD]
    path = place / f"{start // _SHARD:05d}.npy" if place else None
    if path and path.exists():
        stored: Array = np.load(path, allow_pickle=False)
        if stored.shape != (len(smiles), spec.dim) or stored.dtype != np.dtype(spec.dtype):
            raise DataError(f"{path} holds {stored.shape} {stored.dtype}, not what {spec.name} needs. Delete the file.")
        return stored
    values: Array = np.concatenate(
        list(map_chunks(spec, smiles, chunk=_CHUNK, n_jobs=n_jobs, parallel_from=4 * _CHUNK, progress=title))
    )
    if path:
        write_array(path, values)
    return values
