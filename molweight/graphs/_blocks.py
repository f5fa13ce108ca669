"""Memory-mapped arrays whose blocks are verified by checksum on first access."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import xxhash

from molweight.arrays import AnyArray
from molweight.errors import DamagedCacheError, DataError

__all__ = ["BLOCK", "BlockArray", "block_table", "unchecked", "verify_rows"]

BLOCK: Final = 1 << 20
"""Bytes per block, the unit of verification."""
_DIGEST: Final = 8
_MAGIC: Final = b"MWBLOCKS"
_FOOTER: Final = 8 + 16 + len(_MAGIC)
"""Length of the content, the checksum of the table, and the mark."""


def block_table(length: int, digests: list[bytes]) -> bytes:
    """Trailer of a file: the checksum of each block, the length, and a checksum of both.

    Args:
        length: Bytes of the content.
        digests: XXH3 (64 bits) of each block of 1 MiB.
    """
    table = b"".join(digests) + length.to_bytes(8, "little")
    return table + xxhash.xxh3_128(table).digest() + _MAGIC


class BlockArray(np.lib.mixins.NDArrayOperatorsMixin):
    """An array in a file; only the blocks that are used are read and verified by checksum.

    It is deliberately not a subclass of ``numpy.ndarray``: indexing verifies the blocks of the requested items, and all
    other NumPy operations use the whole array, after every block was verified. The only way around the checksums is
    :func:`unchecked`, for code that calls :func:`verify_rows` itself.

    Args:
        path: A file completed by :func:`molweight.graphs._cache.add_seal`.
        seal: Number of bytes after the table at the end of the file.

    Raises:
        ValueError: If the table or the header is damaged; the text says how.
    """

    def __init__(self, path: Path, seal: int) -> None:
        """Map the file; read the table of checksums and the header."""
        self._path = path
        self._bytes = np.memmap(path, dtype=np.uint8, mode="c")
        self._digests, length = self._table(len(self._bytes) - seal)
        self._length = length
        self._verified = np.zeros(len(self._digests), dtype=bool)
        problem = self._problem(0)
        if problem is not None:
            raise ValueError(problem)
        with path.open("rb") as stream:
            version = np.lib.format.read_magic(stream)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, self.dtype = read(stream)
            self._start = stream.tell()
        self._row = int(np.prod(shape[1:], dtype=np.int64)) * self.dtype.itemsize
        if self._start + self._row * shape[0] != length:
            raise ValueError("does not have the length that its header says")
        self._array: AnyArray = self._bytes[self._start : length].view(np.ndarray).view(self.dtype).reshape(shape)

    def _table(self, end: int) -> tuple[AnyArray, int]:
        footer = bytes(self._bytes[max(end - _FOOTER, 0) : max(end, 0)])
        if len(footer) != _FOOTER or not footer.endswith(_MAGIC):
            raise ValueError("has no block checksums: it is truncated, changed, or written by an earlier version")
        length = int.from_bytes(footer[:8], "little")
        first = end - _FOOTER - _DIGEST * -(-length // BLOCK)
        if first != length or xxhash.xxh3_128(bytes(self._bytes[first : end - 24])).digest() != footer[8:24]:
            raise ValueError("has a damaged table of checksums")
        return self._bytes[first : end - _FOOTER].view(np.ndarray).reshape(-1, _DIGEST), length

    def verify(self, rows: AnyArray, counts: AnyArray | int = 1) -> None:
        """Verify the blocks of some rows by checksum, unless this was done before.

        Args:
            rows: First row of each range.
            counts: Number of rows of each range; empty ones are allowed.

        Raises:
            DamagedCacheError: If a block is damaged. The file is removed, so that it is computed again.
            DataError: If it cannot be removed.
        """
        counts = np.broadcast_to(counts, rows.shape)
        rows, counts = rows[counts > 0], counts[counts > 0]
        begin = self._start + rows * self._row
        first, last = begin // BLOCK, (begin + counts * self._row - 1) // BLOCK
        size = len(self._verified) + 1
        entered = np.bincount(first, minlength=size) - np.bincount(last + 1, minlength=size)
        for block in np.flatnonzero((entered.cumsum()[:-1] > 0) & ~self._verified).tolist():
            self._verify(block, block)

    def _verify(self, first: int, last: int) -> None:
        """Verify blocks, both ends included."""
        for block in range(first, last + 1):
            problem = None if self._verified[block] else self._problem(block)
            if problem is not None:
                raise self._damage(problem)

    def _problem(self, block: int) -> str | None:
        """The defect of a block; ``None`` if there is none, in which case the block counts as verified."""
        begin, end = block * BLOCK, min((block + 1) * BLOCK, self._length)
        if xxhash.xxh3_64(self._bytes[begin:end].tobytes()).digest() != self._digests[block].tobytes():
            return f"its bytes {begin} to {end - 1} do not match their checksum"
        self._verified[block] = True
        return None

    def _damage(self, problem: str) -> DataError:
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            return DataError(
                f"{self._path}: {problem}. It could not be removed ({error.strerror}). Remove it, and run the "
                "command again."
            )
        return DamagedCacheError(f"{self._path}: {problem}. It was removed; run the command again to recompute it.")

    @property
    def whole(self) -> AnyArray:
        """The array, after all of its blocks were verified."""
        self._verify(0, len(self._verified) - 1)
        return self._array

    @property
    def unchecked(self) -> AnyArray:
        """The memory map. The caller must call :meth:`verify` first."""
        return self._array

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self._array.shape

    @property
    def ndim(self) -> int:
        """Number of dimensions of the array."""
        return self._array.ndim

    @property
    def nbytes(self) -> int:
        """Size of the array in bytes."""
        return self._array.nbytes

    @property
    def read_share(self) -> float:
        """Share of the blocks that have been read so far."""
        return float(self._verified.mean())

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._array)

    def __getitem__(self, index: Any) -> Any:
        """Rows, after verifying their blocks; an index other than a slice or an array of positions reads all blocks."""
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step == 1:
                self._verify_span(start, stop)
                return self._array[start:stop]
        if isinstance(index, np.ndarray) and index.dtype.kind == "i" and (index >= 0).all():
            self.verify(index)
            return self._array[index]
        return self.whole[index]

    def _verify_span(self, start: int, stop: int) -> None:
        if stop > start:
            begin, end = self._start + start * self._row, self._start + stop * self._row - 1
            self._verify(begin // BLOCK, end // BLOCK)

    def __getattr__(self, name: str) -> Any:
        """Methods and attributes of the whole array."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.whole, name)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        """The whole array."""
        return np.array(self.whole, dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        """Arithmetic and comparisons, on whole arrays."""
        plain = [item.whole if isinstance(item, BlockArray) else item for item in inputs]
        return getattr(ufunc, method)(*plain, **options)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the values, for other processes."""
        return np.array, (np.array(self.whole),)


def unchecked(array: object) -> Any:
    """The plain array, also for a :class:`BlockArray`; blocks are not verified."""
    return array.unchecked if isinstance(array, BlockArray) else array


def verify_rows(array: object, starts: AnyArray, counts: AnyArray) -> None:
    """Verify ranges of rows of an array, if its checksums were not compared on opening.

    Args:
        array: The array.
        starts: First row of each range.
        counts: Number of rows of each range.

    Raises:
        DataError: If a block is damaged.
    """
    if isinstance(array, BlockArray):
        array.verify(starts, counts)
