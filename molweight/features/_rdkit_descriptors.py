"""Cheap two-dimensional descriptors; RDKit is imported when they are computed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from molweight.arrays import Float32Array
from molweight.errors import DataError
from molweight.graphs.internal import parse_molecule

if TYPE_CHECKING:
    from rdkit.Chem import Mol

__all__ = ["DESCRIPTOR_NAMES", "cheap_descriptors", "parse_smiles"]


_PROPERTIES: Final = [
    "exactmw",
    "amw",
    "lipinskiHBA",
    "lipinskiHBD",
    "NumRotatableBonds",
    "NumHBD",
    "NumHBA",
    "NumHeavyAtoms",
    "NumAtoms",
    "NumHeteroatoms",
    "NumAmideBonds",
    "FractionCSP3",
    "NumRings",
    "NumAromaticRings",
    "NumAliphaticRings",
    "NumSaturatedRings",
    "NumHeterocycles",
    "NumAromaticHeterocycles",
    "NumSaturatedHeterocycles",
    "NumAliphaticHeterocycles",
    "NumSpiroAtoms",
    "NumBridgeheadAtoms",
    "NumAtomStereoCenters",
    "NumUnspecifiedAtomStereoCenters",
    "labuteASA",
    "tpsa",
    "CrippenClogP",
    "CrippenMR",
    "chi0v",
    "chi1v",
    "chi2v",
    "chi3v",
    "chi4v",
    "chi0n",
    "chi1n",
    "chi2n",
    "chi3n",
    "chi4n",
    "hallKierAlpha",
    "kappa1",
    "kappa2",
    "kappa3",
    "Phi",
]
_SURFACES: Final = (("PEOE_VSA", 14), ("SMR_VSA", 10), ("SlogP_VSA", 12))
_CHARGES: Final = ("MaxPartialCharge", "MinPartialCharge")
_COUNTS: Final = ("FormalCharge", "NumRadicalElectrons", "NumValenceElectrons", "NumComponents")

DESCRIPTOR_NAMES: Final = (
    *_PROPERTIES,
    *(f"{prefix}{number}" for prefix, count in _SURFACES for number in range(1, count + 1)),
    *_CHARGES,
    *_COUNTS,
)
"""Names of the descriptors, in the order of the columns."""


def parse_smiles(smiles: str) -> "Mol":
    """The molecule of a SMILES.

    Raises:
        DataError: If RDKit cannot parse it.
    """
    molecule = parse_molecule(smiles)
    if molecule is None:
        raise DataError(f"RDKit cannot parse {smiles!r}; drop such rows first, as molweight.graphs.build_dataset does.")
    return molecule


def cheap_descriptors(smiles: Sequence[str]) -> Float32Array:
    """Descriptors that RDKit computes in compiled code: constitution, connectivity indices, surface areas, charges.

    Left out are those whose Python code costs more than the rest together (QED, Bertz' complexity, BCUT, EState
    indices, the spacial score).

    Args:
        smiles: Molecules that RDKit can parse.

    Returns:
        Values, ``n x len(DESCRIPTOR_NAMES)``; NaN where RDKit gives none, an infinity, or one that float32 cannot hold.

    Raises:
        DataError: If a molecule cannot be parsed.

    Example:
        >>> values = cheap_descriptors(["CCO", "[Na+].[Cl-]"])
        >>> values[:, DESCRIPTOR_NAMES.index("NumHeavyAtoms")].tolist()
        [3.0, 2.0]
    """
    table = np.full((len(smiles), len(DESCRIPTOR_NAMES)), np.nan)
    for row, text in enumerate(smiles):
        molecule = parse_smiles(text)
        for start, values in _groups(molecule):
            table[row, start : start + len(values)] = values
    with np.errstate(over="ignore"):
        narrow = table.astype(np.float32)
    return np.where(np.isfinite(narrow), narrow, np.float32(np.nan))


def _groups(molecule: "Mol") -> Iterator[tuple[int, Sequence[float]]]:
    """First column and values of each group that can be computed."""
    start = 0
    for width, function in _functions():
        with suppress(RuntimeError, ValueError, ArithmeticError):  # what RDKit raises where a value is undefined
            yield start, function(molecule)
        start += width


@cache
def _functions() -> list[tuple[int, Callable[["Mol"], Sequence[float]]]]:
    from rdkit.Chem import rdMolDescriptors

    properties: Any = rdMolDescriptors.Properties(_PROPERTIES)
    surfaces: list[Callable[[Mol], Sequence[float]]] = [
        rdMolDescriptors.PEOE_VSA_,
        rdMolDescriptors.SMR_VSA_,
        rdMolDescriptors.SlogP_VSA_,
    ]
    return [
        (len(_PROPERTIES), properties.ComputeProperties),
        *((count, function) for (_, count), function in zip(_SURFACES, surfaces, strict=True)),
        (len(_CHARGES), _charge_limits),
        (len(_COUNTS), _counts),
    ]


def _charge_limits(molecule: "Mol") -> Sequence[float]:
    """Largest and smallest Gasteiger charge."""
    from rdkit.Chem import rdPartialCharges

    rdPartialCharges.ComputeGasteigerCharges(molecule)
    charges = [atom.GetDoubleProp("_GasteigerCharge") for atom in molecule.GetAtoms()]
    return [max(charges), min(charges)]


def _counts(molecule: "Mol") -> Sequence[float]:
    """Charge, unpaired electrons, valence electrons, and components of a mixture."""
    from rdkit import Chem

    table = Chem.GetPeriodicTable()
    charge = Chem.GetFormalCharge(molecule)
    atoms = list(molecule.GetAtoms())
    outer = sum(table.GetNOuterElecs(atom.GetAtomicNum()) + atom.GetTotalNumHs() for atom in atoms)
    radicals = sum(atom.GetNumRadicalElectrons() for atom in atoms)
    return [charge, radicals, outer - charge, len(Chem.GetMolFrags(molecule))]
