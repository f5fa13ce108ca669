"""Convex weights of models, from out-of-fold predictions."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Final

import numpy as np

from molweight.arrays import AnyArray
from molweight.ensemble._label_weights import relative_weights
from molweight.errors import ConfigError

__all__ = ["combine", "convex_weights"]

_LEAST: Final = 10
"""Minimum number of labels of a target; with fewer, their standard deviation may be close to 0 by chance."""


def convex_weights(
    predictions: Sequence[AnyArray], labels: AnyArray, *, shrinkage: float = 0.0, importance: AnyArray | None = None
) -> list[float]:
    """The weights ``w >= 0`` with ``sum(w) = 1`` that minimise the squared error (for probabilities, the Brier score).

    Errors of each target are divided by the standard deviation of its labels, so that targets in different units count
    equally. Targets with fewer than ten labels, or with labels that are all equal, do not count, unless there are no
    others. The minimum is exact: the equality-constrained problem is solved in closed form for every subset of the
    models, and the best solution without negative weights is returned.

    Source: Breiman, *Stacked Regressions*, Machine Learning 1996.

    Args:
        predictions: Out-of-fold predictions of each model, ``n x T``; at most about ten models.
        labels: ``n x T``, NaN where missing.
        shrinkage: Shrinkage towards equal weights: a penalty on the sum of the squared weights, in units of the models'
            mean squared error. It corresponds to an error component of each model that is independent of the others.
        importance: Weight of each label's squared error, ``n x T``, in any unit; ``None`` for equal ones.

    Returns:
        One weight per model.

    Raises:
        ConfigError: If there are no models or no labels.

    Example:
        >>> labels = np.array([[0.0], [1.0], [2.0]])
        >>> convex_weights([labels + 1, labels - 1], labels)
        [0.5, 0.5]
    """
    errors = _errors(predictions, labels, importance)
    gram = errors @ errors.T
    gram += shrinkage * np.trace(gram) / len(gram) * np.eye(len(gram))
    best, weights = np.inf, np.zeros(len(predictions))
    for subset in _subsets(len(predictions)):
        part = _on_subset(gram[np.ix_(subset, subset)])
        value = float(part @ gram[np.ix_(subset, subset)] @ part)
        if (part >= 0).all() and value < best:
            best, weights = value, np.zeros(len(predictions))
            weights[subset] = part
    return [float(weight) for weight in weights]


def combine(predictions: Sequence[AnyArray], weights: Sequence[float]) -> AnyArray:
    """The weighted sum of predictions, ``n x T``.

    Args:
        predictions: Predictions of each model, ``n x T``.
        weights: One weight per model.
    """
    total: AnyArray = sum(
        (weight * prediction for weight, prediction in zip(weights, predictions, strict=True)),
        start=np.zeros_like(predictions[0], dtype=np.float64),
    )
    return total


def _errors(predictions: Sequence[AnyArray], labels: AnyArray, importance: AnyArray | None) -> AnyArray:
    """One row of errors in standard units per model, times the roots of their weights.

    Raises:
        ConfigError: If there are no models or no labels.
    """
    known = ~np.isnan(labels)
    if not len(predictions) or not known.any():
        raise ConfigError("stacking needs at least one model and one labelled row.")
    spread = np.nanstd(np.where(known.any(axis=0), labels, 0.0), axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    weights = np.ones(labels.shape) if importance is None else np.broadcast_to(importance, labels.shape)
    known &= _compared(labels, known & (weights > 0))
    root = np.sqrt(relative_weights(weights, np.where(known, labels, np.nan), per_target=False))[known]
    return np.stack([((prediction - labels) / scale)[known] * root for prediction in predictions]).astype(np.float64)


def _compared(labels: AnyArray, known: AnyArray) -> AnyArray:
    """Which targets have a standard deviation to divide by, ``T``; all of them if none has."""
    varied = np.where(known, labels, -np.inf).max(axis=0) > np.where(known, labels, np.inf).min(axis=0)
    found: AnyArray = varied & (known.sum(axis=0) >= _LEAST)
    return found if found.any() else np.ones_like(found)


def _subsets(count: int) -> Iterator[list[int]]:
    """All non-empty subsets, the smallest first."""
    for size in range(1, count + 1):
        yield from (list(chosen) for chosen in combinations(range(count), size))


def _on_subset(gram: AnyArray) -> AnyArray:
    """Minimiser of ``w G w`` with ``sum(w) = 1``: the solution of ``G w = 1``, normalised."""
    one = np.ones(len(gram))
    ridge = 1e-10 * max(float(np.trace(gram)), 1e-30) * np.eye(len(gram))
    solution: AnyArray = np.linalg.solve(gram + ridge, one)
    total = solution.sum()
    return solution / total if total > 0 else -one
