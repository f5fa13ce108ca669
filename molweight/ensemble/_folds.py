"""Folds for cross-fitting; every labelled row is held out exactly once."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from molweight.arrays import AnyArray, Indices
from molweight.errors import ConfigError

__all__ = ["cross_folds"]


_LEAST: Final = 2
_BINS: Final = 10


def cross_folds(
    labels: AnyArray, count: int, rng: np.random.Generator, repeated: Sequence[Indices] = ()
) -> list[Indices]:
    """Split rows into folds of nearly equal size with similar labels; rows of one molecule are in one fold.

    Molecules are sorted by the decile of their mean label (for several binary targets, by the number of positive
    labels; for the classes of one multiclass target, by class), then at random, and cut into blocks of ``count``
    neighbours. Labels of several targets are averaged in standard deviations, so that units do not matter. Each block
    is distributed over the folds in random order, so that every fold has its share of rare positives and of extreme
    values.

    Args:
        labels: ``n x T``, NaN where missing.
        count: Number of folds; fewer if there are fewer molecules.
        rng: Random generator.
        repeated: Positions of each molecule that has several rows. It is sorted by its first row.

    Returns:
        Positions of each fold, sorted.

    Raises:
        ConfigError: If there are fewer than two molecules or folds.

    Example:
        >>> labels = np.array([[1.0], [0.0], [0.0], [1.0], [0.0], [0.0]])
        >>> [int(labels[fold].sum()) for fold in cross_folds(labels, 2, np.random.default_rng(0))]
        [1, 1]
    """
    numbers = np.arange(len(labels))
    for rows in repeated:
        numbers[rows] = rows[0]
    first, place = np.unique(numbers, return_inverse=True)
    if min(count, len(first)) < _LEAST:
        raise ConfigError(
            f"{len(first)} labelled molecules cannot be split into {count} folds; at least 2 molecules and 2 folds are "
            "needed. Add labelled molecules, or use members=1."
        )
    fold_of = _dealt(labels[first], min(count, len(first)), rng)[place]
    return [np.flatnonzero(fold_of == fold) for fold in range(min(count, len(first)))]


def _dealt(labels: AnyArray, count: int, rng: np.random.Generator) -> AnyArray:
    """The fold of each molecule, ``n``."""
    order = np.lexsort((rng.random(len(labels)), _keys(labels)))
    # With the same order in all blocks, no fold gets two of a class's ``count`` molecules, wherever the class begins.
    same = rng.permutation(count) if _one_hot(labels) else None
    folds = np.empty(len(labels), dtype=np.int64)
    for start in range(0, len(order), count):
        block = order[start : start + count]
        folds[block] = (rng.permutation(count) if same is None else same)[: len(block)]
    return folds


def _one_hot(labels: AnyArray) -> bool:
    """Whether the columns are the classes of one multiclass target."""
    return labels.shape[1] > 1 and bool((np.isin(labels, (0, 1)).all(axis=1) & (labels.sum(axis=1) == 1)).all())


def _keys(labels: AnyArray) -> AnyArray:
    """The sort key of rows: class, number of positives, or decile of the mean label for regression."""
    if _one_hot(labels):
        return np.asarray(labels.argmax(axis=1))
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
