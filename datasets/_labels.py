"""From the text of label columns to numbers, and from the numbers to the task."""

import logging
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, get_args

import numpy as np

from molweight.datasets._table import TextTable
from molweight.datasets._table_spec import Metric, Task
from molweight.errors import ConfigError, DataError, suggest

__all__ = [
    "BadCell",
    "Labels",
    "check_choice",
    "check_labels",
    "complaint",
    "infer_task",
    "is_label",
    "is_missing",
    "is_number",
    "parse_labels",
    "read_labels",
    "settle",
]

Labels = np.ndarray[tuple[int, int], np.dtype[np.float32]]

_LOG: Final = logging.getLogger(__name__)
_MISSING: Final = frozenset({"", "nan", "na", "n/a", "#n/a", "<na>", "null", "none"})
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
_INFINITE: Final = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_TRUTH: Final = {"true": 1.0, "false": 0.0}
_LARGEST: Final = float(np.finfo(np.float32).max)


def is_missing(cell: str) -> bool:
    """Whether a cell says that there is no label: empty, ``NaN``, ``NA``, ``N/A``, ``null``, ``none`` in any case.

    Example:
        >>> [is_missing(cell) for cell in ("", "N/A", "0")]
        [True, True, False]
    """
    return cell.lower() in _MISSING


def is_number(cell: str) -> bool:
    """Whether a cell is a finite decimal number as programs write it.

    Example:
        >>> [is_number(cell) for cell in ("-1.5", "2e-3", "1.0e", "1_000", "inf", "1,5")]
        [True, True, False, False, False, False]
    """
    return _NUMBER.fullmatch(cell) is not None


def is_label(cell: str) -> bool:
    """Whether a cell can be read as a label: a number, or ``true`` or ``false`` in any case, as programs write classes.

    Example:
        >>> [is_label(cell) for cell in ("0.5", "True", "yes")]
        [True, True, False]
    """
    return is_number(cell) or cell.lower() in _TRUTH


@dataclass(frozen=True)
class BadCell:
    """A cell of a label column that is neither a number nor empty.

    Args:
        record: Position of its row.
        column: Name of its column.
        text: What stands in it.
    """

    record: int
    column: str
    text: str

    @property
    def problem(self) -> str:
        """What is wrong with it."""
        infinite = _INFINITE.fullmatch(self.text) or is_number(self.text)
        return f"{self.text[:60]!r} is {'not a finite float32 number' if infinite else 'not a number'}"


def parse_labels(table: TextTable, columns: Sequence[str]) -> Labels:
    """The labels of the named columns.

    Args:
        table: The table.
        columns: Its label columns.

    Returns:
        ``n x T`` float32 with NaN where a label is missing.

    Raises:
        DataError: If a cell is neither a number nor empty; the message names row and column.
    """
    labels, bad = read_labels(table, columns)
    if bad:
        raise DataError(complaint(table, bad))
    return labels


def read_labels(table: TextTable, columns: Sequence[str]) -> tuple[Labels, list[BadCell]]:
    r"""The labels of the named columns, and the cells that cannot be read.

    Args:
        table: The table.
        columns: Its label columns.

    Returns:
        ``n x T`` float32 with NaN where a label is missing or cannot be read; and which cells those are.

    Example:
        >>> from molweight.datasets._table import parse_table
        >>> labels, bad = read_labels(parse_table("smiles,y\nC,1.0e\nN,\n", "mine.csv"), ["y"])
        >>> labels.ravel().tolist(), bad[0].problem
        ([nan, nan], "'1.0e' is not a number")
    """
    labels = np.empty((len(table.frame), len(columns)), dtype=np.float32)
    bad: list[BadCell] = []
    for place, column in enumerate(columns):
        codes, texts = table.distinct(column)
        values = np.array([_parse_cell(text) for text in texts])
        wrong = np.flatnonzero(np.isinf(values)[codes])
        bad += [BadCell(int(record), column, texts[codes[record]]) for record in wrong]
        labels[:, place] = np.where(np.isinf(values), np.nan, values).astype(np.float32)[codes]
    return labels, bad


