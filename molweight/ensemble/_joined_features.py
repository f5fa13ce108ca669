"""Features that several partners share, stored once and joined when a model reads them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from molweight.arrays import AnyArray, Float32Array, Indices

__all__ = ["JoinedFeatures"]


@dataclass(frozen=True)
class JoinedFeatures:
    """Feature sets of the same molecules, each in its own type: counts take a quarter of the memory of numbers.

    Args:
        parts: Values of each feature set, ``n x D``; at least one.
        sparse: For each feature set, whether it consists of counts of fingerprints.

    Example:
        >>> joined = JoinedFeatures((np.array([[0.5], [1.5]]), np.array([[1, 0], [0, 2]], np.uint8)), (False, True))
        >>> joined.shape, joined[[1]].matrix().tolist()
        ((2, 3), [[1.5, 0.0, 2.0]])
    """

    parts: tuple[AnyArray, ...]
    sparse: tuple[bool, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of molecules and of columns."""
        return len(self.parts[0]), sum(part.shape[1] for part in self.parts)

    @property
    def missing(self) -> int:
        """Number of values that are NaN."""
        return sum(int(np.isnan(part).sum()) for part in self.parts if part.dtype.kind == "f")

    def __getitem__(self, rows: Indices | Sequence[int]) -> "JoinedFeatures":
        """The features of some molecules."""
        return JoinedFeatures(tuple(part[rows] for part in self.parts), self.sparse)

    def matrix(self) -> Float32Array:
        """All columns, ``n x F``."""
        return _joined(self.parts, self.shape[0], np.dtype(np.float32))

    def split(self) -> tuple[Float32Array, AnyArray]:
        """The columns of numbers, and those of counts in their own type."""
        dense, counts = (
            [part for part, own in zip(self.parts, self.sparse, strict=True) if own is wanted]
            for wanted in (False, True)
        )
        types = [part.dtype for part in counts] or [np.dtype(np.uint8)]
        rows = self.shape[0]
        return _joined(dense, rows, np.dtype(np.float32)), _joined(counts, rows, np.result_type(*types))


def _joined(parts: Sequence[AnyArray], rows: int, dtype: np.dtype[Any]) -> AnyArray:
    whole = np.empty((rows, sum(part.shape[1] for part in parts)), dtype)
    start = 0
    for part in parts:
        whole[:, start : start + part.shape[1]] = part
        start += part.shape[1]
    return whole
