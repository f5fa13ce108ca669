"""Atom and bond features read through RDKit's attribute calls: the definition, one molecule at a time.

:mod:`molweight.graphs._binary` reads the same numbers from RDKit's binary form, many molecules at once; unsupported
molecules are read here.
"""

from typing import TYPE_CHECKING

import numpy as np

from molweight.arrays import Uint8Array
from molweight.graphs._codes import (
    ATOMIC_NUMBER,
    BOND_STEREO,
    BOND_TYPE,
    CHIRALITY,
    DEGREE,
    FORMAL_CHARGE,
    HYBRIDIZATION,
    HYDROGENS,
    RADICALS,
)

if TYPE_CHECKING:
    from rdkit.Chem import Atom, Bond, Mol

__all__ = ["MoleculeArrays", "read_molecule"]

MoleculeArrays = tuple[Uint8Array, np.ndarray[tuple[int, int], np.dtype[np.uint16]], Uint8Array]
"""Atom features ``n x 9``, bonds ``m x 2``, bond features ``m x 3``."""


def read_molecule(molecule: "Mol") -> MoleculeArrays:
    """Features of a sanitised RDKit molecule.

    Args:
        molecule: The molecule, as returned by ``Chem.MolFromSmiles``.

    Returns:
        Atom features (``n x 9`` uint8), end atoms of each bond (``m x 2`` uint16), bond features (``m x 3`` uint8).
    """
    atoms = np.array([_atom(atom) for atom in molecule.GetAtoms()], dtype=np.uint8)
    bonds = list(molecule.GetBonds())
    ends = np.array([(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in bonds], dtype=np.uint16)
    features = np.array([_bond(bond) for bond in bonds], dtype=np.uint8)
    return atoms.reshape(-1, 9), ends.reshape(-1, 2), features.reshape(-1, 3)


def _atom(atom: "Atom") -> tuple[int, ...]:
    return (
        int(ATOMIC_NUMBER[atom.GetAtomicNum()]),
        int(CHIRALITY[int(atom.GetChiralTag())]),
        int(DEGREE[min(atom.GetTotalDegree(), 255)]),
        int(FORMAL_CHARGE[atom.GetFormalCharge() & 255]),
        int(HYDROGENS[min(atom.GetTotalNumHs(), 255)]),
        int(RADICALS[min(atom.GetNumRadicalElectrons(), 255)]),
        int(HYBRIDIZATION[int(atom.GetHybridization())]),
        int(atom.GetIsAromatic()),
        int(atom.IsInRing()),
    )


def _bond(bond: "Bond") -> tuple[int, int, int]:
    return (
        int(BOND_TYPE[int(bond.GetBondType())]),
        int(BOND_STEREO[int(bond.GetStereo())]),
        int(bond.GetIsConjugated()),
    )