def complaint(table: TextTable, bad: Sequence[BadCell]) -> str:
    """A message about cells that cannot be read: the first one, and how many there are in its column.

    Args:
        table: The table.
        bad: The cells; at least one.

    Returns:
        The message.
    """
    cell = bad[0]
    same = sum(other.column == cell.column for other in bad)
    comma = " Write decimals with a point." if is_number(cell.text.replace(",", ".", 1)) and "," in cell.text else ""
    more = f" ({same} such cells in this column)" if same > 1 else ""
    return (
        f"{table.source}, {table.place(cell.record, cell.column)}: {cell.problem}{more}.{comma} Correct it, leave the "
        "cell empty where the label is missing, have such labels taken for missing with on_error='nan', or name the "
        "columns that are targets (targets=[...])."
    )


def _parse_cell(cell: str) -> float:
    """The number; 1 or 0 for true or false; NaN for a missing label; infinity for all else, and beyond float32."""
    if is_number(cell):
        value = float(cell)
        return value if abs(value) <= _LARGEST else math.inf
    return math.nan if is_missing(cell) else _TRUTH.get(cell.lower(), math.inf)


def infer_task(labels: Labels) -> Task:
    """Classification if every label that is present is 0 or 1, regression otherwise.

    Example:
        >>> infer_task(np.array([[0.0], [1.0], [np.nan]], dtype=np.float32))
        'classification'
    """
    present = labels[~np.isnan(labels)]
    return "classification" if np.isin(present, (0, 1)).all() else "regression"


def settle(
    labels: Labels | None, columns: Sequence[str], task: Task | None, metric: Metric | None, where: str
) -> tuple[Task | None, Metric | None]:
    """Task and metric for some labels, inferred where they are not given, and the labels checked against them.

    Args:
        labels: ``n x T`` labels, NaN for missing; ``None`` for none.
        columns: Their ``T`` names.
        task: The task; ``None`` to infer it, which is logged.
        metric: The metric; ``None`` for what MoleculeNet uses for most tables of the task.
        where: The table, for messages.

    Returns:
        The task and the metric; ``None`` and ``None`` without labels.

    Raises:
        ConfigError: If there is no such task or metric.
        DataError: If nothing can be learned from the labels.
    """
    if labels is None:
        return None, None
    if task is None:
        task = infer_task(labels)
        reason = "all labels are 0 or 1" if task == "classification" else "not all labels are 0 or 1"
        _LOG.info("%s: taken for %s, because %s", where, task, reason)
    if metric is None:
        metric = "roc_auc" if task == "classification" else "rmse"
    check_choice("task", task, get_args(Task))
    check_choice("metric", metric, get_args(Metric))
    check_labels(labels, columns, task, where)
    return task, metric


def check_choice(option: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a value that is not among the choices of an option.

    Raises:
        ConfigError: With the nearest choices.
    """
    if value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise ConfigError(f"{option}={value!r} is no choice;{suggest(str(value), choices)} Use one of {listed}.")


def check_labels(labels: Labels, columns: Sequence[str], task: Task, where: str) -> None:
    """Refuse labels nothing can be learned from.

    Args:
        labels: ``n x T`` labels, NaN for missing.
        columns: Their ``T`` names.
        task: What they are to be used for.
        where: The table, for messages.

    Raises:
        DataError: If a column has no label, or, for classification, a label other than 0 and 1, or only one class.
    """
    for place, column in enumerate(columns):
        present = labels[:, place][~np.isnan(labels[:, place])]
        if len(present) == 0:
            raise DataError(f"{where}, column {column!r}: has no label at all. Leave it out of the targets.")
        if task == "classification":
            _check_classes(present, f"{where}, column {column!r}")


def _check_classes(present: np.ndarray[tuple[int], np.dtype[np.float32]], where: str) -> None:
    classes = np.unique(present)
    others = classes[~np.isin(classes, (0, 1))]
    if len(others) > 0:
        raise DataError(
            f"{where}: the label {others[0]:g} is not a class. Write the classes as 0 and 1, or use task='regression'."
        )
    if len(classes) == 1:
        raise DataError(
            f"{where}: all {len(present)} labels are {classes[0]:g}, but a classifier needs both classes. "
            "Add molecules of the other class, leave the column out, or use task='regression' if it holds numbers."
        )
