"""Types of NumPy arrays that several packages name."""

from typing import Any

import numpy as np

__all__ = ["AnyArray", "Float32Array", "Float32Matrix", "Float64Array", "FloatArray", "Indices"]

Float32Matrix = np.ndarray[tuple[int, int], np.dtype[np.float32]]
"""Rows by columns in float32: predictions ``n x T``, vectors ``n x width``."""
Float32Array = np.ndarray[tuple[int, ...], np.dtype[np.float32]]
Float64Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.floating[Any]]]
"""Floats of any width: what statistics take."""
Indices = np.ndarray[tuple[int, ...], np.dtype[np.int64]]
"""Positions of molecules in a dataset, or of rows in a file."""
AnyArray = np.ndarray[tuple[int, ...], np.dtype[Any]]
"""Values of any type: labels as users give them."""
