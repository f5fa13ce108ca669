"""From numbers to the task: what labels are used for, and whether anything can be learned from them."""

import logging
from collections.abc import Sequence
from typing import Final, get_args

import numpy as np

from molweight.datasets._table_spec import Metric, OneTask, Task
from molweight.errors import ConfigError, DataError, OptionError, mention, suggest
from molweight.graphs.internal import join_tasks, tasks_of

__all__ = ["Labels", "check_choice", "check_labels", "infer_task", "remarks", "settle"]

Labels = np.ndarray[tuple[int, int], np.dtype[np.float32]]

_LOG: Final = logging.getLogger(__name__)


def infer_task(labels: Labels) -> Task:
    """Classification if every label that is present is 0 or 1, regression otherwise; both if that differs by target.

    Example:
        >>> infer_task(np.array([[0.0], [1.0], [np.nan]], dtype=np.float32))
        'classification'
        >>> infer_task(np.array([[0.0, 2.5], [1.0, 3.5]], dtype=np.float32))
        'classification,regression'
    """
    present = labels[~np.isnan(labels)]
    if np.isin(present, (0, 1)).all():
        return "classification"
    columns = [column[~np.isnan(column)] for column in labels.T]
    return join_tasks(["classification" if set(column.tolist()) == {0.0, 1.0} else "regression" for column in columns])


def settle(
    labels: Labels | None, columns: Sequence[str], task: Task | None, metric: str | None, where: str
) -> tuple[Task | None, str | None]:
    """Task and metric for some labels, inferred where they are not given, and the labels checked against them.

    Args:
        labels: ``n x T`` labels, NaN for missing; ``None`` for none.
        columns: Their ``T`` names.
        task: The task; ``None`` to infer it, which is logged.
        metric: The metric; ``None`` for what MoleculeNet uses for most tables of the task; for several targets in units
            of their own, the RMSE over the standard deviation.
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
        reason = {"classification": "all labels are 0 or 1", "regression": "not all labels are 0 or 1"}
        _LOG.info("%s: taken for %s, because %s", where, task, reason.get(task, "some columns hold only 0 and 1"))
    tasks = tasks_of(task, labels.shape[1])
    for item in tasks:
        check_choice("task", item, get_args(OneTask))
    if len(tasks) != labels.shape[1]:
        raise ConfigError(f"{where}: {mention('task', task)} names {len(tasks)} tasks for {labels.shape[1]} targets.")
    metric = metric or _metric_of(tasks)
    for item in metric.split(","):
        check_choice("metric", item, get_args(Metric))
    for item in dict.fromkeys(tasks):
        chosen = [place for place, name in enumerate(tasks) if name == item]
        check_labels(labels[:, chosen], [columns[place] for place in chosen], item, where)
    return task, metric


def _metric_of(tasks: Sequence[str]) -> str:
    """The metric for some tasks; one for each target where they differ."""
    if len(set(tasks)) > 1:
        return ",".join("roc_auc" if task == "classification" else "rmse" for task in tasks)
    if tasks[0] == "classification":
        return "roc_auc"
    return "scaled_rmse" if len(tasks) > 1 else "rmse"


def check_choice(option: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a value that is not among the choices of an option.

    Raises:
        OptionError: With the nearest choices.
    """
    if value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise OptionError(option, value, f"is not a choice{suggest(str(value), choices)}", f"Use one of {listed}.")


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
            f"{where}: the label {others[0]:g} is not a class. Write the classes as 0 and 1, or use "
            f"{mention('task', 'regression')}."
        )
    if len(classes) == 1:
        raise DataError(
            f"{where}: all {len(present)} labels are {classes[0]:g}, but a classifier needs both classes. "
            f"Add molecules of the other class, leave the column out, or use {mention('task', 'regression')} if it "
            f"holds numbers."
        )


def remarks(labels: Labels, columns: Sequence[str], task: Task | None) -> list[str]:
    """What to know of labels before anything is trained on them: constant ones.

    Args:
        labels: ``n x T`` labels, NaN for missing.
        columns: Their ``T`` names.
        task: What they are used for.

    Returns:
        Sentences; none where there is nothing to say.

    Example:
        >>> remarks(np.full((9, 1), 3.3, dtype=np.float32), ["y"], "regression")
        ["column 'y': all 9 labels are 3.3, so there is nothing to learn from it"]
    """
    said: list[str] = []
    for place, (column, one) in enumerate(zip(columns, tasks_of(task, len(columns)), strict=True)):
        present = labels[:, place][~np.isnan(labels[:, place])]
        if one == "regression" and len(present) > 1 and (present == present[0]).all():
            said.append(
                f"column {column!r}: all {len(present)} labels are {present[0]:g}, so there is nothing to learn from it"
            )
    return said
