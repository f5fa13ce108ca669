"""Descriptors, in groups that share intermediate results. Importing this module imports RDKit."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

import numpy as np
from rdkit import Chem  # noqa: TID253 - this module is itself imported where descriptors are computed
from rdkit.Chem import QED, Descriptors, rdFingerprintGenerator, rdMolDescriptors  # noqa: TID253 - likewise
from rdkit.Chem.EState import EState_VSA  # noqa: TID253 - likewise

from molweight.descriptors._rdkit_fast_descriptors import charge_limits
from molweight.descriptors._rdkit_screen import Screen
from molweight.descriptors._rdkit_walk import (
    Walk,
    aromatic_rings,
    balaban_j,
    estate_indices,
    information_content,
    spacial_score,
)

__all__ = ["descriptor_values"]

Values = dict[str, float]
Group = Callable[[Walk], Values]

_FAILURES: Final = (RuntimeError, ValueError, ArithmeticError, LookupError)
"""Exceptions of RDKit for undefined descriptors."""

_ALERTS: Final = Screen(list(QED.StructuralAlerts))
_MORGAN: Final = {radius: rdFingerprintGenerator.GetMorganGenerator(radius) for radius in (1, 2, 3)}
_BCUT: Final = [f"BCUT2D_{end}" for end in ("MWHI", "MWLOW", "CHGHI", "CHGLO", "LOGPHI", "LOGPLOW", "MRHI", "MRLOW")]

# RDKit's Python parts have no types; these are the ones used here.
_estate_by_surface: Callable[..., Iterable[float]] = EState_VSA.EState_VSA_
_surface_by_estate: Callable[..., Iterable[float]] = EState_VSA.VSA_EState_
_qed: Callable[..., float] = QED.qed
_qed_properties: Callable[..., object] = QED.QEDproperties


def descriptor_values(molecule: Chem.Mol) -> Values:
    """All descriptors of a molecule that can be computed, by name.

    Args:
        molecule: A molecule parsed from a SMILES.

    Returns:
        A value for each name in ``DESCRIPTORS``, except those for which RDKit fails.
    """
    values: Values = {}
    walk = Walk.of(molecule)
    for group in _GROUPS:
        with suppress(*_FAILURES):
            values.update(group(walk))
    for name, function in _SINGLE:
        with suppress(*_FAILURES):
            values[name] = function(molecule)
    return values


def _numbered(prefix: str, values: Iterable[float]) -> Values:
    return {f"{prefix}{number}": value for number, value in enumerate(values, start=1)}


def _surface(walk: Walk) -> Values:
    """Surface areas binned by charge, refractivity and log P."""
    return {
        **_numbered("PEOE_VSA", rdMolDescriptors.PEOE_VSA_(walk.molecule)),
        **_numbered("SMR_VSA", rdMolDescriptors.SMR_VSA_(walk.molecule)),
        **_numbered("SlogP_VSA", rdMolDescriptors.SlogP_VSA_(walk.molecule)),
    }


def _burden(walk: Walk) -> Values:
    """Extreme eigenvalues of weighted adjacency matrices."""
    return dict(zip(_BCUT, rdMolDescriptors.BCUT2D(walk.molecule), strict=True))


def _counts(walk: Walk) -> Values:
    """Sums over the atoms, and over the bonds."""
    first, second = walk.bonds()
    return {
        "NumValenceElectrons": sum(walk.outer_electrons)
        + sum(walk.hydrogens)
        - sum(atom.GetFormalCharge() for atom in walk.atoms),
        "NumRadicalElectrons": sum(atom.GetNumRadicalElectrons() for atom in walk.atoms),
        "Chi0": (1 / np.sqrt(walk.degrees[walk.degrees > 0])).sum(),
        "Chi1": (1 / np.sqrt(walk.degrees[first] * walk.degrees[second])).sum(),
    }


def _graph(walk: Walk) -> Values:
    """Indices of the whole graph."""
    average, total = information_content(walk)
    return {"AvgIpc": average, "Ipc": total, "BalabanJ": balaban_j(walk)}


def _spacial(walk: Walk) -> Values:
    """The spacial score; separate, because it is undefined without heavy atoms."""
    return {"SPS": spacial_score(walk)}


def _electrotopological(walk: Walk) -> Values:
    """Extremes of the EState indices, and the indices binned with surface areas."""
    indices = estate_indices(walk)
    walk.molecule._eStateIndices = indices  # noqa: SLF001 - where RDKit's own functions keep and look for them
    size = np.abs(indices)
    return {
        "MaxEStateIndex": indices.max(),
        "MinEStateIndex": indices.min(),
        "MaxAbsEStateIndex": size.max(),
        "MinAbsEStateIndex": size.min(),
        **_numbered("EState_VSA", _estate_by_surface(walk.molecule, force=False)),
        **_numbered("VSA_EState", _surface_by_estate(walk.molecule, force=False)),
    }


def _charges(walk: Walk) -> Values:
    """Extremes of the Gasteiger charges."""
    high, low = charge_limits(walk.molecule)
    return {
        "MinPartialCharge": low,
        "MaxPartialCharge": high,
        "MaxAbsPartialCharge": max(abs(low), abs(high)),
        "MinAbsPartialCharge": min(abs(low), abs(high)),
    }


def _densities(walk: Walk) -> Values:
    """Distinct circular substructures per heavy atom."""
    heavy = walk.molecule.GetNumHeavyAtoms()
    counts = {r: len(g.GetSparseCountFingerprint(walk.molecule).GetNonzeroElements()) for r, g in _MORGAN.items()}
    return {f"FpDensityMorgan{radius}": count / heavy if heavy else 0.0 for radius, count in counts.items()}


def _drug_likeness(walk: Walk) -> Values:
    """Crippen's log P and refractivity, polar surface, and QED, which uses them."""
    log_p, refractivity = rdMolDescriptors.CalcCrippenDescriptors(walk.molecule)
    polar = rdMolDescriptors.CalcTPSA(walk.molecule)
    values = {"MolLogP": log_p, "MolMR": refractivity, "TPSA": polar}
    if 1 in walk.numbers:  # QED removes hydrogens from the graph first
        return {**values, "qed": _qed(walk.molecule)}
    return {**values, "qed": _qed(walk.molecule, qedProperties=_qed_terms(walk, log_p, polar))}


