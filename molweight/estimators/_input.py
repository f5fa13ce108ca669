"""SMILES from the input types that scikit-learn uses."""

from typing import Any

import numpy as np

from molweight.errors import DataError
from molweight.graphs.internal import is_missing, written

__all__ = ["smiles_of"]


def smiles_of(molecules: Any) -> list[str]:
    """The SMILES of ``X``, one per row.

    Args:
        molecules: SMILES or RDKit molecules: a list, a tuple, an array, a pandas column, or an array or table with a
            single column. ``None``, NaN and ``pd.NA`` count as empty SMILES.

    Returns:
        ``n`` strings.

    Raises:
        DataError: If there is not exactly one column, there are no rows, or a value is not text.

    Example:
        >>> smiles_of(np.array([["CCO"], ["C"]]))
        ['CCO', 'C']
    """
    if isinstance(molecules, str):
        raise DataError(f"X must hold one SMILES per row, got the single string {molecules[:60]!r}. Use [smiles].")
    array = np.asarray(molecules, dtype=object)
    if array.ndim == 2 and array.shape[1] == 1:  # noqa: PLR2004 - rows x columns
        array = array[:, 0]
    if array.ndim != 1:
        named = getattr(molecules, "columns", None)
        columns = "" if named is None else f" (columns {', '.join(map(repr, list(named)[:10]))})"
        raise DataError(f"X has shape {array.shape}{columns}; one column of SMILES is needed, e.g. X['smiles'].")
    if len(array) == 0:
        raise DataError("X has no rows. Give at least one SMILES.")
    return [_text(item, row) for row, item in enumerate(array)]


def _text(item: object, row: int) -> str:
    if is_missing(item):
        return ""
    text = written(item)
    if not isinstance(text, str):
        raise DataError(f"X, row {row}: {item!r} is {type(item).__name__}, not a SMILES string. Give SMILES as text.")
    return text
