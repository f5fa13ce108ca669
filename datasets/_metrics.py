"""Metrics as defined by MoleculeNet and OGB: per task without missing labels, then averaged over tasks."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from molweight.arrays import FloatArray
from molweight.datasets._ogb import ogb_entries
from molweight.datasets._ogb_evaluator import ogb_metric, ogb_value
from molweight.errors import DataError, UnknownNameError, mention

__all__ = [
    "METRICS",
    "OF_CLASSES",
    "Score",
    "class_accuracy",
    "format_score",
    "higher_is_better",
    "metrics_of",
    "score",
    "skill",
]

Metric = Callable[[FloatArray, FloatArray], float]
_FEWEST: Final = 5
"""Minimum number of labels of a task for scaling errors by their standard deviation."""
OF_CLASSES: Final = ("ap", "prc_auc", "roc_auc")
_SCALED: Final = ("r2", "scaled_rmse")


@dataclass(frozen=True)
class Score:
    """The outcome of scoring predictions.

    Args:
        value: Mean over the tasks that can be scored; NaN if none can, in which case all are in ``excluded``.
        per_task: Value of each task by name, without the excluded ones.
        excluded: Reasons for omitted tasks, by name.
    """

    value: float
    per_task: dict[str, float]
    excluded: dict[str, str]


def score(metric: str, y_true: FloatArray, y_pred: FloatArray, names: Sequence[str] | None = None) -> Score:
    """Score predictions.

    Args:
        metric: ``"roc_auc"``; ``"prc_auc"`` (area under the precision-recall curve by the trapezoidal rule, as in
            MoleculeNet); ``"ap"`` (average precision, as in OGB); ``"rmse"``; ``"mae"``; ``"r2"``; ``"scaled_rmse"``
            (RMSE divided by the standard deviation of the scored labels: 1 for predicting their mean, so that tasks in
            different units count equally); or the metric of an OGB data set, such as ``"ogbg-molhiv:rocauc"``, computed
            by OGB's own ``Evaluator``; or one metric for each task, separated by commas.
        y_true: Labels, ``n`` or ``n x T``, NaN for missing; 0 and 1 for the metrics of classes.
        y_pred: Predictions of the same shape; for classes any score that increases with the probability of 1.
        names: Names of the ``T`` tasks; ``None`` for ``y0``, ``y1``, ...

    Returns:
        The mean over tasks (of their skill if the metrics differ, see :func:`skill`), each task's value, and the
        omitted tasks: those without labels and, for classes, those with a single class, as in OGB's ``Evaluator``.

    Raises:
        UnknownNameError: If there is no such metric, with the nearest names.
        DataError: If the shapes differ, a prediction is not finite, a label is infinite, or the metric of an OGB data
            set is for another number of tasks.

    Example:
        >>> labels = np.array([[0, 1], [1, 1], [1, np.nan]])
        >>> score("roc_auc", labels, np.array([[0.2, 0.1], [0.4, 0.9], [0.1, 0.5]]), ["a", "b"])
        Score(value=0.5, per_task={'a': 0.5}, excluded={'b': 'only one class'})
    """
    name_of_ogb, metric = metric, ogb_metric(metric) or metric
    truth, predicted = _as_table(y_true), _as_table(y_pred)
    names = [f"y{place}" for place in range(truth.shape[1])] if names is None else names
    _check(truth, predicted, names)
    if name_of_ogb != metric:
        _check_ogb(name_of_ogb, len(names))
    per_task: dict[str, float] = {}
    excluded: dict[str, str] = {}
    skills: list[float] = []
    for place, (name, own) in enumerate(zip(names, metrics_of(metric, len(names)), strict=True)):
        labelled = ~np.isnan(truth[:, place])
        labels, values = truth[labelled, place], predicted[labelled, place]
        reason = _unscorable(own, labels) or (_unscorable("scaled_rmse", labels) if "," in metric else "")
        if reason:
            excluded[name] = reason
        else:
            per_task[name] = METRICS[own](labels, values)
            skills.append(skill(own, labels, values) if "," in metric else per_task[name])
    value = float(np.mean(skills)) if skills else math.nan
    if per_task and name_of_ogb != metric:
        value = ogb_value(name_of_ogb, truth, predicted)
    return Score(value, per_task, excluded)


def metrics_of(metric: str, tasks: int) -> list[str]:
    """The metric of each task.

    Raises:
        UnknownNameError: If there is no such metric, with the nearest names.
        DataError: If there is not one metric for each task.

    Example:
        >>> metrics_of("rmse", 2), metrics_of("roc_auc,rmse", 2)
        (['rmse', 'rmse'], ['roc_auc', 'rmse'])
    """
    found = metric.split(",") if "," in metric else [metric] * tasks
    for name in found or [metric]:
        if name not in METRICS:
            raise UnknownNameError("metric", name, METRICS)
    if len(found) != tasks:
        raise DataError(
            f"{mention('metric', metric)} names {len(found)} metrics for {tasks} tasks. Give one, or one for each."
        )
    return found


def skill(metric: str, truth: FloatArray, predicted: FloatArray) -> float:
    """Skill of one task's predictions: 0 for those that ignore the molecule, 1 for perfect ones.

    It is used to average tasks with different metrics: for classes ``2 ROC-AUC - 1``, for numbers ``1 - RMSE /
    deviation`` of the labels.

    Args:
        metric: The task's own metric, which determines whether it has classes.
        truth: ``n`` labels, none missing.
        predicted: ``n`` predictions.

    Example:
        >>> labels = np.array([0.0, 1.0, 0.0, 1.0, 0.0])
        >>> skill("roc_auc", labels, labels), skill("rmse", labels, np.full(5, 0.4))
        (1.0, 0.0)
    """
    if metric in OF_CLASSES:
        return 2 * _roc_auc(truth, predicted) - 1
    return 1 - _scaled_rmse(truth, predicted)


def format_score(value: float) -> str:
    """A score as text: four decimals, or four significant digits if these need more decimals.

    Example:
        >>> [format_score(value) for value in (0.71234, 1.2345e-9, 402.123, float("nan"))]
        ['0.7123', '1.235e-09', '402.1', 'nan']
    """
    plain = value == 0 or not math.isfinite(value) or _SMALLEST <= abs(value) < _LARGEST
    return f"{value:.4f}" if plain else f"{value:.4g}"


def higher_is_better(metric: str) -> bool:
    """Whether larger values of a metric are better: true for ROC-AUC, PRC-AUC, AP, R2 and skill, false for errors.

    Raises:
        UnknownNameError: If there is no such metric.
    """
    metric = ogb_metric(metric) or metric
    found = metrics_of(metric, metric.count(",") + 1)
    return len(found) > 1 or found[0] in (*OF_CLASSES, "r2")


def _as_table(values: FloatArray) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    return array[:, None] if array.ndim == 1 else array


def _check(truth: FloatArray, predicted: FloatArray, names: Sequence[str]) -> None:
    if truth.shape != predicted.shape or truth.ndim != 2 or truth.shape[1] != len(names):  # noqa: PLR2004 - n x T
        raise DataError(
            f"labels of shape {truth.shape} and predictions of shape {predicted.shape} for {len(names)} tasks do not "
            "match: both must be molecules x tasks."
        )
    if len(set(names)) != len(names):
        raise DataError(f"two tasks have the same name: {', '.join(sorted(names))}. Give each its own.")
    if np.isinf(truth).any():
        row, task = np.argwhere(np.isinf(truth))[0]
        raise DataError(f"molecule {row}, task {names[task]!r}: the label is {truth[row, task]}. Use NaN if missing.")
    wrong = np.argwhere(~np.isfinite(predicted))
    if len(wrong) > 0:
        row, task = wrong[0]
        raise DataError(
            f"{len(wrong)} predictions are not finite, first molecule {row}, task {names[task]!r}: "
            f"{predicted[row, task]}. Did training diverge? Try a smaller learning rate."
        )


def _check_ogb(metric: str, tasks: int) -> None:
    """Refuse what OGB's evaluator would refuse with an error of its own."""
    known = {entry.metric: entry.num_tasks for entry in ogb_entries().values()}
    if metric not in known:
        raise UnknownNameError("metric", metric, known)
    if known[metric] != tasks:
        raise DataError(f"{mention('metric', metric)} is for all tasks together, {known[metric]}, but got {tasks}.")


