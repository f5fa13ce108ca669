"""Features that several partners share, stored once and joined when a model reads them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from molweight.arrays import AnyArray, Float32Array, Indices

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["JoinedFeatures"]

_ROWS: Final = 4096
"""Number of molecules of a block."""
_COLUMNS: Final = 128
"""Number of columns of a block."""


@dataclass(frozen=True)
class JoinedFeatures:
    """Feature sets of the same molecules, each in its own type: counts take a quarter of the memory of numbers.

    Args:
        parts: Values of each feature set, ``N x D``; at least one.
        sparse: For each feature set, whether it consists of counts of fingerprints.
        rows: Positions of the ``n`` molecules among the ``N``; ``None`` for all. They are gathered when values are
            read, so that a selection takes no memory.

    Example:
        >>> joined = JoinedFeatures((np.array([[0.5], [1.5]]), np.array([[1, 0], [0, 2]], np.uint8)), (False, True))
        >>> joined.shape, joined[[1]].matrix().tolist()
        ((2, 3), [[1.5, 0.0, 2.0]])
    """

    parts: tuple[AnyArray, ...]
    sparse: tuple[bool, ...]
    rows: Indices | None = None

    def __len__(self) -> int:
        return len(self.parts[0] if self.rows is None else self.rows)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of molecules and of columns."""
        return len(self), sum(part.shape[1] for part in self.parts)

    @property
    def missing(self) -> int:
        """Number of values that are NaN."""
        return sum(int(np.isnan(self._of(part)).sum()) for part in self.parts if part.dtype.kind == "f")

    def __getitem__(self, rows: Indices | Sequence[int] | slice) -> "JoinedFeatures":
        """The features of some molecules."""
        before = np.arange(len(self)) if self.rows is None else self.rows
        return JoinedFeatures(self.parts, self.sparse, before[rows])

    def blocks(self) -> Iterator["JoinedFeatures"]:
        """Consecutive molecules, a few thousand at a time; one empty block if there are no molecules."""
        for start in range(0, max(len(self), 1), _ROWS):
            yield self[start : start + _ROWS]

    def columns(self) -> Iterator[AnyArray]:
        """All columns, about a hundred at a time: ``n x some``, in their own types."""
        for part in self.parts:
            for start in range(0, part.shape[1], _COLUMNS):
                yield self._of(part[:, start : start + _COLUMNS])

    def matrix(self) -> Float32Array:
        """All columns, ``n x F``."""
        return self._joined(self.parts, np.dtype(np.float32))

    def dense(self) -> Float32Array:
        """The columns of numbers, ``n x D``."""
        return self._joined(self._kind(sparse=False), np.dtype(np.float32))

    def counts(self) -> AnyArray:
        """The columns of counts in their own type, ``n x C``."""
        parts = self._kind(sparse=True)
        types = [part.dtype for part in parts] or [np.dtype(np.uint8)]
        return self._joined(parts, np.result_type(*types))

    def csr(self) -> "csr_array":
        """All columns without zeros, ``n x F`` float32: of fingerprints, a tenth of the memory of :meth:`matrix`."""
        from scipy.sparse import csr_array, vstack

        return vstack([csr_array(block.matrix()) for block in self.blocks()], format="csr")

    def _kind(self, *, sparse: bool) -> list[AnyArray]:
        return [part for part, own in zip(self.parts, self.sparse, strict=True) if own is sparse]

    def _joined(self, parts: Sequence[AnyArray], dtype: np.dtype[Any]) -> AnyArray:
        whole = np.empty((len(self), sum(part.shape[1] for part in parts)), dtype)
        start = 0
        for part in parts:
            whole[:, start : start + part.shape[1]] = self._of(part)
            start += part.shape[1]
        return whole

    def _of(self, part: AnyArray) -> AnyArray:
        return part if self.rows is None else part[self.rows]
