"""The discrete features of atoms and bonds: OGB's definition, as tables of allowed values.

Source: Hu et al., *Open Graph Benchmark*, NeurIPS 2020; ``ogb.utils.features`` 1.3.6. An atom has nine features, a bond
three; each value is the position of what RDKit reports in the lists below, with the last position for anything else.
"""

from typing import Final

__all__ = ["ATOM_FEATURES", "ATOM_MASK", "ATOM_SIZES", "BOND_FEATURES", "BOND_MASK", "BOND_SIZES", "FEATURISER_VERSION"]

FEATURISER_VERSION: Final = 1
"""Part of every cache key: raise it whenever a molecule's arrays would come out differently."""

ATOM_FEATURES: Final = (
    "atomic_number",
    "chirality",
    "degree",
    "formal_charge",
    "hydrogens",
    "radical_electrons",
    "hybridization",
    "aromatic",
    "in_ring",
)
"""Names of the columns of ``x``."""

BOND_FEATURES: Final = ("bond_type", "stereo", "conjugated")
"""Names of the columns of ``edge_attr``."""

ATOM_SIZES: Final = (119, 5, 12, 12, 10, 6, 6, 2, 2)
"""Number of values of each atom feature."""

BOND_SIZES: Final = (5, 6, 2)
"""Number of values of each bond feature."""

ATOM_MASK: Final = ATOM_SIZES
"""A masked atom: each feature one past its last value; encoders embed it as a learned token."""

BOND_MASK: Final = BOND_SIZES
"""A masked bond, likewise."""
