"""Labels that predictions can be scored on: those that are not merely bounds."""

from typing import Any

import numpy as np

from molweight.errors import DataError
from molweight.graphs import MoleculeDataset

__all__ = ["bounds_of", "exact_labels", "format_bounds", "violated_bounds"]

Positions = np.ndarray[Any, np.dtype[np.int64]]
Labels = np.ndarray[tuple[int, int], np.dtype[np.float32]]


def bounds_of(data: MoleculeDataset) -> np.ndarray[tuple[int, int], np.dtype[np.int8]]:
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


def exact_labels(data: MoleculeDataset, positions: Positions) -> Labels:
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
    labels: Labels = data.targets[positions]
    if "label_bounds" not in data.columns:
        return labels
    return np.where(bounds_of(data)[positions] == 0, labels, np.float32(np.nan)).astype(np.float32)


def violated_bounds(data: MoleculeDataset, positions: Positions, predicted: Any) -> dict[str, tuple[int, int]]:
    """How many of the labels that are bounds predictions violate.

    Args:
        data: The table.
        positions: The molecules.
        predicted: Their predictions, ``len(positions) x T`` or, for one target, ``len(positions)``.

    Returns:
        By target, for those with bounds: bounds that are violated, and all bounds.

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
    """A line for each target with bounds.

    Args:
        found: As of :func:`violated_bounds`.

    Example:
        >>> format_bounds({"pIC50": (1, 4)})
        ['pIC50: 1 of 4 bounds violated (25 %)']
    """
    return [
        f"{name}: {wrong} of {count} bounds violated ({100 * wrong / count:.0f} %)"
        for name, (wrong, count) in found.items()
    ]
