"""Scores of several targets in their own units, side by side."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from molweight.datasets._metrics import format_score, higher_is_better, metrics_of, score

__all__ = ["format_endpoints"]

_NUMBERS = ("scaled_rmse", "rmse", "mae", "r2")
_CLASSES = ("roc_auc", "prc_auc")


def format_endpoints(truth: Any, predicted: Any, names: Sequence[str], metric: str = "scaled_rmse") -> str:
    """A table with a line for each target: labels, RMSE over the standard deviation, RMSE and MAE in its units, R2.

    Targets that are classes have ROC-AUC and PRC-AUC instead.

    Args:
        truth: Labels, ``n x T``, NaN for missing.
        predicted: Predictions, ``n x T``.
        names: Names of the targets.
        metric: The metric, or one for each target; it determines which targets are classes.

    Returns:
        Lines of text.

    Example:
        >>> truth = np.array([[0.0, 0], [1, 100], [2, 200], [3, 300], [4, 400]])
        >>> print(format_endpoints(truth, truth + [[1.0, 10.0]], ["logS", "CLint"]))
        target  labels  scaled_rmse    rmse     mae      r2
        logS         5       0.7071  1.0000  1.0000  0.5000
        CLint        5       0.0707 10.0000 10.0000  0.9950
    """
    truth, predicted = np.asarray(truth, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    own = [higher_is_better(name) and name != "r2" for name in metrics_of(metric, len(names))]
    columns = [*(_CLASSES if any(own) else ()), *(() if all(own) else _NUMBERS)]
    lines = [["target", "labels", *columns]]
    for place, (name, classes) in enumerate(zip(names, own, strict=True)):
        pair = truth[:, [place]], predicted[:, [place]]
        scored = {item: score(item, *pair).value for item in columns if (item in _CLASSES) == classes}
        values = [format_score(scored[item]) if math.isfinite(scored.get(item, math.nan)) else "-" for item in columns]
        lines.append([name, str(int((~np.isnan(truth[:, place])).sum())), *values])
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    return "\n".join(_aligned(line, widths) for line in lines)


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.rjust(width) if place else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([first, *others]).rstrip()
