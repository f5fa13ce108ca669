"""Labels as scikit-learn passes them: one or several columns, classes of any kind, some of them missing."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from molweight.arrays import AnyArray
from molweight.errors import ConfigError, DataError

__all__ = [
    "check_shape",
    "decode_classes",
    "encode_classes",
    "known_mean",
    "most_probable",
    "numbers",
    "one_hot",
    "side_by_side",
    "weighing",
]


def encode_classes(y: Any) -> tuple[AnyArray, list[AnyArray]]:
    """Classes as 0 and 1, column by column; for a single column as 0, 1, 2, ...

    Args:
        y: ``n`` labels of two or more classes, or ``n x T`` of two classes per column; ``None`` and NaN are missing.

    Returns:
        Float32 of the same shape with NaN for missing labels, and the classes of each column, sorted.

    Raises:
        DataError: If there are no labels, or a column does not have two classes.

    Example:
        >>> codes, classes = encode_classes(["no", "yes", None])
        >>> codes.tolist(), classes[0].tolist()
        ([0.0, 1.0, nan], ['no', 'yes'])
    """
    labels = _array(y)
    table = labels[:, None] if labels.ndim == 1 else labels
    codes = np.full(table.shape, np.nan, dtype=np.float32)
    classes = []
    for column in range(table.shape[1]):
        known = ~pd.isna(table[:, column])
        found = _classes(table[known, column], column, several=table.shape[1] == 1)
        codes[known, column] = np.searchsorted(found, table[known, column].astype(found.dtype))
        classes.append(found)
    return codes.reshape(labels.shape), classes


def _classes(labels: AnyArray, column: int, *, several: bool) -> AnyArray:
    if labels.dtype == object:
        labels = np.array(labels.tolist())
    check_classification_targets(labels)
    found = np.unique(labels)
    if len(found) > 2 and not several:  # noqa: PLR2004 - two classes
        raise DataError(
            f"Only binary classification is supported. The type of the target is {type_of_target(labels)}. Column "
            f"{column} of y has {len(found)} classes: make one column of two classes for each of them."
        )
    if len(found) < 2:  # noqa: PLR2004 - two classes
        shown = "no classes" if len(found) == 0 else f"only one class ({found[0]!r})"
        raise DataError(f"column {column} of y has {shown}, but a classifier needs both classes.")
    return found


def one_hot(codes: AnyArray, classes: int) -> AnyArray:
    """Class codes as one column per class; NaN in all columns if the class is unknown.

    Example:
        >>> one_hot(np.array([1.0, np.nan]), 3).tolist()
        [[0.0, 1.0, 0.0], [nan, nan, nan]]
    """
    found: AnyArray = (codes[:, None] == np.arange(classes)).astype(np.float32)
    found[np.isnan(codes)] = np.nan
    return found


def most_probable(probability: AnyArray, classes: AnyArray) -> AnyArray:
    """The most probable class of each row; NaN (``None`` for text) if there is no probability.

    Args:
        probability: Probability of each class, ``n x K``.
        classes: The classes.
    """
    missing = np.asarray(np.isnan(probability).any(axis=1))
    decided: AnyArray = classes[np.where(np.isnan(probability), 0.0, probability).argmax(axis=1)]
    return _blanked(decided, missing)


def _blanked(decided: AnyArray, missing: AnyArray) -> AnyArray:
    """The classes of some rows, and NaN or ``None`` for the others."""
    if not missing.any():
        return decided
    decided = decided.astype(np.float64 if decided.dtype.kind in "iufb" else object)
    decided[missing] = np.nan if decided.dtype != object else None
    return decided


def decode_classes(probability: AnyArray, classes: AnyArray) -> AnyArray:
    """The more probable class of each row; NaN (``None`` for text) if there is no probability.

    Args:
        probability: Probability of the second class, ``n``.
        classes: The two classes.
    """
    missing = np.isnan(probability)
    decided: AnyArray = classes[(probability >= 0.5).astype(np.int64)]  # noqa: PLR2004 - the middle
    return _blanked(decided, missing)


def side_by_side(columns: Sequence[AnyArray]) -> AnyArray:
    """Columns of classes as a table; of objects if only some columns are text, which would turn the others into text.

    Example:
        >>> side_by_side([np.array(["a", "b"]), np.array([0, 1])]).tolist()
        [['a', 0], ['b', 1]]
    """
    text = {column.dtype.kind in "US" for column in columns}
    return np.column_stack([column.astype(object) for column in columns] if len(text) > 1 else columns)


def numbers(y: Any) -> AnyArray:
    """Labels as float64, ``n`` or ``n x T``, NaN for missing.

    Raises:
        DataError: If they are not numbers.
    """
    labels = _array(y)
    try:
        return labels.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"y holds something that is not a number: {error}. Use NaN for a missing label.") from error


def check_shape(y: AnyArray, rows: int, columns: int) -> None:
    """Refuse labels that do not match the predictions they are compared with; NumPy would repeat a single column.

    Args:
        y: Labels to score, two-dimensional.
        rows: Number of SMILES.
        columns: Number of columns that the estimator predicts.

    Raises:
        DataError: If the shapes differ.
    """
    if y.shape != (rows, columns):
        raise DataError(
            f"y has {y.shape[0]} rows and {y.shape[1]} columns; there are {rows} SMILES, and the estimator predicts "
            f"{columns} columns. Pass one label for each, in the order of fit."
        )


def _array(y: Any) -> AnyArray:
    if y is None:
        raise DataError("this estimator requires y to be passed, but the target y is None. Give one label per row.")
    labels: AnyArray = np.asarray(y)
    if labels.dtype.kind in "US" and not isinstance(y, np.ndarray):
        labels = np.asarray(y, dtype=object)  # as text, a missing label would be the word 'nan' or 'None'
    if labels.dtype.kind == "c":
        raise DataError("Complex data not supported: y must hold real numbers or classes.")
    if labels.dtype.kind == "f" and np.isinf(labels).any():
        raise DataError(f"y holds an infinite label in row {int(np.argwhere(np.isinf(labels))[0][0])}. Correct it.")
    if labels.ndim not in (1, 2):
        raise ConfigError(f"y has shape {labels.shape}; rows, or rows x labels, are needed.")
    return labels


def weighing(known: AnyArray, weights: Any = None) -> AnyArray:
    """The known entries that count in a score: those in rows with a positive weight."""
    found: AnyArray = known if weights is None else known & (np.asarray(weights, dtype=np.float64) > 0)[:, None]
    return found


def known_mean(values: AnyArray, known: AnyArray, weights: Any = None) -> AnyArray:
    """Weighted mean of each column of ``values`` over its known entries, of which every column has one that counts."""
    weight = known * (1.0 if weights is None else np.asarray(weights, dtype=np.float64)[:, None])
    mean: AnyArray = (np.where(known, values, 0.0) * weight).sum(axis=0) / weight.sum(axis=0)
    return mean
