"""Numeric columns of a file as features of its molecules."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np

from molweight.arguments import check_choice
from molweight.arrays import Column
from molweight.datasets._from_file import Reading, read_any
from molweight.datasets._numbers import Decimal, read_numbers
from molweight.errors import ConfigError, DataError, Message, mention
from molweight.graphs import MoleculeDataset

__all__ = ["decimal_signs", "numbers_of_cells", "with_feature_columns"]

_LOG: Final = logging.getLogger(__name__)
_SIGNS: Final[tuple[Decimal, ...]] = get_args(Decimal)
_UNITS: Final = ("", "%")
"""Units that a cell may have; with others, cells of one column may be on different scales."""


def with_feature_columns(
    data: MoleculeDataset, path: str | Path, names: Sequence[str], **reading: Any
) -> MoleculeDataset:
    """The molecules of a file with numeric columns of the same file, for models that read them as features.

    Args:
        data: The result of :func:`from_file` for the file. Its ``decimals`` are used if a column is ambiguous.
        path: The file.
        names: The columns.
        **reading: Arguments with which the file was read.

    Returns:
        The dataset with a column ``column:NAME`` for each, NaN if a cell is empty or not a number.

    Raises:
        DataError: If the file lacks a column, a column holds no number, or its values differ between rows that were
            merged into one.
        ConfigError: If a column is a label.
    """
    labels = [name for name in names if name in data.target_names]
    if labels:
        raise ConfigError(
            f"{path}: column {labels[0]!r} is a label and a feature. Name the labels, e.g. --targets "
            f"{next((name for name in data.target_names if name not in names), 'y')}."
        )
    table = read_any(path, Reading.of(reading))
    whole = {name: table.cells(name) for name in names}
    cells = {name: [column[row] for row in data.rows.tolist()] for name, column in whole.items()}
    signs = decimal_signs(cells, reading.get("decimal"), data.decimals, str(path))
    for name in names:
        _refuse_merged(data, numbers_of_cells(whole[name], signs[name]), name, path)
    found = data.with_columns({f"column:{name}": _column(cells[name], signs[name], name, path) for name in names})
    found.decimals = signs
    return found


def _refuse_merged(data: MoleculeDataset, values: Sequence[float], name: str, path: str | Path) -> None:
    """Refuse a feature whose values differ between merged rows: their labels were averaged as if it had no effect.

    Raises:
        DataError: If there are such rows.
    """
    pairs = np.array(list(data.merged_rows.items()), dtype=np.int64).reshape(-1, 2)
    merged, first = np.array(values, dtype=np.float64)[pairs.T]
    differ = np.flatnonzero((merged != first) & ~(np.isnan(merged) & np.isnan(first)))
    if len(differ):
        place = int(differ[0])
        smiles = data.smiles[int(np.flatnonzero(data.rows == pairs[place, 1])[0])]
        raise DataError(
            f"{path}, column {name!r}: {first[place]:g} and {merged[place]:g} belong to the same molecule ({smiles}), "
            f"whose rows are merged into one; {len(differ)} rows differ like this. Keep the rows apart with "
            f"{mention('duplicates', 'keep')}, or leave the column out of the features."
        )


def _column(cells: Sequence[str], decimal: Decimal, name: str, path: str | Path) -> Column:
    """A column, ``n x 1``; missing values are reported."""
    values = np.array(numbers_of_cells(cells, decimal), dtype=np.float32)[:, None]
    missing = int(np.isnan(values).sum())
    if missing == len(values):
        raise DataError(
            f"{path}, column {name!r}: no cell holds a number, e.g. {next(filter(None, cells), '')[:60]!r}, so it "
            "cannot be a feature. Write numbers without units, or leave the column out of the features."
        )
    if missing:
        _LOG.warning(
            "%s, column %r: %d of %d cells are empty or not numbers; they are imputed by the median",
            path, name, missing, len(values),
        )  # fmt: skip
    return values


def decimal_signs(
    columns: Mapping[str, Sequence[str]], stated: Decimal | None, usual: Mapping[str, str], where: str
) -> dict[str, Decimal]:
    """The decimal sign of each column.

    Args:
        columns: Cells by name.
        stated: The decimal sign; ``None`` to find it, column by column.
        usual: By name, the decimal sign of an ambiguous column.
        where: Their source, for messages.

    Raises:
        OptionError: If the stated sign is unknown.
        DataError: If a column without a usual sign is ambiguous.

    Example:
        >>> decimal_signs({"pH": ["7,4", "6"], "level": ["1,234"]}, None, {"level": "."}, "mine.csv")
        {'pH': ',', 'level': '.'}
    """
    if stated is not None:
        check_choice("", "decimal", stated, get_args(Decimal))
    return {name: stated or _sign(cells, name, usual, where) for name, cells in columns.items()}


def _sign(cells: Sequence[str], name: str, usual: Mapping[str, str], where: str) -> Decimal:
    found = read_numbers(list(dict.fromkeys(cell.strip() for cell in cells)))
    if not found.ambiguous:
        return found.decimal
    if name not in usual:
        raise DataError(
            f"{where}, column {name!r}: {found.ambiguous}. Use {mention('decimal', ',')} or {mention('decimal', '.')} "
            "to name the decimal separator."
        )
    sign: Decimal = "," if usual[name] == "," else "."
    others = mention("decimal", "." if sign == "," else ",")
    note = Message(
        f"{found.ambiguous}; {sign!r} is the decimal sign, as in the training table. For the other: {others}"
    )
    _LOG.warning("%s, column %r: %s", where, name, note)
    return sign


def numbers_of_cells(cells: Sequence[str], decimal: Decimal = ".") -> list[float]:
    """The number in each cell; NaN for a cell without a number or with a unit.

    The numbers do not depend on the other cells. A cell that is a number only with the other decimal sign is read with
    that one.

    Args:
        cells: The cells.
        decimal: The decimal sign of cells that can be read in two ways.

    Example:
        >>> numbers_of_cells([" 7.4 ", "7,4", "high", "5 nM"]), numbers_of_cells(["1,234"], ",")
        ([7.4, 7.4, nan, nan], [1.234])
    """
    known = {cell: _number(cell.strip(), decimal) for cell in set(cells)}
    return [known[cell] for cell in cells]


def _number(cell: str, decimal: Decimal) -> float:
    for sign in (decimal, *_SIGNS):
        found = read_numbers([cell], sign)
        if found.readable[0] and found.units[0] in _UNITS:
            return float(found.values[0])
    return float("nan")
