"""Columns of relations and units, which belong to other columns."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from molweight.arrays import Float64Array, Int8Array
from molweight.datasets._columns import ColumnReport, listed, may_be_measured, numeric_columns
from molweight.datasets._label_columns import source_column
from molweight.datasets._label_units import same_unit
from molweight.datasets._numbers import has_no_value, is_missing, sign_of
from molweight.datasets._table import TextTable
from molweight.errors import DataError, mention

__all__ = ["find_relations", "find_units"]


_ROLE_WORDS: Final = re.compile(
    r"relations?|operators?|qualifiers?|modifiers?|signs?|prefix|censor(ed|ing)?|values?|units?|"
    r"\(.*?\)|\[.*?\]|[ _.-]+"
)


_LEAST: Final = 3
"""Minimum number of rows for comparing two columns."""
_ROUNDED: Final = 0.06
"""Maximum error of a logarithm that is rounded to one decimal."""
_NEARLY_ALL: Final = 0.9
"""Minimum share of rows in which one column is the logarithm of the other."""


def _topic(name: str) -> str:
    """Subject of a column, without the word for its kind: ``standard`` of ``Standard Relation``."""
    return _ROLE_WORDS.sub("", name.lower())


def find_relations(
    table: TextTable, reports: Sequence[ColumnReport], targets: Sequence[str], named: str | None
) -> tuple[dict[str, Int8Array], list[str]]:
    """The signs of the true values, by the numeric column to which they belong.

    Args:
        table: The table.
        reports: Reports on its columns.
        targets: The label columns.
        named: The column of relations; ``None`` to find it by its name, or as the only one.

    Returns:
        One sign per row for each numeric column, and notes.

    Raises:
        DataError: If the named column holds something else, or it is unclear to which labels relations belong.
    """
    columns = list(dict.fromkeys(source_column(table, target) for target in targets))
    if named is not None:
        found = {column: _signs(table, named) for column in columns}
        return found, [f"column {named!r} marks the labels that are bounds" for _ in columns[:1]]
    signs: dict[str, Int8Array] = {}
    said: list[str] = []
    for relation in [report.name for report in reports if report.kind == "relation"]:
        values = _signs(table, relation)
        about = [column for column in columns if _topic(column) == _topic(relation)]
        if not about and any(name.lower().replace("_", " ") == "pchembl value" for name in columns):
            continue  # ChEMBL gives pChEMBL for exact values only
        if not values.any():
            continue
        if about:
            signs |= dict.fromkeys(about, values)
            said.append(f"column {relation!r} marks the labels in {about[0]!r} that are bounds")
            continue
        found, notes = _of_other_column(table, relation, columns, values)
        signs |= found
        said += notes
    return signs, said


def _of_other_column(
    table: TextTable, relation: str, columns: Sequence[str], values: Int8Array
) -> tuple[dict[str, Int8Array], list[str]]:
    """The signs of labels whose column is not named like the relation, and notes about them.

    Raises:
        DataError: If it is unclear to which column the relations belong.
    """
    numeric = numeric_columns(table)
    others = [name for name in numeric if name not in columns and may_be_measured(table, name, numeric[name])]
    topic = _topic(relation)
    same = [name for name in table.columns if _topic(name) == topic and name != relation and (topic or name in numeric)]
    if len(columns) == 1:
        label = columns[0]
        source = _source_of(label, same, numeric)
        if source is not None:
            note = (
                f"column {relation!r} is read as bounds of {source!r}; {label!r} is its negative logarithm, so < and > "
                f"are exchanged (if they are bounds of {label!r} itself: {mention('relation', relation)})"
            )
            return {label: (-values).astype(np.int8)}, [note]
        if not same and all(_is_minus_log(numeric[name], numeric.get(label)) for name in others):
            return {label: values}, [f"column {relation!r} marks the labels in {label!r} that are bounds"]
    if same or all(_are_classes(numeric.get(label)) for label in columns):
        return {}, []  # it belongs to a column that is not a label here
    one = f"If it marks {columns[0]!r}, use {mention('relation', relation)}; otherwise rename"
    advice = one if len(columns) == 1 else "Name one label column, or rename"
    raise DataError(
        f"{table.source}, column {relation!r}: marks {int((values != 0).sum())} values as bounds, but it is not clear "
        f"in which column ({listed([*columns, *others])}). {advice} this column so that it is ignored."
    )


def _source_of(label: str, same: Sequence[str], numeric: Mapping[str, Float64Array]) -> str | None:
    """The column of which a label is the negative logarithm; one of ``same``, if there are any."""
    candidates = [name for name in same or numeric if name in numeric and name != label]
    return next((name for name in candidates if _is_minus_log(numeric.get(label), numeric[name])), None)


def _are_classes(values: Float64Array | None) -> bool:
    """Whether labels are words or at most two numbers, which have no bounds."""
    return values is None or len(np.unique(values[np.isfinite(values)])) <= 2  # noqa: PLR2004 - two classes


def _is_minus_log(scaled: Float64Array | None, raw: Float64Array | None) -> bool:
    """Whether numbers are -log10 of others, up to a constant for their unit, in nearly all rows that have both."""
    if scaled is None or raw is None:
        return False
    both = np.isfinite(scaled) & np.isfinite(raw) & (raw > 0)
    if both.sum() < _LEAST or scaled[both].std() <= 2 * _ROUNDED:
        return False  # too few or too similar to tell
    constant = scaled[both] + np.log10(raw[both])
    return float((abs(constant - np.median(constant)) <= _ROUNDED).mean()) >= _NEARLY_ALL


def _signs(table: TextTable, column: str) -> Int8Array:
    codes, texts = table.distinct(column)
    found = [0 if is_missing(text) or has_no_value(text) else sign_of(text) for text in texts]
    if None in found:
        raise DataError(
            f"{table.source}, column {column!r}: {texts[found.index(None)]!r} is not a relation. Relations are =, <, "
            ">, <=, >=, ~."
        )
    return np.array(found, dtype=np.int8)[codes]


def find_units(
    table: TextTable, reports: Sequence[ColumnReport], targets: Sequence[str]
) -> tuple[dict[str, list[str]], list[str]]:
    """The units of each numeric column that has a column of units, row by row.

    Args:
        table: The table.
        reports: Reports on its columns.
        targets: The label columns.

    Returns:
        Units by column, and notes about labels in several units.
    """
    units: dict[str, list[str]] = {}
    said: list[str] = []
    columns = list(dict.fromkeys(source_column(table, target) for target in targets))
    for report in reports:
        if report.kind != "unit":
            continue
        cells = table.cells(report.name)
        for column in columns:
            if _topic(column) == _topic(report.name) or (len(columns) == 1 and not _topic(report.name)):
                units[column] = cells
                different = _different(cells)
                if len(different) > 1 and column in targets:
                    said.append(
                        f"column {column!r} has several units ({', '.join(different[:6])}): labels in other units than "
                        f"the most common one are left out; {mention('targets', [f'p({column})'])} converts molar "
                        "units to one scale"
                    )
    return units, said


def _different(cells: Sequence[str]) -> list[str]:
    """The units in a column of units, sorted, each once if it is written in several ways."""
    found: list[str] = []
    for unit in sorted({cell.strip() for cell in cells if not is_missing(cell)}):
        if not any(same_unit(unit, other) for other in found):
            found.append(unit)
    return found
