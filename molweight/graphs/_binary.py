"""Atom and bond features of many molecules at once, read from RDKit's binary form.

An attribute call to RDKit from Python costs 0.1 to 0.9 microseconds and a drug-like molecule needs some 400 of them:
twice the time of parsing its SMILES. ``Mol.ToBinary()`` returns the same numbers in one call. Its layout (RDKit's
``MolPickler``, versions 16.x) is a chain of records whose length follows from their own first bytes, so the chains of
a whole chunk of molecules are walked together: NumPy first computes the length a record would have at *every* byte,
then one gather per atom position follows all chains at once.

A molecule with anything unexpected in it (queries, more atoms than fit a byte, another layout version) is marked, and
the caller reads it through :mod:`molweight.graphs._reference` instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from molweight.arrays import BoolArray, Int64Array, Uint8Array
from molweight.graphs import _codes as codes

__all__ = ["Decoded", "decode"]


_HEADER: Final = bytes.fromhex("efbeadde0000000010000000")
"""End marker, reserved word, major version 16."""
_ATOMS_AT: Final = 30
"""Start of the first atom record: header (20), two counts (8), flags (1), tag (1)."""
_BEGIN_ATOM: Final = 1
_BEGIN_BOND: Final = 11
_BEGIN_RINGS: Final = 66
_WIDE: Final = 250
"""From about this number of atoms on, RDKit writes indices as four bytes; such molecules are read by the reference."""
_PAD: Final = 64
"""Spare bytes after the last molecule, so that look-ahead stays inside the buffer."""


@dataclass(frozen=True)
class Decoded:
    """Arrays of the decoded molecules, in order.

    Args:
        understood: Whether each given molecule was decoded.
        num_atoms: Number of atoms of each decoded molecule.
        num_bonds: Number of bonds of each decoded molecule.
        atoms: Atom features, one row per atom.
        ends: End atoms of each bond, counted within the molecule.
        bonds: Bond features.
    """

    understood: BoolArray
    num_atoms: Int64Array
    num_bonds: Int64Array
    atoms: Uint8Array
    ends: np.ndarray[tuple[int, ...], np.dtype[np.uint16]]
    bonds: Uint8Array


def decode(binaries: Sequence[bytes]) -> Decoded:
    """Features of molecules given in RDKit's binary form.

    Args:
        binaries: ``molecule.ToBinary(0)`` of each molecule, without properties.

    Returns:
        The arrays of all decoded molecules, and which molecules these are.
    """
    starts, ends, data = _concatenate(binaries)
    num_atoms, num_bonds = _word(data, starts + 20), _word(data, starts + 24)
    plausible = np.array([binary.startswith(_HEADER) for binary in binaries], dtype=bool)
    plausible &= (num_atoms > 0) & (num_atoms < _WIDE) & (data[starts + 29] == _BEGIN_ATOM)
    plausible &= _ATOMS_AT + 6 * num_atoms + 3 * num_bonds < ends - starts
    while True:  # repeated only for molecules that were not decoded
        molecules = np.flatnonzero(plausible)
        chains = _follow(data, starts[molecules], ends[molecules], num_atoms[molecules], num_bonds[molecules])
        if chains.good.all():
            return _read(data, chains, plausible, num_atoms[molecules], num_bonds[molecules])
        plausible[molecules[~chains.good]] = False


@dataclass(frozen=True)
class _Chains:
    """Positions of the records of atoms, bonds and rings; rings per molecule; which molecules are consistent."""

    atoms: Int64Array
    bonds: Int64Array
    rings: Int64Array
    num_rings: Int64Array
    good: BoolArray


def _follow(
    data: Uint8Array, starts: Int64Array, ends: Int64Array, num_atoms: Int64Array, num_bonds: Int64Array
) -> _Chains:
    """Follow the atoms, bonds and rings of each molecule, checking the tags in between."""
    atoms, atom_end = _walk(_atom_lengths(data), starts + _ATOMS_AT, num_atoms)
    bonds, bond_end = _walk(_bond_lengths(data), atom_end + 1, num_bonds)
    good = (data[atom_end] == _BEGIN_BOND) & (data[bond_end] == _BEGIN_RINGS)
    num_rings = np.where(good, _word(data, np.minimum(bond_end + 1, len(data) - 4)), 0)
    good &= bond_end + 5 + 4 * num_rings < ends  # a ring takes four bytes at least
    num_rings = np.where(good, num_rings, 0)
    rings, ring_end = _walk(data + np.uint8(1), bond_end + 5, num_rings)
    return _Chains(atoms, bonds, rings, num_rings, good & (ring_end < ends))


def _read(
    data: Uint8Array, chains: _Chains, understood: BoolArray, num_atoms: Int64Array, num_bonds: Int64Array
) -> Decoded:
    ends, bonds = _read_bonds(data, chains.bonds)
    hydrogens, atoms = _read_atoms(data, chains.atoms)
    first = np.cumsum(num_atoms) - num_atoms
    degree = np.bincount((ends + np.repeat(first, num_bonds)[:, None]).ravel(), minlength=len(atoms))
    atoms[:, 2] = codes.DEGREE[np.minimum(degree + hydrogens, 255)]
    atoms[_ring_atoms(data, chains.rings, np.repeat(first, chains.num_rings)), 8] = 1
    return Decoded(understood, num_atoms, num_bonds, atoms, ends.astype(np.uint16), bonds)


def _concatenate(binaries: Sequence[bytes]) -> tuple[Int64Array, Int64Array, Uint8Array]:
    """Start and end of each molecule in the buffer of all of them."""
    lengths = np.array([len(binary) for binary in binaries], dtype=np.int64)
    data = np.frombuffer(b"".join(binaries) + bytes(_PAD), dtype=np.uint8)
    ends = np.cumsum(lengths)
    return ends - lengths, ends, data


def _word(data: Uint8Array, at: Int64Array) -> Int64Array:
    """The little-endian 32-bit number at each position."""
    word = data[at].astype(np.int64)
    for byte in (1, 2, 3):
        word |= data[at + byte].astype(np.int64) << (8 * byte)
    return word


def _walk(length: Uint8Array, start: Int64Array, count: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Positions of all records of all chains, chain after chain, and the position after each chain.

    Args:
        length: Length of a record that starts at each byte; 0 where no record can start, which ends the chain there.
        start: First record of each chain.
        count: Number of records of each chain.
    """
    last = len(length) - 1  # a padding byte, which differs from all tags: a broken chain ends there
    following = np.minimum(np.arange(len(length), dtype=np.int32) + length, last)
    following[length == 0] = last
    order = np.argsort(-count, kind="stable")
    at, remaining = np.minimum(start[order], last), count[order]
    offset = (np.cumsum(count) - count)[order]
    positions = np.empty(int(count.sum()), dtype=np.int64)
    active = len(order)
    for step in range(int(count.max(initial=0))):
        active = int(np.searchsorted(-remaining[:active], -step, side="left"))
        positions[offset[:active] + step] = at[:active]
        at[:active] = following[at[:active]]
    end = np.empty_like(start)
    end[order] = at
    return positions, end


