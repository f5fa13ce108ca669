"""Row numbers of molecules as an editor shows them: the header of a file is row 1."""

from typing import Final

import numpy as np

from molweight.arrays import Indices, Int64Array
from molweight.graphs import MoleculeDataset

__all__ = ["ROW_NUMBER", "row_numbers"]

ROW_NUMBER: Final = "row_number"
"""Name of the column that file readers add to a dataset."""


def row_numbers(data: MoleculeDataset, positions: Indices | None = None) -> Int64Array:
    """Row of each molecule in the file; for a table not read from a file, its position in the input.

    Args:
        data: The table.
        positions: The molecules; ``None`` for all.

    Example:
        >>> from molweight.datasets import from_smiles
        >>> row_numbers(from_smiles(["C", "?", "CC"], cache=False)).tolist()
        [0, 2]
    """
    numbers = data.columns.get(ROW_NUMBER, data.rows).astype(np.int64)
    return numbers if positions is None else numbers[positions]
