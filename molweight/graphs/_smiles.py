"""A sequence of SMILES in two flat arrays."""

from collections.abc import Iterable, Sequence
from typing import overload

import numpy as np

__all__ = ["SmilesColumn"]

Bytes = np.ndarray[tuple[int], np.dtype[np.uint8]]
Offsets = np.ndarray[tuple[int], np.dtype[np.int64]]


class SmilesColumn(Sequence[str]):
    """``n`` strings as their UTF-8 bytes and ``n + 1`` offsets: a few bytes more than the text, and memory-mappable.

    Args:
        data: All bytes, one string after the other.
        offsets: First byte of each string, and the total.

    Example:
        >>> column = SmilesColumn.of(["CCO", "C"])
        >>> column[0], column[-1], list(column), column == ["CCO", "C"]
        ('CCO', 'C', ['CCO', 'C'], True)
    """

    def __init__(self, data: Bytes, offsets: Offsets) -> None:
        """Keep the arrays as they are."""
        self.data = data
        self.offsets = offsets

    @classmethod
    def of(cls, strings: Iterable[str]) -> "SmilesColumn":
        """Pack strings."""
        encoded = [string.encode() for string in strings]
        offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
        np.cumsum([len(item) for item in encoded], out=offsets[1:])
        return cls(np.frombuffer(b"".join(encoded), dtype=np.uint8), offsets)

    def __len__(self) -> int:
        """Number of strings."""
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        """One string, or the list of those in a slice."""
        if isinstance(index, slice):
            return [self._one(position) for position in range(*index.indices(len(self)))]
        position = range(len(self))[index]
        return self._one(position)

    def __eq__(self, other: object) -> bool:
        """Whether ``other`` holds the same strings in the same order."""
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # a mutable-sized sequence, compared by content: not hashable, as list

    def __repr__(self) -> str:
        """The first strings, and how many there are."""
        shown = ", ".join(map(repr, self[:3]))
        return f"<{len(self)} SMILES: {shown}{', ...' if len(self) > 3 else ''}>"  # noqa: PLR2004 - as many as shown

    def _one(self, position: int) -> str:
        return bytes(self.data[self.offsets[position] : self.offsets[position + 1]]).decode()
