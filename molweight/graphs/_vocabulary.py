"""The discrete features of atoms and bonds, as tables of allowed values.

An atom has nine features, a bond three. They are those of OGB (Hu et al., *Open Graph Benchmark*, NeurIPS 2020;
``ogb.utils.features`` 1.3.6), except the two stereochemical ones, ``chirality`` and ``stereo``, which are CIP labels by
default; see :class:`molweight.graphs.Featuriser`. Sizes are the same for both choices.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = [
    "ATOM_FEATURES",
    "ATOM_MASK",
    "ATOM_SIZES",
    "BOND_FEATURES",
    "BOND_MASK",
    "BOND_SIZES",
    "BOND_STEREO",
    "CHIRALITY",
    "CIP_ATOM_LABELS",
    "CIP_BOND_LABELS",
    "FEATURISER_VERSION",
    "PARSER_VERSION",
]

PARSER_VERSION: Final = 2
"""Incremented when the set of accepted SMILES changes, so that cached tables are parsed again."""
FEATURISER_VERSION: Final = 2
"""Part of every cache key; incremented whenever the arrays of molecules change."""

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
"""A masked bond: each feature one past its last value."""

CHIRALITY: Final = ATOM_FEATURES.index("chirality")
"""Column of ``x`` with the configuration of atoms."""

BOND_STEREO: Final = BOND_FEATURES.index("stereo")
"""Column of ``edge_attr`` with the configuration of bonds."""

CIP_ATOM_LABELS: Final[Mapping[str, int]] = MappingProxyType({"R": 1, "S": 2, "r": 3, "s": 4})
"""Values of ``chirality`` by CIP label; 0 is a centre without one. Lower case is pseudoasymmetric."""

CIP_BOND_LABELS: Final[Mapping[str, int]] = MappingProxyType(
    {"Z": 1, "E": 2, "z": 1, "e": 2, "M": 3, "P": 4, "m": 3, "p": 4}
)
"""Values of ``stereo`` by CIP label: double bonds, then chiral axes; 0 is a bond without one."""
