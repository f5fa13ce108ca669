"""NumPy array types that several packages share."""

from typing import Any

import numpy as np

__all__ = [
    "AnyArray",
    "BoolArray",
    "Column",
    "Float32Array",
    "Float32Matrix",
    "Float64Array",
    "FloatArray",
    "Indices",
    "Int8Array",
    "Int64Array",
    "Uint8Array",
    "Uint64Array",
]

Float32Matrix = np.ndarray[tuple[int, int], np.dtype[np.float32]]
"""Rows by columns in float32: predictions ``n x T``, vectors ``n x width``."""
Float32Array = np.ndarray[tuple[int, ...], np.dtype[np.float32]]
Float64Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.floating[Any]]]
"""Floats of any precision: the input of statistics."""
Indices = np.ndarray[tuple[int, ...], np.dtype[np.int64]]
"""Positions of molecules in a dataset, or of rows in a file."""
AnyArray = np.ndarray[tuple[int, ...], np.dtype[Any]]
"""Values of any type: labels as users give them."""
Int64Array = np.ndarray[tuple[int, ...], np.dtype[np.int64]]
Int8Array = np.ndarray[tuple[int, ...], np.dtype[np.int8]]
"""Signs of labels that are bounds: the side on which the true value lies."""
Uint8Array = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
"""Bytes of text, codes of atoms and bonds, packed bits."""
BoolArray = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
Uint64Array = np.ndarray[tuple[int, ...], np.dtype[np.uint64]]
"""Hashes, and keys of molecules."""
Column = np.ndarray[tuple[int, ...], np.dtype[np.generic]]
"""One value, or one row of values, per molecule of a dataset, of any type."""
