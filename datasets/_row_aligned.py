"""Results aligned with the rows of the source."""

from typing import Any

import numpy as np

from molweight.errors import DataError
from molweight.graphs import MoleculeDataset

__all__ = ["row_aligned"]


def row_aligned(data: MoleculeDataset, values: Any, rows: int | None = None) -> np.ndarray[Any, np.dtype[np.floating]]:
    """Align values of molecules with the rows of the source.

    Args:
        data: A dataset; some rows of its source may have been left out.
        values: ``len(data)`` or ``len(data) x ...`` numbers, such as predictions.
        rows: Number of rows of the source; ``None`` for the last one in ``data`` or its ``rejects``.

    Returns:
        ``rows`` or ``rows x ...`` numbers, NaN in each row without a valid molecule.

    Raises:
        DataError: If there is not one value per molecule, or ``rows`` is smaller than the row numbers in ``data``.

    Example:
        >>> from molweight.datasets import from_smiles
        >>> data = from_smiles(["CCO", "C1CC", "c1ccccc1"], cache=False)
        >>> row_aligned(data, [0.5, 1.5]).tolist()
        [0.5, nan, 1.5]
    """
    array = np.asarray(values)
    if array.ndim == 0 or len(array) != len(data):
        raise DataError(f"{data.name}: values of shape {array.shape} for {len(data)} molecules. Give one per molecule.")
    known = 1 + max([int(data.rows.max(initial=-1)), *(item.row for item in data.rejects)])
    if rows is not None and rows < known:
        raise DataError(f"{data.name}: the source has at least {known} rows, not {rows}.")
    aligned = np.full((known if rows is None else rows, *array.shape[1:]), np.nan, np.result_type(array, np.float32))
    aligned[data.rows] = array
    return aligned
