"""One walk over the atoms of a molecule, and the graph indices computed from it. Importing this module imports RDKit.

The formulas are those of RDKit's Python functions of the same names, over arrays instead of loops over pairs of atoms.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from rdkit import Chem  # noqa: TID253 - this module is itself imported where descriptors are computed
from rdkit.Chem.EState.EState import GetPrincipleQuantumNumber  # noqa: TID253 - likewise
from rdkit.ML.InfoTheory import rdInfoTheory  # noqa: TID253 - likewise

from molweight.arrays import Float64Array

__all__ = ["Walk", "aromatic_rings", "balaban_j", "estate_indices", "information_content", "spacial_score"]

Index = np.ndarray[tuple[int, ...], np.dtype[np.signedinteger]]

_FAR: Final = 1e6
_HYBRIDISATION: Final = {
    Chem.HybridizationType.SP: 1,
    Chem.HybridizationType.SP2: 2,
    Chem.HybridizationType.SP3: 3,
}
_OTHER_HYBRIDISATION: Final = 4

# RDKit's Python parts have no types; these are the ones used here.
_chiral_centres: Callable[..., list[tuple[int, str]]] = Chem.FindMolChiralCenters
_shell: Callable[[int], int] = cache(GetPrincipleQuantumNumber)


@dataclass(frozen=True)
class Walk:
    """RDKit's properties of each atom, read once because each access takes a microsecond in Python.

    Args:
        molecule: The molecule.
        atoms: Its atoms.
        numbers: Atomic number of each atom.
        degrees: Number of neighbours of each atom.
        hydrogens: Number of hydrogens of each atom.
        distance: Number of bonds between each pair of atoms; very large if they are not connected.
    """

    molecule: Chem.Mol
    atoms: list[Chem.Atom]
    numbers: list[int]
    degrees: Float64Array
    hydrogens: list[int]
    distance: Float64Array

    @classmethod
    def of(cls, molecule: Chem.Mol) -> "Walk":
        """Read the atoms of a molecule."""
        atoms = [molecule.GetAtomWithIdx(index) for index in range(molecule.GetNumAtoms())]
        return cls(
            molecule,
            atoms,
            [atom.GetAtomicNum() for atom in atoms],
            np.array([atom.GetDegree() for atom in atoms], dtype=np.float64),
            [atom.GetTotalNumHs() for atom in atoms],
            Chem.GetDistanceMatrix(molecule, useBO=False, useAtomWts=False),
        )

    @property
    def outer_electrons(self) -> list[int]:
        """Number of electrons in the outer shell of each atom."""
        return [_outer_electrons(number) for number in self.numbers]

    def bonds(self) -> tuple[Index, Index]:
        """The two end atoms of every bond, as index arrays."""
        first, second = np.nonzero(np.triu(self.distance == 1))
        return first, second


@cache
def _outer_electrons(number: int) -> int:
    return int(Chem.GetPeriodicTable().GetNOuterElecs(number))


def estate_indices(walk: Walk) -> Float64Array:
    """Electrotopological state of each atom (Hall, Mohney & Kier 1991), as ``rdkit.Chem.EState.EStateIndices``."""
    shells = np.array([_shell(number) for number in walk.numbers])
    valence = np.array(walk.outer_electrons) - walk.hydrogens
    bare = (4.0 / (shells * shells) * valence + 1) / np.maximum(walk.degrees, 1)
    intrinsic = np.where(walk.degrees > 0, bare, 0.0)
    steps = walk.distance + 1
    weight = np.where(steps < _FAR, 1 / steps**2, 0)
    return np.asarray(((intrinsic[:, None] - intrinsic) * weight).sum(1) + intrinsic, dtype=np.float64)


def information_content(walk: Walk) -> tuple[float, float]:
    """``AvgIpc`` and ``Ipc``: information content of the adjacency matrix's characteristic polynomial.

    The coefficients come from the Le Verrier-Faddeev-Frame recursion, as in ``rdkit.Chem.Graphs``.
    """
    adjacency = (walk.distance == 1).astype(np.float64)
    size = len(adjacency)
    coefficients = np.ones(size + 1)
    power = adjacency.copy()
    for order in range(1, size + 1):
        coefficients[order] = power.ravel()[:: size + 1].sum() / order
        power.ravel()[:: size + 1] -= coefficients[order]
        power = adjacency @ power
    coefficients = np.abs(coefficients)
    average = float(rdInfoTheory.InfoEntropy(coefficients))
    return average, float(coefficients.sum() * average)


def balaban_j(walk: Walk) -> float:
    """Balaban's J (Chem. Phys. Lett. 1982, 89, 399), as ``rdkit.Chem.GraphDescriptors.BalabanJ``."""
    sums = Chem.GetDistanceMatrix(walk.molecule, useBO=True, useAtomWts=False, force=False, prefix="Balaban").sum(0)
    first, second = walk.bonds()
    bonds = walk.molecule.GetNumBonds()
    rings = bonds - len(walk.atoms) + 1
    if rings + 1 == 0:
        return 0.0
    return float(bonds / (rings + 1) * (1 / np.sqrt(sums[first] * sums[second])).sum())


def spacial_score(walk: Walk) -> float:
    """Spacial score per heavy atom (Krzyzanowski et al. 2023), as ``rdkit.Chem.SpacialScore.SPS``."""
    copy = Chem.Mol(walk.molecule)
    Chem.FindPotentialStereoBonds(copy)
    centres = _chiral_centres(copy, includeUnassigned=True, includeCIP=False, useLegacyImplementation=False)
    stereo = {index for index, _ in centres}
    for index in range(copy.GetNumBonds()):
        bond = copy.GetBondWithIdx(index)
        if bond.GetBondType() == Chem.BondType.DOUBLE and bond.GetStereo() != Chem.BondStereo.STEREONONE:
            stereo |= {bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()}
    total = 0.0
    for index, atom in enumerate(walk.atoms):
        hybridisation = _HYBRIDISATION.get(atom.GetHybridization(), _OTHER_HYBRIDISATION)
        ring = 2 if atom.IsInRing() and not atom.GetIsAromatic() else 1
        total += hybridisation * (2 if index in stereo else 1) * ring * walk.degrees[index] ** 2
    return float(total) / copy.GetNumHeavyAtoms()


def aromatic_rings(walk: Walk, aliphatic: Chem.Mol) -> int:
    """Rings that remain without the atoms that match ``aliphatic``, as counted by ``rdkit.Chem.QED``."""
    removed = {atom for (atom,) in walk.molecule.GetSubstructMatches(aliphatic)}
    parent = list(range(len(walk.atoms)))

    def root(atom: int) -> int:
        while parent[atom] != atom:
            atom = parent[atom]
        return atom

    rings = 0
    for first, second in zip(*(ends.tolist() for ends in walk.bonds()), strict=True):
        if first in removed or second in removed:
            continue
        one, other = root(first), root(second)
        rings += one == other  # a bond within a component closes a ring
        parent[one] = other
    return rings
