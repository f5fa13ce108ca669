"""RDKit's numbers for the features of atoms and bonds, translated to positions in OGB's lists.

Each table is indexed by a byte: RDKit's enumeration value, a count, or a formal charge as an unsigned byte (-1 is 255).
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from molweight.arrays import Uint8Array

__all__ = [
    "ATOMIC_NUMBER",
    "BOND_STEREO",
    "BOND_TYPE",
    "CHIRALITY",
    "DEGREE",
    "FORMAL_CHARGE",
    "HYBRIDIZATION",
    "HYDROGENS",
    "RADICALS",
]


def _table(positions: Mapping[int, int], other: int) -> Uint8Array:
    table = np.full(256, other, dtype=np.uint8)
    for code, position in positions.items():
        table[code & 255] = position
    return table


def _counts(last: int) -> Uint8Array:
    return _table({count: count for count in range(last)}, other=last)


ATOMIC_NUMBER: Final = _table({number: number - 1 for number in range(1, 119)}, other=118)
CHIRALITY: Final = _counts(4)
"""Unspecified, tetrahedral clockwise, counter-clockwise, other; then all newer values."""
DEGREE: Final = _counts(11)
FORMAL_CHARGE: Final = _table({charge: charge + 5 for charge in range(-5, 6)}, other=11)
HYDROGENS: Final = _counts(9)
RADICALS: Final = _counts(5)
HYBRIDIZATION: Final = _table({2: 0, 3: 1, 4: 2, 6: 3, 7: 4}, other=5)
"""SP, SP2, SP3, SP3D, SP3D2; then all others."""
BOND_TYPE: Final = _table({1: 0, 2: 1, 3: 2, 12: 3}, other=4)
"""Single, double, triple, aromatic; then all others."""
BOND_STEREO: Final = _table({0: 0, 2: 1, 3: 2, 4: 3, 5: 4}, other=5)
"""None, Z, E, cis, trans; then any. OGB's list has no entry for atropisomers: they count as any."""