def _unscorable(metric: str, labels: FloatArray) -> str:
    """Reason why a task cannot be scored; empty if it can."""
    if len(labels) == 0:
        return "no label"
    if metric in _SCALED and (len(labels) < _FEWEST or (labels == labels[0]).all()):
        return f"fewer than {_FEWEST} labels" if len(labels) < _FEWEST else "all labels are the same"
    if metric not in OF_CLASSES:
        return ""
    classes = np.unique(labels)
    if not np.isin(classes, (0, 1)).all():
        raise DataError(
            f"{metric} needs labels 0 and 1, got {classes[~np.isin(classes, (0, 1))][0]:g}. Use rmse or mae."
        )
    return "only one class" if len(classes) == 1 else ""


def _roc_auc(truth: FloatArray, predicted: FloatArray) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, predicted))


def _prc_auc(truth: FloatArray, predicted: FloatArray) -> float:
    from sklearn.metrics import auc, precision_recall_curve

    precision, recall, _ = precision_recall_curve(truth, predicted)
    return float(auc(recall, precision))


def _average_precision(truth: FloatArray, predicted: FloatArray) -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(truth, predicted))


def _rmse(truth: FloatArray, predicted: FloatArray) -> float:
    from sklearn.metrics import root_mean_squared_error

    return float(root_mean_squared_error(truth, predicted))