def _atom_lengths(data: Uint8Array) -> Uint8Array:
    """Length of an atom record at each byte: 6, a byte per field present, four for an isotope, two for a map number."""
    kind, low, high = _ahead(data, 1), _ahead(data, 2), _ahead(data, 3)
    length = 6 + np.bitwise_count(low) + 4 * (high & 1) + 2 * ((kind >> 3) & 1)  # at most 20: fits the byte
    unknown = (low & 1) | (high & 0xFE) | _ahead(data, 4) | _ahead(data, 5) | (kind & 0b10010100)
    return np.where(unknown == 0, length, 0)


def _bond_lengths(data: Uint8Array) -> Uint8Array:
    """Length of a bond record at each byte: 3, the type unless single, the direction, the stereo mark and its atoms."""
    kind = _ahead(data, 2)
    length = 3 + ((kind >> 3) & 1) + ((kind >> 2) & 1)
    marked = np.flatnonzero(kind & 2)
    counted = np.minimum(marked + length[marked] + 1, len(data) - 1)
    length[marked] += 2 + np.minimum(data[counted], 8)  # two stereo atoms; with more, no bond
    return np.where(kind & 0b10010001, 0, length)


def _ahead(data: Uint8Array, by: int) -> Uint8Array:
    return np.concatenate([data[by:], np.zeros(by, dtype=np.uint8)])


def _read_atoms(data: Uint8Array, at: Int64Array) -> tuple[Int64Array, Uint8Array]:
    """Hydrogens of each atom, and the feature columns that need only the atom's own record."""
    kind, present = data[at + 1], data[at + 2]
    cursor = at + 6
    fields: dict[int, Uint8Array] = {}
    for bit in range(1, 8):
        has = (present >> bit) & 1
        fields[bit] = np.where(has, data[cursor], 0)
        cursor = cursor + has
    charge, chirality, hybridization, written_hydrogens, _, implied_hydrogens, radicals = fields.values()
    hybridization = np.where(present & 8, hybridization, 4)  # SP3 is the default and is not written
    hydrogens = written_hydrogens.astype(np.int64) + implied_hydrogens
    atoms = np.zeros((len(at), 9), dtype=np.uint8)
    atoms[:, 0] = codes.ATOMIC_NUMBER[data[at]]
    atoms[:, 1] = codes.CHIRALITY[chirality]
    atoms[:, 3] = codes.FORMAL_CHARGE[charge]
    atoms[:, 4] = codes.HYDROGENS[np.minimum(hydrogens, 255)]
    atoms[:, 5] = codes.RADICALS[radicals]
    atoms[:, 6] = codes.HYBRIDIZATION[hybridization]
    atoms[:, 7] = (kind >> 6) & 1
    return hydrogens, atoms


def _read_bonds(data: Uint8Array, at: Int64Array) -> tuple[Int64Array, Uint8Array]:
    """End atoms and features of each bond."""
    kind = data[at + 2]
    typed, directed = (kind >> 3) & 1, (kind >> 2) & 1
    ends = np.stack([data[at], data[at + 1]], axis=1).astype(np.int64)
    bonds = np.empty((len(at), 3), dtype=np.uint8)
    bonds[:, 0] = codes.BOND_TYPE[np.where(typed, data[at + 3], 1)]
    bonds[:, 1] = codes.BOND_STEREO[np.where(kind & 2, data[at + 3 + typed + directed], 0)]
    bonds[:, 2] = (kind >> 5) & 1
    return ends, bonds


def _ring_atoms(data: Uint8Array, at: Int64Array, first: Int64Array) -> Int64Array:
    """All ring atoms, numbered over the whole chunk; an atom in two rings occurs twice.

    Args:
        data: The buffer.
        at: Position of each ring: its size, then its atoms.
        first: First atom of the molecule each ring belongs to.
    """
    size = data[at].astype(np.int64)
    within = np.arange(int(size.sum())) - np.repeat(np.cumsum(size) - size, size)
    members: Int64Array = data[np.repeat(at + 1, size) + within].astype(np.int64)
    return np.add(members, np.repeat(first, size), out=members)
