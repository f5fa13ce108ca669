"""Columns of relations and units, which belong to other columns."""

import re
from collections.abc import Sequence
from typing import Final

import numpy as np

from molweight.arrays import Int8Array
from molweight.datasets._columns import ColumnReport
from molweight.datasets._label_columns import source_column
from molweight.datasets._numbers import has_no_value, is_missing, sign_of
from molweight.datasets._table import TextTable
from molweight.errors import DataError, mention

__all__ = ["find_relations", "find_units"]


_ROLE_WORDS: Final = re.compile(
    r"relations?|operators?|qualifiers?|modifiers?|signs?|prefix|censor(ed|ing)?|values?|units?|"
    r"\(.*?\)|\[.*?\]|[ _.-]+"
)


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
        return found, [f"column {named!r} says which labels are bounds" for _ in columns[:1]]
    signs: dict[str, Int8Array] = {}
    said: list[str] = []
    for relation in [report.name for report in reports if report.kind == "relation"]:
        values = _signs(table, relation)
        about = [column for column in columns if _topic(column) == _topic(relation)]
        if not about and any(name.lower().replace("_", " ") == "pchembl value" for name in columns):
            continue  # ChEMBL gives pChEMBL for exact values only
        if not about and any(_topic(name) == _topic(relation) for name in table.columns if name != relation):
            continue  # it belongs to a column that is not a label here
        about = about or (columns if len(columns) == 1 else [])
        if not about and values.any():
            raise DataError(
                f"{table.source}, column {relation!r}: marks {int((values != 0).sum())} values as bounds, but it is "
                f"not clear in which label column. Name one label column, or rename this column so that it is ignored."
            )
        signs |= dict.fromkeys(about, values)
        if about and values.any():
            said.append(f"column {relation!r} says which labels in {about[0]!r} are bounds")
    return signs, said


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
                different = sorted(set(cells) - {""})
                if len(different) > 1 and column in targets:
                    said.append(
                        f"column {column!r} has several units ({', '.join(different[:6])}); "
                        f"{mention('targets', [f'p({column})'])} converts molar units to one scale"
                    )
    return units, said
