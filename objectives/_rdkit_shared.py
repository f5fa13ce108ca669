"""Descriptors by groups that share intermediate results. Importing this module imports RDKit."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

import numpy as np
from rdkit import Chem  # noqa: TID253 - this module is itself imported where descriptors are computed
from rdkit.Chem import (  # noqa: TID253 - likewise
    QED,
    Descriptors,
    Graphs,
    rdFingerprintGenerator,
    rdMolDescriptors,
)
from rdkit.Chem.EState import EState, EState_VSA  # noqa: TID253 - likewise
from rdkit.ML.InfoTheory import rdInfoTheory  # noqa: TID253 - likewise

from molweight.objectives._rdkit_screen import Screen

__all__ = ["descriptor_values"]

Values = dict[str, float]
Group = Callable[[Chem.Mol], Values]

_FAILURES: Final = (RuntimeError, ValueError, ArithmeticError, LookupError)
"""What RDKit raises where a descriptor is not defined for a molecule."""

_ALERTS: Final = Screen(list(QED.StructuralAlerts))
_MORGAN: Final = {radius: rdFingerprintGenerator.GetMorganGenerator(radius) for radius in (1, 2, 3)}
_TABLE: Final = Chem.GetPeriodicTable()
_BCUT: Final = [f"BCUT2D_{end}" for end in ("MWHI", "MWLOW", "CHGHI", "CHGLO", "LOGPHI", "LOGPLOW", "MRHI", "MRLOW")]
_FAR: Final = 1e6

# RDKit's Python parts have no types; these are the ones used here.
_characteristic_polynomial: Callable[..., np.ndarray[tuple[int, ...], np.dtype[np.float64]]]
_characteristic_polynomial = Graphs.CharacteristicPolynomial
_estate_by_surface: Callable[..., Iterable[float]] = EState_VSA.EState_VSA_
_surface_by_estate: Callable[..., Iterable[float]] = EState_VSA.VSA_EState_
_shell: Callable[[int], int] = EState.GetPrincipleQuantumNumber
_charge_limits: Final[list[Callable[[Chem.Mol], float]]] = [Descriptors.MinPartialCharge, Descriptors.MaxPartialCharge]
_qed: Callable[..., float] = QED.qed
_qed_properties: Callable[..., object] = QED.QEDproperties


def descriptor_values(molecule: Chem.Mol) -> Values:
    """All descriptors of a molecule that can be computed, by name.

    Args:
        molecule: A molecule fresh from a SMILES.

    Returns:
        A value for each name in ``DESCRIPTORS``, apart from those that RDKit fails on.
    """
    values: Values = {}
    for group in _GROUPS:
        with suppress(*_FAILURES):
            values.update(group(molecule))
    for name, function in _SINGLE:
        with suppress(*_FAILURES):
            values[name] = function(molecule)
    return values


def _numbered(prefix: str, values: Iterable[float]) -> Values:
    return {f"{prefix}{number}": value for number, value in enumerate(values, start=1)}


def _surface(molecule: Chem.Mol) -> Values:
    """Surface areas binned by charge, refractivity and log P."""
    return {
        **_numbered("PEOE_VSA", rdMolDescriptors.PEOE_VSA_(molecule)),
        **_numbered("SMR_VSA", rdMolDescriptors.SMR_VSA_(molecule)),
        **_numbered("SlogP_VSA", rdMolDescriptors.SlogP_VSA_(molecule)),
    }


def _burden(molecule: Chem.Mol) -> Values:
    """Extreme eigenvalues of weighted adjacency matrices."""
    return dict(zip(_BCUT, rdMolDescriptors.BCUT2D(molecule), strict=True))


def _electrotopological(molecule: Chem.Mol) -> Values:
    """Extremes of the EState indices, and the indices binned with surface areas."""
    indices = _estate_indices(molecule)
    molecule._eStateIndices = indices  # noqa: SLF001 - where RDKit's own functions keep and look for them
    size = np.abs(indices)
    return {
        "MaxEStateIndex": indices.max(),
        "MinEStateIndex": indices.min(),
        "MaxAbsEStateIndex": size.max(),
        "MinAbsEStateIndex": size.min(),
        **_numbered("EState_VSA", _estate_by_surface(molecule, force=False)),
        **_numbered("VSA_EState", _surface_by_estate(molecule, force=False)),
    }


def _estate_indices(molecule: Chem.Mol) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """EState indices as in ``rdkit.Chem.EState.EStateIndices``, without its loop over pairs of atoms."""
    intrinsic = np.array([_intrinsic_state(atom) for atom in molecule.GetAtoms()])
    distance = Chem.GetDistanceMatrix(molecule, useBO=False, useAtomWts=False) + 1
    weight = np.where(distance < _FAR, 1 / distance**2, 0)
    influence = ((intrinsic[:, None] - intrinsic[None, :]) * weight).sum(1)
    return np.asarray(influence + intrinsic, dtype=np.float64)


def _intrinsic_state(atom: Chem.Atom) -> float:
    degree = atom.GetDegree()
    if degree == 0:
        return 0.0
    number = atom.GetAtomicNum()
    valence = _TABLE.GetNOuterElecs(number) - atom.GetTotalNumHs()
    shell = _shell(number)
    return float((4.0 / (shell * shell) * valence + 1) / degree)


def _information(molecule: Chem.Mol) -> Values:
    """Information content of the characteristic polynomial of the adjacency matrix."""
    adjacency = Chem.GetDistanceMatrix(molecule, useBO=False) == 1
    coefficients = np.abs(_characteristic_polynomial(molecule, adjacency))
    average = rdInfoTheory.InfoEntropy(coefficients)
    return {"AvgIpc": average, "Ipc": sum(coefficients) * average}


def _charges(molecule: Chem.Mol) -> Values:
    """Extremes of the Gasteiger charges."""
    low, high = (limit(molecule) for limit in _charge_limits)
    return {
        "MinPartialCharge": low,
        "MaxPartialCharge": high,
        "MaxAbsPartialCharge": max(abs(low), abs(high)),
        "MinAbsPartialCharge": min(abs(low), abs(high)),
    }


def _densities(molecule: Chem.Mol) -> Values:
    """Distinct circular substructures per heavy atom."""
    heavy = molecule.GetNumHeavyAtoms()
    counts = {r: len(g.GetSparseCountFingerprint(molecule).GetNonzeroElements()) for r, g in _MORGAN.items()}
    return {f"FpDensityMorgan{radius}": count / heavy if heavy else 0.0 for radius, count in counts.items()}


def _drug_likeness(molecule: Chem.Mol) -> Values:
    """Crippen's log P and refractivity, polar surface, and QED, which uses them."""
    log_p, refractivity = rdMolDescriptors.CalcCrippenDescriptors(molecule)
    polar = rdMolDescriptors.CalcTPSA(molecule)
    values = {"MolLogP": log_p, "MolMR": refractivity, "TPSA": polar}
    if any(atom.GetAtomicNum() == 1 for atom in molecule.GetAtoms()):
        return {**values, "qed": _qed(molecule)}  # RDKit removes such atoms first
    return {**values, "qed": _qed(molecule, qedProperties=_qed_terms(molecule, log_p, polar))}


