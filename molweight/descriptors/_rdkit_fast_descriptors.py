"""Two-dimensional descriptors that RDKit computes in compiled code; RDKit is imported on first use."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from molweight.arrays import Float32Array, Float64Array
from molweight.descriptors._parse import parse_smiles

if TYPE_CHECKING:
    from rdkit.Chem import Mol

__all__ = ["CHEAP_DESCRIPTORS", "FAST_DESCRIPTORS", "charge_limits", "cheap_descriptors", "fast_descriptors"]


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

CHEAP_DESCRIPTORS: Final = (
    *_PROPERTIES,
    *(f"{prefix}{number}" for prefix, count in _SURFACES for number in range(1, count + 1)),
    *_CHARGES,
    *_COUNTS,
)
"""Names of the values of :func:`cheap_descriptors`, in the order of the columns."""

_MQN: Final = 42
_AUTOCORRELATION: Final = 192

FAST_DESCRIPTORS: Final = (
    *CHEAP_DESCRIPTORS,
    *(f"MQN{number}" for number in range(1, _MQN + 1)),
    *(f"AUTOCORR2D_{number}" for number in range(1, _AUTOCORRELATION + 1)),
)
"""Names of the values of :func:`fast_descriptors`, in the order of the columns."""

_Function = Callable[["Mol"], Sequence[float]]


def cheap_descriptors(smiles: Sequence[str]) -> Float32Array:
    """Descriptors that RDKit computes in compiled code: constitution, connectivity indices, surface areas, charges.

    Descriptors with slow Python code, which would cost more than the rest together, are left out (QED, Bertz'
    complexity, BCUT, EState indices, the spacial score).

    Args:
        smiles: Molecules that RDKit can parse.

    Returns:
        Values, ``n x len(CHEAP_DESCRIPTORS)``; NaN where undefined, infinite, or outside the range of float32.

    Raises:
        DataError: If a molecule cannot be parsed.

    Example:
        >>> values = cheap_descriptors(["CCO", "[Na+].[Cl-]"])
        >>> values[:, CHEAP_DESCRIPTORS.index("NumHeavyAtoms")].tolist()
        [3.0, 2.0]
    """
    with np.errstate(over="ignore"):
        narrow = _values(smiles, _functions(), len(CHEAP_DESCRIPTORS)).astype(np.float32)
    return np.where(np.isfinite(narrow), narrow, np.float32(np.nan))


def fast_descriptors(smiles: Sequence[str]) -> Float32Array:
    """The values of :func:`cheap_descriptors`, Molecular Quantum Numbers, and 2D autocorrelations: 319 in all.

    They take 1,276 bytes per molecule. Half precision is not used, because its rounding could depend on the order of
    the atoms.

    Source: Nguyen et al., *Classification of Organic Molecules by Molecular Quantum Numbers*, ChemMedChem 2009; Moreau
    & Broto, *The Autocorrelation of a Topological Structure*, Nouv. J. Chim. 1980.

    Args:
        smiles: Molecules that RDKit can parse.

    Returns:
        Values, ``n x 319``; NaN where undefined, infinite, or outside the range of float32.

    Raises:
        DataError: If a molecule cannot be parsed.

    Example:
        >>> fast_descriptors(["CCO"])[0, FAST_DESCRIPTORS.index("MQN1")]  # carbon atoms
        np.float32(2.0)
    """
    with np.errstate(over="ignore"):
        narrow = _values(smiles, (*_functions(), *_more()), len(FAST_DESCRIPTORS)).astype(np.float32)
    return np.where(np.isfinite(narrow), narrow, np.float32(np.nan))


def _values(smiles: Sequence[str], functions: Sequence[tuple[int, _Function]], width: int) -> Float64Array:
    table = np.full((len(smiles), width), np.nan)
    for row, text in enumerate(smiles):
        molecule, start = parse_smiles(text), 0
        for count, function in functions:
            with suppress(RuntimeError, ValueError, ArithmeticError):  # raised by RDKit for undefined values
                table[row, start : start + count] = function(molecule)
            start += count
    return table


@cache
def _more() -> list[tuple[int, _Function]]:
    from rdkit.Chem import rdMolDescriptors

    return [(_MQN, rdMolDescriptors.MQNs_), (_AUTOCORRELATION, _autocorrelations)]


def _autocorrelations(molecule: "Mol") -> Sequence[float]:
    """Autocorrelations with atoms in canonical order: RDKit rounds order-dependent sums to three decimals."""
    from rdkit import Chem
    from rdkit.Chem import rdMolDescriptors

    order = np.argsort(Chem.CanonicalRankAtoms(molecule)).tolist()
    found: Sequence[float] = rdMolDescriptors.CalcAUTOCORR2D(Chem.RenumberAtoms(molecule, order))
    return found


@cache
def _functions() -> list[tuple[int, _Function]]:
    from rdkit.Chem import rdMolDescriptors

    properties: Any = rdMolDescriptors.Properties(_PROPERTIES)
    surfaces: list[_Function] = [
        rdMolDescriptors.PEOE_VSA_,
        rdMolDescriptors.SMR_VSA_,
        rdMolDescriptors.SlogP_VSA_,
    ]
    return [
        (len(_PROPERTIES), properties.ComputeProperties),
        *((count, function) for (_, count), function in zip(_SURFACES, surfaces, strict=True)),
        (len(_CHARGES), charge_limits),
        (len(_COUNTS), _counts),
    ]


def charge_limits(molecule: "Mol") -> tuple[float, float]:
    """Largest and smallest Gasteiger charge; NaN if RDKit has no parameters for an atom.

    Python's ``max`` and ``min``, which RDKit's own descriptors use, return NaN or a number, depending on the order of
    the atoms.

    Args:
        molecule: A molecule parsed from a SMILES.

    Raises:
        ValueError: If it has no atoms.
    """
    from rdkit.Chem import rdPartialCharges

    rdPartialCharges.ComputeGasteigerCharges(molecule)
    charges = [atom.GetDoubleProp("_GasteigerCharge") for atom in molecule.GetAtoms()]
    return float(np.max(charges)), float(np.min(charges))


def _counts(molecule: "Mol") -> Sequence[float]:
    """Charge, unpaired electrons, valence electrons, and components of a mixture."""
    from rdkit import Chem

    table = Chem.GetPeriodicTable()
    charge = Chem.GetFormalCharge(molecule)
    atoms = list(molecule.GetAtoms())
    outer = sum(table.GetNOuterElecs(atom.GetAtomicNum()) + atom.GetTotalNumHs() for atom in atoms)
    radicals = sum(atom.GetNumRadicalElectrons() for atom in atoms)
    return [charge, radicals, outer - charge, len(Chem.GetMolFrags(molecule))]