def _qed_terms(walk: Walk, log_p: float, polar: float) -> object:
    """The result of ``rdkit.Chem.QED.properties`` for a molecule without hydrogens in its graph."""
    molecule = walk.molecule
    return _qed_properties(
        MW=rdMolDescriptors._CalcMolWt(molecule),  # noqa: SLF001 - as RDKit's QED does
        ALOGP=log_p,
        HBA=sum(len(molecule.GetSubstructMatches(pattern)) for pattern in QED.Acceptors),
        HBD=rdMolDescriptors.CalcNumHBD(molecule),
        PSA=polar,
        ROTB=rdMolDescriptors.CalcNumRotatableBonds(molecule, rdMolDescriptors.NumRotatableBondsOptions.Strict),
        AROM=aromatic_rings(walk, QED.AliphaticRings),
        ALERTS=sum(molecule.HasSubstructMatch(query) for _, query in _ALERTS.possible(walk.numbers)),
    )


_GROUPS: Final[list[Group]] = [
    _surface,
    _burden,
    _counts,
    _graph,
    _spacial,
    _electrotopological,
    _charges,
    _densities,
    _drug_likeness,
]


_GROUPED: Final = (
    *("PEOE_VSA", "SMR_VSA", "SlogP_VSA", "EState_VSA", "VSA_EState", "BCUT2D_", "FpDensityMorgan", "fr_"),
    *("MaxEState", "MinEState", "MaxAbsEState", "MinAbsEState", "AvgIpc", "Ipc", "BalabanJ", "SPS"),
    *("NumValenceElectrons", "NumRadicalElectrons", "MolLogP", "MolMR", "TPSA", "qed"),
    *("MaxPartial", "MinPartial", "MaxAbsPartial", "MinAbsPartial"),
)
"""Prefixes of names that are computed in groups, or that are excluded here."""

_SINGLE: Final[list[tuple[str, Callable[[Chem.Mol], float]]]] = [
    (name, function)
    for name, function in Descriptors.descList
    if name not in ("Chi0", "Chi1") and not name.startswith(_GROUPED)
]
"""The other descriptors, computed by RDKit's own functions."""