def _qed_terms(molecule: Chem.Mol, log_p: float, polar: float) -> object:
    """What ``rdkit.Chem.QED.properties`` returns for a molecule without explicit hydrogens."""
    rings = molecule.GetRingInfo().NumRings()
    return _qed_properties(
        MW=rdMolDescriptors._CalcMolWt(molecule),  # noqa: SLF001 - as RDKit's QED does
        ALOGP=log_p,
        HBA=sum(len(molecule.GetSubstructMatches(pattern)) for pattern in QED.Acceptors),
        HBD=rdMolDescriptors.CalcNumHBD(molecule),
        PSA=polar,
        ROTB=rdMolDescriptors.CalcNumRotatableBonds(molecule, rdMolDescriptors.NumRotatableBondsOptions.Strict),
        AROM=len(Chem.GetSSSR(Chem.DeleteSubstructs(Chem.Mol(molecule), QED.AliphaticRings))) if rings else 0,
        ALERTS=sum(molecule.HasSubstructMatch(query) for _, query in _ALERTS.possible(molecule)),
    )


_GROUPS: Final[list[Group]] = [
    _surface,
    _burden,
    _electrotopological,
    _information,
    _charges,
    _densities,
    _drug_likeness,
]


def _single() -> list[tuple[str, Callable[[Chem.Mol], float]]]:
    """The descriptors that no group computes, with RDKit's own functions."""
    grouped = {"MaxEStateIndex", "MinEStateIndex", "MaxAbsEStateIndex", "MinAbsEStateIndex", "AvgIpc", "Ipc"}
    grouped |= {"MolLogP", "MolMR", "TPSA", "qed"}
    parts = ("fr_", "PEOE_VSA", "SMR_VSA", "SlogP_VSA", "EState_VSA", "VSA_EState", "BCUT2D_", "FpDensityMorgan")
    return [
        (name, function)
        for name, function in Descriptors.descList
        if name not in grouped and not name.startswith(parts) and not name.endswith("PartialCharge")
    ]


_SINGLE: Final = _single()
