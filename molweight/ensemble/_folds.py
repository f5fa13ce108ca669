"""Folds for cross-fitting; every labelled row is held out exactly once."""

from typing import Final

import numpy as np

from molweight.arrays import AnyArray, Indices
from molweight.errors import ConfigError

__all__ = ["cross_folds"]


_LEAST: Final = 2
_BINS: Final = 10


def cross_folds(labels: AnyArray, count: int, rng: np.random.Generator) -> list[Indices]:
    """Split rows into folds of nearly equal size with similar labels.

    Rows are sorted by the decile of their mean label (for classes, by the number of positive labels), then at random,
    and cut into blocks of ``count`` neighbours. Labels of several targets are averaged in standard deviations, so that
    units do not matter. Each block is distributed over the folds in random order, so that every fold has its share of
    rare positives and of extreme values.

    Args:
        labels: ``n x T``, NaN where missing.
        count: Number of folds; fewer if there are fewer rows.
        rng: Random generator.

    Returns:
        Positions of each fold, sorted.

    Raises:
        ConfigError: If there are fewer than two rows or folds.

    Example:
        >>> labels = np.array([[1.0], [0.0], [0.0], [1.0], [0.0], [0.0]])
        >>> [int(labels[fold].sum()) for fold in cross_folds(labels, 2, np.random.default_rng(0))]
        [1, 1]
    """
    if min(count, len(labels)) < _LEAST:
        raise ConfigError(
            f"{len(labels)} labelled rows cannot be split into {count} folds; at least 2 rows and 2 folds are needed. "
            "Add labelled rows, or use members=1."
        )
    count = min(count, len(labels))
    order = np.lexsort((rng.random(len(labels)), _keys(labels)))
    folds: list[list[int]] = [[] for _ in range(count)]
    for start in range(0, len(order), count):
        run = order[start : start + count]
        for fold, row in zip(rng.permutation(count), run, strict=False):
            folds[fold].append(int(row))
    return [np.sort(np.array(fold, dtype=np.int64)) for fold in folds]


def _keys(labels: AnyArray) -> AnyArray:
    """The sort key of rows: number of positives for classes, decile of the mean label for regression."""
    known = ~np.isnan(labels)
    classes = bool(np.isin(labels[known], (0, 1)).all())
    values = labels if classes or labels.shape[1] == 1 else _standardised(labels, known)
    total = np.where(known, values, 0.0).sum(axis=1)
    if classes:
        return np.asarray(total)
    mean = total / np.maximum(known.sum(axis=1), 1)
    edges = np.quantile(mean, np.linspace(0, 1, _BINS + 1)[1:-1])
    bins: AnyArray = np.searchsorted(edges, mean)
    return bins


def _standardised(labels: AnyArray, known: AnyArray) -> AnyArray:
    """Labels in standard deviations from the mean of their target; a constant target is 0."""
    counts = np.maximum(known.sum(axis=0), 1)
    centred = labels - np.where(known, labels, 0.0).sum(axis=0) / counts
    scale = np.sqrt((np.where(known, centred, 0.0) ** 2).sum(axis=0) / counts)
    return np.asarray(centred / np.where(scale > 0, scale, 1.0))
