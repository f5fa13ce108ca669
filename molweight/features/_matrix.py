"""Values of feature sets, as one matrix or as columns of a dataset.

Apart from the registry: pytest imports a single file twice, and its doctests would find the second, empty registry.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import numpy as np

from molweight.arrays import AnyArray, Float32Array
from molweight.descriptors.internal import parse_smiles
from molweight.errors import ConfigError
from molweight.features._feature_set import get
from molweight.graphs import MoleculeDataset, TargetSpec, target_column

__all__ = [
    "COLUMN_PREFIX",
    "check_features",
    "feature_columns",
    "feature_matrix",
    "feature_names",
    "feature_values",
    "is_sparse",
]

COLUMN_PREFIX: Final = "column:"
"""Prefix of a feature that is a column of the user's table, e.g. ``"column:pH"``."""


def check_features(names: Sequence[str]) -> None:
    """Refuse unknown feature sets and repetitions, before anything is computed.

    Args:
        names: Names of feature sets, or columns of the table written as ``"column:pH"``.

    Raises:
        ConfigError: If a name is given twice, or a column has no name.
        UnknownNameError: If there is no such feature set.
    """
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"features: {name!r} is given twice. Name each feature set once.")
        if name == COLUMN_PREFIX:
            raise ConfigError(f"features: {name!r} lacks the name of a column. Write e.g. 'column:pH'.")
        if not name.startswith(COLUMN_PREFIX):
            get(name)


def feature_names(names: Sequence[str]) -> list[str]:
    """Name of each column of :func:`feature_matrix`.

    Example:
        >>> feature_names(["maccs", "column:pH"])[-2:]
        ['maccs166', 'pH']
    """
    parts = [
        (name.removeprefix(COLUMN_PREFIX),) if name.startswith(COLUMN_PREFIX) else get(name).names for name in names
    ]
    return [name for part in parts for name in part]


def feature_matrix(data: MoleculeDataset, names: Sequence[str], *, progress: bool = False) -> Float32Array:
    """Features of every molecule of a dataset, computed on all cores or read from the cache next to the dataset.

    Args:
        data: The molecules.
        names: Names of feature sets, or columns of the table as ``"column:pH"``, in the order of the columns.
        progress: Whether to show a progress bar on a terminal.

    Returns:
        ``len(data) x F`` float32; NaN where a value cannot be computed or is missing in the table.

    Raises:
        ConfigError: If the table lacks a column.
        UnknownNameError: If there is no such feature set.

    Example:
        >>> from molweight.graphs import build_dataset
        >>> data = build_dataset(["CCO", "C"], cache=False).with_columns({"column:pH": np.array([[7.4], [np.nan]])})
        >>> feature_matrix(data, ["column:pH", "maccs"]).shape
        (2, 167)
    """
    parts = [feature_values(data, name, progress=progress).astype(np.float32) for name in names]
    return np.concatenate([np.empty((len(data), 0), dtype=np.float32), *parts], axis=1)


def is_sparse(name: str) -> bool:
    """Whether a feature set consists of counts of fingerprints.

    Args:
        name: Name of a feature set, or of a column of the table, which does not.
    """
    return not name.startswith(COLUMN_PREFIX) and get(name).sparse


def feature_values(data: MoleculeDataset, name: str, *, progress: bool = False) -> AnyArray:
    """One feature set of every molecule, in the type in which it is stored; see :func:`feature_matrix`.

    Args:
        data: The molecules.
        name: Name of a feature set, or a column of the table as ``"column:pH"``.
        progress: Whether to show a progress bar on a terminal.

    Raises:
        ConfigError: If the table lacks the column.
        UnknownNameError: If there is no such feature set.
    """
    if not name.startswith(COLUMN_PREFIX):
        return target_column(data, _spec(data, name), progress=progress)
    if name not in data.columns:
        present = [key.removeprefix(COLUMN_PREFIX) for key in data.columns if key.startswith(COLUMN_PREFIX)]
        raise ConfigError(
            f"{data.name}: the model needs the column {name.removeprefix(COLUMN_PREFIX)!r}, but the table has "
            f"{', '.join(map(repr, present)) or 'no feature columns'}. Add the column; empty cells are imputed."
        )
    column: AnyArray = data.columns[name]
    return column.reshape(len(data), math.prod(column.shape[1:])).astype(np.float32)  # also without molecules


def _spec(data: MoleculeDataset, name: str) -> TargetSpec:
    """How a feature set is computed; without stereochemistry if the dataset ignores it."""
    spec = get(name).spec
    if data.featuriser.stereo == "use":
        return spec
    return replace(spec, name=f"{spec.name}_without_stereo", compute=partial(_without_stereo, spec.compute))


def _without_stereo(compute: Callable[[Sequence[str]], Any], smiles: Sequence[str]) -> Any:
    from rdkit import Chem

    plain = [parse_smiles(text) for text in smiles]
    for molecule in plain:
        Chem.RemoveStereochemistry(molecule)
    return compute([Chem.MolToSmiles(molecule) for molecule in plain])


def feature_columns(data: MoleculeDataset, names: Sequence[str], *, progress: bool = False) -> MoleculeDataset:
    """The dataset with a column per feature set, computed where it is missing.

    A column that was computed with another treatment of stereochemistry counts as missing, because the dataset keeps
    its columns in :meth:`molweight.graphs.MoleculeDataset.with_featuriser`.

    Args:
        data: The molecules.
        names: Names of feature sets, or columns of the table as ``"column:pH"``.
        progress: Whether to show a progress bar on a terminal.

    Returns:
        A dataset whose batches carry the features under ``columns``.

    Raises:
        ConfigError: If the table lacks a column.
        UnknownNameError: If there is no such feature set.
    """
    missing: dict[str, AnyArray] = {}
    for name in names:
        if name.startswith(COLUMN_PREFIX):
            feature_values(data, name, progress=progress)  # raises an error if the column is missing
        elif not _has(data, get(name).spec.name):
            missing[get(name).spec.name] = target_column(data, _spec(data, name), progress=progress)
    if not missing:
        return data
    featured = data.with_columns(missing)
    if data.featuriser.stereo == "ignore":
        featured.without_stereo |= missing.keys()
    return featured


def _has(data: MoleculeDataset, column: str) -> bool:
    """Whether the dataset has values of a feature set, computed with its treatment of stereochemistry."""
    return column in data.columns and (column in data.without_stereo) == (data.featuriser.stereo == "ignore")
