"""Nearest neighbours by the Tanimoto similarity of bit-sliced fingerprints."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

import numpy as np
from joblib import cpu_count

__all__ = ["BLOCK", "bit_columns", "nearest"]

BLOCK: Final = 65_536
"""Fingerprints per block of a library: one bit of all of them takes 8 KiB, which fits into the L1 cache."""

_BYTE: Final = 8
"""Bits per byte."""
_ROUNDING: Final = 1 - 1e-6

Packed = np.ndarray[tuple[int, int], np.dtype[np.uint8]]
Columns = Sequence[np.ndarray[Any, np.dtype[np.uint8]]]
Sizes = np.ndarray[tuple[int], np.dtype[np.uint16]]
Words = np.ndarray[Any, np.dtype[np.uint64]]
Rows = np.ndarray[tuple[int, int], np.dtype[np.int64]]
Similarities = np.ndarray[tuple[int, int], np.dtype[np.float32]]


def bit_columns(packed: Packed) -> Packed:
    """A block of fingerprints, bit by bit: row ``j`` holds bit ``j`` of all of them.

    Args:
        packed: ``n x b`` bytes, ``n`` at most :data:`BLOCK`.

    Returns:
        ``8 b x BLOCK / 8`` bytes; zeros after the last fingerprint.

    Example:
        >>> bit_columns(np.array([[1], [3]], dtype=np.uint8))[:3, 0].tolist()
        [3, 2, 0]
    """
    bits = np.zeros((8 * packed.shape[1], BLOCK), dtype=np.uint8)
    bits[:, : len(packed)] = np.unpackbits(packed, axis=1, bitorder="little").T
    return np.packbits(bits, axis=1, bitorder="little")


def nearest(
    queries: Packed, columns: Columns, sizes: Sizes, k: int, *, n_jobs: int | None = None
) -> tuple[Rows, Similarities]:
    """The ``k`` most similar fingerprints of a library for each query: an exact search.

    Only the columns of the query's bits are read. Counts of 64 molecules are added in one operation by carry-save
    adders (as in the Harley-Seal population count; Mula, Kurz & Lemire, *Faster Population Counts Using AVX2
    Instructions*, Comput. J. 2018). The library may be memory-mapped. Fingerprints that share no bit with a query are
    not its neighbours.

    Args:
        queries: ``q x b`` packed bits.
        columns: Blocks of the library, as returned by :func:`bit_columns`.
        sizes: Number of bits of each of the ``n`` fingerprints of the library.
        k: Neighbours per query.
        n_jobs: Threads; ``None`` for all cores.

    Returns:
        Rows of the library and their similarities, both ``q x k``, most similar first, ties by row. If there are fewer,
        they end with rows of -1 and similarities of 0.

    Example:
        >>> library = np.array([[0b0011], [0b0111], [0b1000]], dtype=np.uint8)
        >>> sizes = np.array([2, 3, 1], dtype=np.uint16)
        >>> rows, similarities = nearest(library[:1], [bit_columns(library)], sizes, k=2)
        >>> rows.tolist(), similarities.round(2).tolist()
        ([[0, 1]], [[1.0, 0.6700000166893005]])
    """
    jobs = max(1, min(n_jobs or cpu_count(), len(queries)))
    search = partial(_search, columns=columns, sizes=sizes, k=k)
    with ThreadPoolExecutor(jobs) as pool:  # NumPy releases the GIL
        found = list(pool.map(search, np.array_split(queries, jobs)))
    return np.concatenate([rows for rows, _ in found]), np.concatenate([values for _, values in found])


def _search(queries: Packed, columns: Columns, sizes: Sizes, k: int) -> tuple[Rows, Similarities]:
    """The search of one thread."""
    rows, values = np.full((len(queries), k), -1, dtype=np.int64), np.zeros((len(queries), k), dtype=np.float32)
    bits = [np.flatnonzero(np.unpackbits(query, bitorder="little")) for query in queries]
    buffers = _Buffers()
    for number, block in enumerate(columns):
        words, start = block.view(np.uint64), number * BLOCK
        theirs = np.zeros(BLOCK, dtype=np.float32)
        theirs[: len(sizes) - start] = sizes[start : start + BLOCK]
        for place, own in enumerate(bits):
            shared = buffers.shared([words[bit] for bit in own])
            better = buffers.above(shared, theirs + len(own), values[place, -1])
            if len(better):
                common = shared[better].astype(np.float32)
                _keep(rows[place], values[place], better + start, common / (theirs[better] + len(own) - common))
    return rows, values


class _Buffers:
    """Buffers for a thread's intermediate results; allocating them per query would cost more than the arithmetic."""

    def __init__(self) -> None:
        """Allocate the buffers."""
        self._narrow, self._wide = np.empty(BLOCK, dtype=np.uint8), np.empty(BLOCK, dtype=np.uint16)
        self._shared, self._limit = np.empty(BLOCK, dtype=np.float32), np.empty(BLOCK, dtype=np.float32)

    def shared(self, columns: Sequence[Words]) -> np.ndarray[Any, np.dtype[Any]]:
        """Number of the given columns in which each fingerprint has a bit set; valid until the next call."""
        planes = _planes(columns)
        total: np.ndarray[Any, np.dtype[Any]] = self._narrow if len(planes) <= _BYTE else self._wide
        total[:] = 0
        for plane in reversed(planes):  # Horner's scheme
            np.add(total, total, out=total)
            np.add(total, np.unpackbits(plane.view(np.uint8), bitorder="little"), out=total)
        return total

    def above(
        self, shared: np.ndarray[Any, np.dtype[Any]], together: np.ndarray[Any, np.dtype[np.float32]], worst: float
    ) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Mask of fingerprints with a higher similarity than the worst neighbour so far, up to rounding."""
        # shared / (together - shared) > worst, without a division for each molecule
        np.copyto(self._shared, shared)
        np.multiply(together, worst / (1 + worst) * _ROUNDING, out=self._limit)
        return np.flatnonzero(self._shared > self._limit)


def _planes(columns: Sequence[Words]) -> list[Words]:
    """The sums of bits over the columns in binary: plane ``i`` holds the digits of weight ``2 ** i``."""
    planes: list[Words] = []
    level = list(columns)
    while level:
        carries: list[Words] = []
        while len(level) > 1:
            first, second, *third = level[:3]
            half, carry = first ^ second, first & second
            if third:
                carry |= half & third[0]
                half ^= third[0]
            level = [*level[3 if third else 2 :], half]
            carries.append(carry)
        planes.append(level[0])
        level = carries
    return planes


def _keep(
    rows: np.ndarray[Any, np.dtype[np.int64]],
    values: np.ndarray[Any, np.dtype[np.float32]],
    found: np.ndarray[Any, np.dtype[np.int64]],
    similarity: np.ndarray[Any, np.dtype[np.float32]],
) -> None:
    """Merge new neighbours into the best ones so far; ties keep the lower row."""
    both, everything = np.concatenate([values, similarity]), np.concatenate([rows, found])
    if len(both) > 2 * len(rows):  # a full sort of the first block would cost more than the search
        enough = both >= np.partition(both, -len(rows))[-len(rows)]
        both, everything = both[enough], everything[enough]
    order = np.argsort(-both, kind="stable")[: len(rows)]  # rows are in ascending order
    values[:], rows[:] = both[order], everything[order]
