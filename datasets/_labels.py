"""Task of the labels, checks that they can be learned, and bounds."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

import numpy as np

from molweight.arguments import check_choice, check_kind
from molweight.arrays import Float32Array, Float32Matrix, Indices, Int8Array
from molweight.datasets._table_spec import Metric, OneTask, Task
from molweight.errors import ConfigError, DataError, mention
from molweight.graphs import MoleculeDataset
from molweight.graphs.internal import join_tasks, tasks_of

__all__ = [
    "bounds_of",
    "check_labels",
    "exact_labels",
    "format_bound_counts",
    "format_bounds",
    "infer_task",
    "remarks",
    "settle",
    "violated_bounds",
]

_LOG: Final = logging.getLogger(__name__)


def bounds_of(data: MoleculeDataset) -> Int8Array:
    """Which labels are bounds, ``n x T``: -1 where the true value is below the label, 1 where it is above, else 0.

    Example:
        >>> from molweight.datasets import from_smiles
        >>> bounds_of(from_smiles(["C", "CC"], [5.0, 6.0], bounds=[0, 1], cache=False)).tolist()
        [[0], [1]]
    """
    found = data.columns.get("label_bounds")
    if found is None:
        return np.zeros((len(data), len(data.target_names)), dtype=np.int8)
    return found.astype(np.int8).reshape(len(data), len(data.target_names))


def exact_labels(data: MoleculeDataset, positions: Indices) -> Float32Matrix:
    """Labels of some molecules, NaN where a label is missing or only a bound.

    Args:
        data: The table.
        positions: The molecules.

    Returns:
        ``len(positions) x T``.

    Example:
        >>> from molweight.datasets import from_smiles
        >>> data = from_smiles(["C", "CC"], [5.0, 6.0], bounds=[0, 1], cache=False)
        >>> exact_labels(data, np.array([1, 0])).ravel().tolist()
        [nan, 5.0]
    """
    labels: Float32Matrix = data.targets[positions]
    if "label_bounds" not in data.columns:
        return labels
    return np.where(bounds_of(data)[positions] == 0, labels, np.float32(np.nan)).astype(np.float32)


def violated_bounds(data: MoleculeDataset, positions: Indices, predicted: Any) -> dict[str, tuple[int, int]]:
    """Number of bounds violated by predictions.

    Args:
        data: The table.
        positions: The molecules.
        predicted: Their predictions, ``len(positions) x T`` or, for one target, ``len(positions)``.

    Returns:
        For each target with bounds: number of violated bounds, and number of all bounds.

    Raises:
        DataError: If the predictions have another shape.

    Example:
        >>> from molweight.datasets import from_smiles
        >>> data = from_smiles(["C", "CC", "CCC"], [5.0, 6.0, 7.0], bounds=[0, 1, -1], cache=False)
        >>> violated_bounds(data, np.arange(3), [[5.0], [5.5], [6.5]])
        {'y0': (1, 2)}
    """
    labels, bounds = data.targets[positions], bounds_of(data)[positions]
    values = np.asarray(predicted, dtype=np.float64).reshape(len(labels), -1)
    if values.shape != labels.shape:
        raise DataError(f"{data.name}: predictions of shape {values.shape} for labels of shape {labels.shape}.")
    wrong = ((bounds > 0) & (values < labels)) | ((bounds < 0) & (values > labels))
    known = (bounds != 0) & ~np.isnan(labels)
    return {
        name: (int((wrong & known)[:, place].sum()), int(known[:, place].sum()))
        for place, name in enumerate(data.target_names)
        if known[:, place].any()
    }


def format_bounds(found: dict[str, tuple[int, int]]) -> list[str]:
    """One line for each target with bounds.

    Args:
        found: See :func:`violated_bounds`.

    Example:
        >>> format_bounds({"pIC50": (1, 4)})
        ['pIC50: 1 of 4 bounds violated (25 %)']
    """
    return [
        f"{name}: {wrong} of {count} bounds violated ({100 * wrong / count:.0f} %)"
        for name, (wrong, count) in found.items()
    ]


def format_bound_counts(card: Mapping[str, Any]) -> str:
    """The number of labels that are bounds, in words; empty if there are none.

    Args:
        card: Description of a table, with ``bounds`` in its ``labels``.

    Example:
        >>> format_bound_counts({"bounds": 3, "labels": 40})
        '; 3 of 40 labels are bounds (one-sided loss)'
    """
    return f"; {card['bounds']} of {card['labels']} labels are bounds (one-sided loss)" if card.get("bounds") else ""


def infer_task(labels: Float32Matrix) -> Task:
    """Classification if every known label is 0 or 1, regression otherwise; one task per target if they differ.

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
    labels: Float32Matrix | None, columns: Sequence[str], task: Task | None, metric: str | None, where: str
) -> tuple[Task | None, str | None]:
    """Task and metric for some labels, inferred if not given; the labels are checked against them.

    Args:
        labels: ``n x T`` labels, NaN for missing; ``None`` for none.
        columns: Their ``T`` names.
        task: The task; ``None`` to infer it, which is logged.
        metric: The metric; ``None`` for the one that MoleculeNet uses for most tables of the task; for several targets
            in different units, the RMSE divided by the standard deviation.
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
        reason = {"classification": "all labels are 0 or 1", "regression": "labels are not all 0 or 1"}
        _LOG.info("%s: task: %s (inferred: %s)", where, task, reason.get(task, "some columns hold only 0 and 1"))
    check_kind("", "task", task, str)
    tasks = tasks_of(task, labels.shape[1])
    for item in tasks:
        check_choice("", "task", item, (*get_args(OneTask), *(() if "," in task else ("multiclass",))))
    if len(tasks) != labels.shape[1]:
        raise ConfigError(f"{where}: {mention('task', task)} names {len(tasks)} tasks for {labels.shape[1]} targets.")
    metric = metric or _metric_of(tasks)
    for item in metric.split(","):
        check_choice("", "metric", item, get_args(Metric))
    for item in dict.fromkeys(tasks):
        chosen = [place for place, name in enumerate(tasks) if name == item]
        check_labels(labels[:, chosen], [columns[place] for place in chosen], item, where)
    return task, metric


def _metric_of(tasks: Sequence[str]) -> str:
    """The metric for some tasks; one for each target if they differ."""
    if len(set(tasks)) > 1:
        return ",".join("roc_auc" if task == "classification" else "rmse" for task in tasks)
    if tasks[0] == "classification":
        return "roc_auc"
    return "scaled_rmse" if len(tasks) > 1 else "rmse"


def check_labels(labels: Float32Matrix, columns: Sequence[str], task: Task, where: str) -> None:
    """Refuse labels from which nothing can be learned.

    Args:
        labels: ``n x T`` labels, NaN for missing.
        columns: Their ``T`` names.
        task: Their task.
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


def _check_classes(present: Float32Array, where: str) -> None:
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


def remarks(labels: Float32Matrix, columns: Sequence[str], task: Task | None) -> list[str]:
    """Notes about labels before training: constant columns.

    Args:
        labels: ``n x T`` labels, NaN for missing.
        columns: Their ``T`` names.
        task: Their task.

    Returns:
        Sentences; empty if there is nothing to report.

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
