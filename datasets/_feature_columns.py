"""Numeric columns of a file as features of its molecules."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from molweight.arrays import Column
from molweight.datasets._from_file import Reading, read_any
from molweight.errors import ConfigError
from molweight.graphs import MoleculeDataset

__all__ = ["number_of_cell", "with_feature_columns"]

_LOG: Final = logging.getLogger(__name__)


def with_feature_columns(
    data: MoleculeDataset, path: str | Path, names: Sequence[str], **reading: Any
) -> MoleculeDataset:
    """The molecules of a file with numeric columns of the same file, for models that read them as features.

    Args:
        data: The result of :func:`from_file` for the file.
        path: The file.
        names: The columns.
        **reading: Arguments with which the file was read.

    Returns:
        The dataset with a column ``column:NAME`` for each, NaN if a cell is empty or not a number.

    Raises:
        DataError: If the file lacks a column.
        ConfigError: If a column is a label.
    """
    labels = [name for name in names if name in data.target_names]
    if labels:
        raise ConfigError(
            f"{path}: column {labels[0]!r} is a label and a feature. Name the labels, e.g. --targets "
            f"{next((name for name in data.target_names if name not in names), 'y')}."
        )
    table = read_any(path, Reading.of(reading))
    columns: dict[str, Column] = {}
    for name in names:
        values = np.array([number_of_cell(cell) for cell in table.cells(name)], dtype=np.float32)[data.rows]
        if np.isnan(values).any():
            _LOG.warning(
                "%s, column %r: %d of %d cells are empty or not numbers; they are imputed by the median",
                path, name, int(np.isnan(values).sum()), len(values),
            )  # fmt: skip
        columns[f"column:{name}"] = values[:, None]
    return data.with_columns(columns)


def number_of_cell(cell: str) -> float:
    """The number in a cell; NaN if there is none.

    Example:
        >>> number_of_cell(" 7.4 "), number_of_cell("high")
        (7.4, nan)
    """
    try:
        return float(cell)
    except ValueError:
        return float("nan")