def _mae(truth: FloatArray, predicted: FloatArray) -> float:
    from sklearn.metrics import mean_absolute_error

    return float(mean_absolute_error(truth, predicted))


_SMALLEST, _LARGEST = 0.01, 100.0
"""Between these, four decimals show three to six significant digits."""


def _scaled_rmse(truth: FloatArray, predicted: FloatArray) -> float:
    return _rmse(truth, predicted) / float(truth.std())


def _r2(truth: FloatArray, predicted: FloatArray) -> float:
    from sklearn.metrics import r2_score

    return float(r2_score(truth, predicted))


METRICS: Final[dict[str, Metric]] = {
    "ap": _average_precision,
    "mae": _mae,
    "prc_auc": _prc_auc,
    "r2": _r2,
    "rmse": _rmse,
    "roc_auc": _roc_auc,
    "scaled_rmse": _scaled_rmse,
}
"""Every metric, for one task without missing labels, by name."""


def class_accuracy(truth: FloatArray, predicted: FloatArray) -> dict[str, float]:
    """Accuracy of the most probable class, over all rows and averaged over classes (balanced accuracy).

    Args:
        truth: One column for each class, 1 in that of the row, ``n x C``; NaN where missing.
        predicted: Probabilities, ``n x C``.

    Example:
        >>> truth = np.array([[1.0, 0], [1, 0], [1, 0], [0, 1]])
        >>> class_accuracy(truth, np.array([[0.9, 0.1]] * 4))
        {'accuracy': 0.75, 'balanced_accuracy': 0.5}
    """
    known = ~np.isnan(truth).any(axis=1)
    actual, found = truth[known].argmax(axis=1), predicted[known].argmax(axis=1)
    if not len(actual):
        return {"accuracy": math.nan, "balanced_accuracy": math.nan}
    recalls = [float((found[actual == label] == label).mean()) for label in np.unique(actual)]
    return {"accuracy": float((found == actual).mean()), "balanced_accuracy": float(np.mean(recalls))}
