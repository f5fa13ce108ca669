"""Featurised molecules in the cache."""

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from molweight.errors import DataError
from molweight.graphs._cache import cache_root, content_key, damaged, read_folder, write_folder
from molweight.graphs._featuriser import Featuriser
from molweight.graphs._featurize import featurize
from molweight.graphs._molecules import Molecules, Reject, inconsistency

__all__ = ["ARRAYS", "featurised_again", "featurize_cached", "molecules_meta", "read_molecules", "write_molecules"]

ARRAYS: Final = tuple(item.name for item in fields(Molecules))
"""Names of the arrays of a cached folder."""
_LAZY: Final = ("atoms", "bonds", "ends", "smiles_data")
"""Arrays that are read a few molecules at a time; the others are offsets and rows, which are read as a whole."""


def featurize_cached(
    smiles: Sequence[str],
    featuriser: Featuriser,
    *,
    cache: bool = True,
    n_jobs: int | None = None,
    progress: str | None = None,
) -> tuple[Molecules, list[Reject], Path | None]:
    """:func:`molweight.graphs.featurize` with the result cached.

    Args:
        smiles: The SMILES.
        featuriser: The features.
        cache: Whether to read and write the cache.
        n_jobs: Processes to use; ``None`` for all cores.
        progress: Title of a progress bar; ``None`` for none.

    Returns:
        Molecules, rejects, and their cache folder; ``None`` without the cache.
    """
    folder = None
    if cache:
        folder = cache_root() / "molecules" / _key(smiles, featuriser)
    found = read_molecules(folder) if folder else None
    if found is not None:
        return *found, folder
    molecules, rejects = featurize(smiles, featuriser=featuriser, n_jobs=n_jobs, progress=progress)
    if folder:
        write_molecules(folder, molecules, rejects, featuriser)
    return molecules, rejects, folder


def _key(smiles: Sequence[str], featuriser: Featuriser) -> str:
    texts = [str(text) for text in smiles]
    joined = "\n".join(texts)
    parts = [featuriser.cache_key(), joined.encode(errors="surrogatepass")]
    if joined.count("\n") > max(len(texts) - 1, 0):  # cells of several lines: the joined text does not separate them
        parts.append(" ".join(str(len(text)) for text in texts).encode())
    return content_key(parts)


def read_molecules(folder: Path, *, lazy: bool = True) -> tuple[Molecules, list[Reject]] | None:
    """The molecules of a cached folder, memory-mapped, and the rejects; ``None`` if there is no valid folder.

    Checksums and offsets are checked first. A damaged folder is logged and counts as missing, so that it is rewritten.

    Args:
        folder: The folder.
        lazy: Whether features and SMILES in large files are verified block by block on first access; damage then raises
            :class:`molweight.errors.DataError`.
    """
    found = read_folder(folder, lazy=_LAZY if lazy else ())
    if found is None:
        return None
    arrays, meta = found
    missing = set(ARRAYS) - arrays.keys()
    if missing:
        damaged(folder / f"{min(missing)}.npy", "is missing")
        return None
    molecules = Molecules(**cast("dict[str, Any]", {item: arrays[item] for item in ARRAYS}))
    problem = inconsistency(molecules)
    if problem is not None:
        damaged(folder, problem)
        return None
    return molecules, [Reject(**item) for item in meta["rejects"]]


def write_molecules(folder: Path, molecules: Molecules, rejects: Sequence[Reject], featuriser: Featuriser) -> None:
    """Write a folder for :func:`read_molecules`, atomically."""
    meta = molecules_meta(rejects, featuriser)
    write_folder(folder, {item: getattr(molecules, item) for item in ARRAYS}, meta)


def molecules_meta(rejects: Sequence[Reject], featuriser: Featuriser) -> dict[str, Any]:
    """The JSON part of a cached folder."""
    return {"features": featuriser.features, "rejects": [reject.stored() for reject in rejects]}


def featurised_again(
    molecules: Molecules, featuriser: Featuriser, folder: Path | None, n_jobs: int | None
) -> tuple[Molecules, Path | None]:
    """The molecules with other features, in the same order, with the same rows.

    Args:
        molecules: The molecules.
        featuriser: The features.
        folder: Cache folder of the molecules; ``None`` for no cache, also of the new ones.
        n_jobs: Processes to use; ``None`` for all cores.

    Returns:
        Molecules and their cache folder.

    Raises:
        DataError: If RDKit refuses a molecule, or gives it another number of atoms.
    """
    smiles = molecules.smiles
    found, rejects, place = featurize_cached(smiles, featuriser, cache=folder is not None, n_jobs=n_jobs)
    if rejects:
        raise DataError(f"{featuriser} of {rejects[0].smiles[:60]!r} cannot be computed: {rejects[0].reason}.")
    other = np.flatnonzero(np.diff(found.atom_offsets) != np.diff(molecules.atom_offsets))
    if len(other):
        raise DataError(
            f"{featuriser} of {smiles[int(other[0])][:60]!r} cannot be computed: the installed RDKit counts "
            "a different number of atoms in its SMILES than the dataset stores."
        )
    return replace(found, rows=molecules.rows), place
