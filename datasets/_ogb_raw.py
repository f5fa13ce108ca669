"""The files of a folder in OGB's layout, as arrays.

``raw/`` holds numbers without a header: ``num-node-list`` and ``num-edge-list`` (one count per molecule), ``node-feat``
(9 per atom), ``edge`` (two atoms, counted within their molecule; each bond once), ``edge-feat`` (3 per bond) and
``graph-label`` (one column per task, empty where missing). ``mapping/mol.csv.gz`` names the tasks and holds the SMILES.
``split/<method>/{train,valid,test}.csv.gz`` hold rows, counted from 0. All are compressed with gzip.
"""

import io
import math
from pathlib import Path
from typing import Any, Final

import numpy as np

from molweight.arrays import Float32Matrix, Indices, Uint8Array
from molweight.datasets._text import read_bytes
from molweight.errors import DataError
from molweight.graphs import ATOM_SIZES, BOND_SIZES, Molecules
from molweight.graphs.internal import SmilesColumn

__all__ = ["PARTS", "read_labels", "read_mapping", "read_molecules", "read_parts"]

PARTS: Final = ("train", "valid", "test")

Numbers = np.ndarray[tuple[int, int], np.dtype[Any]]


def read_molecules(folder: Path, smiles: list[str]) -> Molecules:
    """The graphs as published by OGB. No SMILES is parsed, so that none fails with a newer RDKit.

    Args:
        folder: The data set's folder.
        smiles: One SMILES per molecule.

    Returns:
        The molecules.

    Raises:
        DataError: If a file is missing, damaged, or does not fit the others.
    """
    raw = folder / "raw"
    atom_offsets = _offsets(raw, "num-node-list", len(smiles))
    bond_offsets = _offsets(raw, "num-edge-list", len(smiles))
    atoms = _features(raw / "node-feat.csv.gz", int(atom_offsets[-1]), ATOM_SIZES)
    bonds = _features(raw / "edge-feat.csv.gz", int(bond_offsets[-1]), BOND_SIZES)
    ends = _numbers(raw / "edge.csv.gz", int(bond_offsets[-1]), 2, np.int64)
    sizes = np.repeat(np.diff(atom_offsets), np.diff(bond_offsets))
    if ((ends < 0) | (ends >= sizes[:, None])).any():
        raise DataError(f"{raw / 'edge.csv.gz'}: a bond refers to an atom outside its molecule. Download it again.")
    column = SmilesColumn.of(smiles)
    return Molecules(
        atoms=atoms,
        ends=ends.astype(np.uint16),
        bonds=bonds,
        atom_offsets=atom_offsets,
        bond_offsets=bond_offsets,
        rows=np.arange(len(smiles), dtype=np.int64),
        smiles_data=column.data,
        smiles_offsets=column.offsets,
    )


def read_mapping(folder: Path) -> tuple[list[str], list[str]]:
    """The names of the tasks, and the SMILES.

    Raises:
        DataError: If the file is missing, damaged, or has no column of SMILES.
    """
    import pandas as pd

    path = folder / "mapping" / "mol.csv.gz"
    content = read_bytes(path, max_mb=math.inf)
    try:
        names = list(pd.read_csv(io.BytesIO(content), nrows=0).columns)
        column = pd.read_csv(io.BytesIO(content), usecols=["smiles"], dtype=str, keep_default_na=False)["smiles"]
    except ValueError as error:
        raise DataError(f"{path}: cannot be read, or has no column 'smiles' ({error}). Download it again.") from error
    return [name for name in names if name not in ("smiles", "mol_id")], column.tolist()


def read_labels(folder: Path, rows: int, tasks: int) -> Float32Matrix:
    """The labels, ``rows x tasks``, NaN where missing.

    Raises:
        DataError: If the file is missing, damaged, or of another size.
    """
    return _numbers(folder / "raw" / "graph-label.csv.gz", rows, tasks, np.float32)


def read_parts(folder: Path, method: str) -> dict[str, list[int]]:
    """The rows of the published train, validation and test part.

    Raises:
        DataError: If a file is missing or damaged.
    """
    files = {part: folder / "split" / method / f"{part}.csv.gz" for part in PARTS}
    return {part: _numbers(path, None, 1, np.int64).ravel().tolist() for part, path in files.items()}


def _offsets(raw: Path, name: str, count: int) -> Indices:
    sizes = _numbers(raw / f"{name}.csv.gz", count, 1, np.int64).ravel()
    offsets = np.zeros(count + 1, dtype=np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return offsets


def _features(path: Path, rows: int, sizes: tuple[int, ...]) -> Uint8Array:
    """Features, each checked to be within the range that OGB encodes."""
    values = _numbers(path, rows, len(sizes), np.int64)
    if ((values < 0) | (values >= np.array(sizes))).any():
        raise DataError(f"{path}: holds a feature outside OGB's ranges {tuple(sizes)}. Download it again.")
    return values.astype(np.uint8)


def _numbers(path: Path, rows: int | None, columns: int, dtype: type[np.generic]) -> Numbers:
    """A file of numbers without a header, checked for the expected size."""
    import pandas as pd

    content = read_bytes(path, max_mb=math.inf)
    if not content.strip() and not rows:
        return np.empty((0, columns), dtype=dtype)
    try:
        values: Numbers = pd.read_csv(io.BytesIO(content), header=None, skip_blank_lines=False).to_numpy(dtype=dtype)
    except (ValueError, OverflowError) as error:
        raise DataError(f"{path}: is not a table of numbers ({error}). Download it again.") from error
    if values.shape != (len(values) if rows is None else rows, columns):
        expected = f"{'any number of' if rows is None else rows} rows of {columns}"
        raise DataError(f"{path}: holds {len(values)} rows of {values.shape[1]} numbers, expected {expected}.")
    return np.array(values, order="C")  # pandas returns read-only arrays in Fortran order
