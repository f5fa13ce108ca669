"""Molecules as flat arrays."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, overload

import numpy as np

from molweight.arrays import Int64Array, Uint8Array

__all__ = ["Molecules", "Reject", "RejectCounts", "SmilesColumn", "inconsistency", "item_positions"]


class SmilesColumn(Sequence[str]):
    """``n`` strings as their UTF-8 bytes and ``n + 1`` offsets: a few bytes more than the text, and memory-mappable.

    Args:
        data: All bytes, concatenated.
        offsets: First byte of each string, and the total.

    Example:
        >>> column = SmilesColumn.of(["CCO", "C"])
        >>> column[0], column[-1], list(column), column == ["CCO", "C"]
        ('CCO', 'C', ['CCO', 'C'], True)
    """

    def __init__(self, data: Uint8Array, offsets: Int64Array) -> None:
        """Store the arrays unchanged."""
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
        """One string, or a list of strings for a slice."""
        if isinstance(index, slice):
            return [self._one(position) for position in range(*index.indices(len(self)))]
        position = range(len(self))[index]
        return self._one(position)

    def __eq__(self, other: object) -> bool:
        """Whether ``other`` holds the same strings in the same order."""
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # a mutable-sized sequence, compared by content: not hashable, as list

    def __repr__(self) -> str:
        """The first strings, and their number."""
        shown = ", ".join(map(repr, self[:3]))
        return f"<{len(self)} SMILES: {shown}{', ...' if len(self) > 3 else ''}>"  # noqa: PLR2004 - as many as shown

    def _one(self, position: int) -> str:
        return bytes(self.data[self.offsets[position] : self.offsets[position + 1]]).decode()


Uint16 = np.ndarray[tuple[int, ...], np.dtype[np.uint16]]


@dataclass(frozen=True)
class Reject:
    """An unusable row or label.

    Args:
        row: Position in the input, counted from 0.
        smiles: The original text.
        reason: Reason why it is unusable.
        kind: The unusable part: the ``"molecule"``; a ``"label"``, so that the row is left out; a label that counts as
            ``"missing"``, while the row is kept; or ``"repeated"`` for a molecule that is left out because it occurs in
            several rows.
        place: Location in the source, for messages; empty if only ``row`` is known.
        number: Row number as shown by a text editor; ``None`` if the source is not a file.
    """

    row: int
    smiles: str
    reason: str
    kind: Literal["molecule", "label", "missing", "repeated"] = "molecule"
    place: str = ""
    number: int | None = None

    def stored(self) -> dict[str, Any]:
        """A row without a molecule, as JSON values for the cache."""
        return {"row": self.row, "smiles": self.smiles, "reason": self.reason}

    def __str__(self) -> str:
        """Location, text and reason."""
        return f"{self.place or f'row {self.row}'}: {self.smiles[:60]!r} {self.reason}"


@dataclass(frozen=True)
class RejectCounts:
    """Counts of unusable rows and labels of a source.

    Args:
        molecules: Rows without a molecule.
        rows: Further rows, left out because of an unreadable label.
        labels: Unreadable labels that count as missing, in rows with a molecule.
        repeated: Rows left out because their molecule is repeated.
    """

    molecules: int
    rows: int
    labels: int
    repeated: int = 0

    @classmethod
    def of(cls, rejects: Sequence[Reject]) -> "RejectCounts":
        """The counts.

        Args:
            rejects: The unusable rows and labels.

        Example:
            >>> RejectCounts.of([Reject(0, "?", "not valid"), Reject(3, "C", "'>10' is not a number", "label")])
            RejectCounts(molecules=1, rows=1, labels=0, repeated=0)
        """
        empty = {item.row for item in rejects if item.kind == "molecule"}
        others = {item.row for item in rejects if item.kind == "label"} - empty
        labels = sum(item.kind == "missing" and item.row not in empty for item in rejects)
        return cls(len(empty), len(others), labels, sum(item.kind == "repeated" for item in rejects))

    def words(self) -> list[str]:
        """The counts, in words."""
        parts = (
            (self.molecules, "row", "without a molecule"),
            (self.rows, "row", "left out because a label cannot be read"),
            (self.labels, "label", "treated as missing"),
            (self.repeated, "row", "left out because the molecule occurs in several"),
        )
        return [f"{count} {what}{'' if count == 1 else 's'} {why}" for count, what, why in parts if count]


@dataclass(frozen=True)
class Molecules:
    """``n`` molecules with ``A`` atoms and ``B`` bonds in all: about 400 bytes per drug-like molecule.

    Args:
        atoms: Atom features, ``A x 9`` uint8.
        ends: End atoms of each bond, counted within its molecule, ``B x 2`` uint16; each bond occurs once.
        bonds: Bond features, ``B x 3`` uint8.
        atom_offsets: First atom of each molecule and the total, ``n + 1`` int64.
        bond_offsets: First bond of each molecule and the total, ``n + 1`` int64.
        rows: Position of each molecule in the input, ``n`` int64.
        smiles_data: The SMILES, as bytes.
        smiles_offsets: First byte of each SMILES and the total, ``n + 1`` int64.
    """

    atoms: Uint8Array
    ends: Uint16
    bonds: Uint8Array
    atom_offsets: Int64Array
    bond_offsets: Int64Array
    rows: Int64Array
    smiles_data: Uint8Array
    smiles_offsets: Int64Array

    def __len__(self) -> int:
        """Number of molecules."""
        return len(self.rows)

    @property
    def smiles(self) -> SmilesColumn:
        """The SMILES as they were given."""
        return SmilesColumn(self.smiles_data, self.smiles_offsets)

    @property
    def nbytes(self) -> int:
        """Size of all arrays in bytes."""
        return sum(getattr(self, item.name).nbytes for item in fields(self))

    def take(self, indices: Int64Array) -> "Molecules":
        """The molecules at some positions, in that order; ``rows`` still refers to the input."""
        atom, atom_offsets = _select(self.atom_offsets, indices)
        bond, bond_offsets = _select(self.bond_offsets, indices)
        byte, smiles_offsets = _select(self.smiles_offsets, indices)
        return Molecules(
            atoms=self.atoms[atom],
            ends=self.ends[bond],
            bonds=self.bonds[bond],
            atom_offsets=atom_offsets,
            bond_offsets=bond_offsets,
            rows=self.rows[indices],
            smiles_data=self.smiles_data[byte],
            smiles_offsets=smiles_offsets,
        )

    @classmethod
    def concatenate(cls, parts: Sequence["Molecules"]) -> "Molecules":
        """The molecules of all parts, in order; ``rows`` is unchanged."""
        return cls(
            atoms=np.concatenate([part.atoms for part in parts]),
            ends=np.concatenate([part.ends for part in parts]),
            bonds=np.concatenate([part.bonds for part in parts]),
            atom_offsets=_join([part.atom_offsets for part in parts]),
            bond_offsets=_join([part.bond_offsets for part in parts]),
            rows=np.concatenate([part.rows for part in parts]),
            smiles_data=np.concatenate([part.smiles_data for part in parts]),
            smiles_offsets=_join([part.smiles_offsets for part in parts]),
        )


def item_positions(offsets: Int64Array, indices: Int64Array) -> Int64Array:
    """Positions of all atoms (or bonds, or bytes) of some molecules, molecule after molecule.

    Args:
        offsets: First item of each molecule, and the total.
        indices: The molecules.

    Example:
        >>> item_positions(np.array([0, 2, 3, 6]), np.array([2, 0])).tolist()
        [3, 4, 5, 0, 1]
    """
    return _select(offsets, indices)[0]


def inconsistency(molecules: Molecules) -> str | None:
    """The inconsistency of arrays from a file; ``None`` if they are valid.

    Batches are created by index arithmetic, which trusts offsets: an offset outside its array would read foreign
    memory.

    Args:
        molecules: The arrays.
    """
    count = len(molecules.rows)
    for name, array, width in (
        ("atoms", molecules.atoms, 9),
        ("ends", molecules.ends, 2),
        ("bonds", molecules.bonds, 3),
    ):
        if array.ndim != 2 or array.shape[1] != width:  # noqa: PLR2004 - a matrix
            return f"{name} have the shape {array.shape}"
    for name, offsets, items in (
        ("atom_offsets", molecules.atom_offsets, molecules.atoms),
        ("bond_offsets", molecules.bond_offsets, molecules.bonds),
        ("smiles_offsets", molecules.smiles_offsets, molecules.smiles_data),
    ):
        if len(offsets) != count + 1 or offsets[0] != 0 or offsets[-1] != len(items) or (np.diff(offsets) < 0).any():
            return f"{name} do not fit the {len(items)} items that they refer to"
    return None if len(molecules.ends) == len(molecules.bonds) else "ends and bonds differ in number"


def _join(
    offsets: Sequence[Int64Array],
) -> Int64Array:
    """Offsets of concatenated arrays from the offsets of each."""
    lengths = np.concatenate([np.diff(part) for part in offsets])
    joined = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=joined[1:])
    return joined


def _select(offsets: Int64Array, indices: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Positions of all items of the chosen molecules, and the new offsets."""
    counts = np.diff(offsets)[indices]
    joined = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=joined[1:])
    return np.arange(joined[-1]) + np.repeat(offsets[indices] - joined[:-1], counts), joined
