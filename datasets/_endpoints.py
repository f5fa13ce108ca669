"""Scores of several targets in units of their own, side by side."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from molweight.datasets._metrics import METRICS, format_score, score

__all__ = ["format_endpoints"]

_COLUMNS = ("scaled_rmse", "rmse", "mae", "r2")


def format_endpoints(truth: Any, predicted: Any, names: Sequence[str]) -> str:
    """A table with a line for each target: labels, RMSE over the standard deviation, RMSE and MAE in its units, R2.

    Args:
        truth: Labels, ``n x T``, NaN for missing.
        predicted: Predictions, ``n x T``.
        names: Names of the targets.

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
    found = {metric: score(metric, truth, predicted, names).per_task for metric in _COLUMNS if metric in METRICS}
    lines = [["target", "labels", *_COLUMNS]]
    for place, name in enumerate(names):
        known = int((~np.isnan(truth[:, place])).sum())
        values = [format_score(found[metric][name]) if name in found[metric] else "-" for metric in _COLUMNS]
        lines.append([name, str(known), *values])
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    return "\n".join(_aligned(line, widths) for line in lines)


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.rjust(width) if place else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([first, *others]).rstrip()
