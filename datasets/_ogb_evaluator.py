"""OGB's own evaluator, imported without starting a thread and without checking for a newer release."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

import numpy as np

__all__ = ["OGB_METRICS", "ogb_metric", "ogb_value"]

OGB_METRICS: Final = {"rocauc": "roc_auc", "ap": "ap", "rmse": "rmse"}
"""OGB's names of metrics, and our names of the same metrics per task."""


def ogb_metric(metric: str) -> str | None:
    """The name in this package of a metric such as ``"ogbg-molhiv:rocauc"``; ``None`` for metrics of other data sets.

    Example:
        >>> ogb_metric("ogbg-molhiv:rocauc"), ogb_metric("rmse")
        ('roc_auc', None)
    """
    dataset, _, name = metric.partition(":")
    return OGB_METRICS.get(name) if dataset.startswith("ogbg-") else None


def ogb_value(metric: str, truth: np.ndarray[Any, Any], predicted: np.ndarray[Any, Any]) -> float:
    """The score that OGB's ``Evaluator`` computes.

    Args:
        metric: A metric such as ``"ogbg-molhiv:rocauc"``.
        truth: Labels, ``n x T``, NaN for missing.
        predicted: Predictions, ``n x T``.
    """
    dataset, _, name = metric.partition(":")
    return float(_evaluator(dataset).eval({"y_true": truth, "y_pred": predicted})[name])


@cache
def _evaluator(dataset: str) -> Any:
    with _no_version_check():
        from ogb.graphproppred import Evaluator
    return Evaluator(dataset)


@contextmanager
def _no_version_check() -> Iterator[None]:
    """Hide the package ``outdated`` while ogb is imported.

    On import, ogb 1.3.6 starts a thread that asks the package index for its newest version, unless importing
    ``outdated`` fails, as it does if its entry in ``sys.modules`` is ``None``.
    """
    hidden = "outdated" not in sys.modules
    if hidden:
        sys.modules["outdated"] = None  # type: ignore[assignment]  # documented: importing it then fails
    try:
        yield
    finally:
        if hidden:
            del sys.modules["outdated"]
