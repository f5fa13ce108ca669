"""Stereochemical labels that depend only on the molecule, not on the order of its atoms."""

import logging
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from molweight.graphs._vocabulary import CIP_ATOM_LABELS, CIP_BOND_LABELS

if TYPE_CHECKING:
    from rdkit.Chem import Atom, Bond, Mol, QueryAtom

__all__ = ["StereoLabels", "may_have_stereo", "stereo_labels"]

_BOND_MARKS: Final = frozenset("/\\|")
"""Characters that mark stereochemistry of bonds in a SMILES; the bar opens the extensions of CXSMILES."""
_MARKS: Final = _BOND_MARKS | {"@"}
_CODE: Final = "_CIPCode"
_FIRST_LIMIT: Final = 100_000
"""Number of branch comparisons, under 0.1 s. Drug-like molecules need a few hundred, a protein of 20 kDa 600."""
_LAST_LIMIT: Final = 10 * _FIRST_LIMIT
_log = logging.getLogger(__name__)


class StereoLabels(NamedTuple):
    """The labelled atoms and bonds of a molecule.

    Args:
        atoms: Feature value by position of the atom.
        bonds: Feature value by position of the bond.
    """

    atoms: dict[int, int]
    bonds: dict[int, int]


def may_have_stereo(smiles: str) -> bool:
    """Whether a SMILES can contain stereochemistry; most cannot, so that :func:`stereo_labels` can be skipped."""
    return not _MARKS.isdisjoint(smiles)


def stereo_labels(molecule: "Mol", smiles: str) -> StereoLabels:
    """CIP descriptors of a molecule as feature values.

    RDKit's older labels, which parsing a SMILES assigns, differ from these: they depend on atom-map numbers, lack
    pseudoasymmetric centres, and are wrong for sulfoxides.

    Args:
        molecule: A sanitised molecule. Its ``_CIPCode`` properties are replaced.
        smiles: The SMILES from which it was parsed; if it has no bond marks, bonds are skipped.

    Returns:
        The labels. They are empty if the rules need more than a million comparisons, which is logged and occurs only
        for large molecules of high symmetry.
    """
    atoms, bonds = _marked(molecule, with_bonds=not _BOND_MARKS.isdisjoint(smiles))
    if not atoms and not bonds:
        return StereoLabels({}, {})
    if not _assign(molecule, [*atoms, *bonds], _FIRST_LIMIT):
        return _in_canonical_order(molecule)
    return _read(atoms, bonds)


def _marked(molecule: "Mol", *, with_bonds: bool = True) -> "tuple[list[Atom], list[Bond]]":
    """The atoms and bonds with a configuration, without racemic and relative ones."""
    from rdkit.Chem import BondStereo

    no_mark = (BondStereo.STEREONONE, BondStereo.STEREOANY)
    # A loop over all atoms in Python would take longer than computing the labels.
    atoms = list(molecule.GetAtomsMatchingQuery(_has_tag()))
    bonds = [bond for bond in molecule.GetBonds() if bond.GetStereo() not in no_mark] if with_bonds else []
    groups = [group for group in molecule.GetStereoGroups() if str(group.GetGroupType()) != "STEREO_ABSOLUTE"]
    if groups:
        loose_atoms = {atom.GetIdx() for group in groups for atom in group.GetAtoms()}
        loose_bonds = {bond.GetIdx() for group in groups for bond in group.GetBonds()}
        atoms = [atom for atom in atoms if atom.GetIdx() not in loose_atoms]
        bonds = [bond for bond in bonds if bond.GetIdx() not in loose_bonds]
    return atoms, bonds


@cache
def _has_tag() -> "QueryAtom":
    from rdkit.Chem.rdqueries import HasChiralTagQueryAtom

    return HasChiralTagQueryAtom()


def _assign(molecule: "Mol", marked: "Iterable[Atom | Bond]", limit: int) -> bool:
    """Replace the labels of the marked atoms and bonds; returns whether the limit sufficed."""
    from rdkit.Chem import rdCIPLabeler

    for item in marked:
        item.ClearProp(_CODE)
    try:
        rdCIPLabeler.AssignCIPLabels(molecule, maxRecursiveIterations=limit)
    except RuntimeError:  # MaxIterationsExceeded has no class of its own in Python
        return False
    return True


def _in_canonical_order(molecule: "Mol") -> StereoLabels:
    """Labels of a difficult molecule with its atoms in canonical order.

    The number of comparisons may depend on the order of the atoms. In canonical order, reaching the limit is a property
    of the molecule.
    """
    from rdkit import Chem

    ranks = list(Chem.CanonicalRankAtoms(molecule, includeAtomMaps=False))
    order = sorted(range(len(ranks)), key=ranks.__getitem__)
    renumbered = Chem.RenumberAtoms(molecule, order)
    atoms, bonds = _marked(renumbered)
    if not _assign(renumbered, [*atoms, *bonds], _LAST_LIMIT):
        _log.warning(
            "stereochemistry of %s is ignored: its CIP labels need more than %d comparisons.",
            Chem.MolToSmiles(molecule)[:80],
            _LAST_LIMIT,
        )
        return StereoLabels({}, {})
    found = _read(atoms, bonds)
    return StereoLabels({order[atom]: value for atom, value in found.atoms.items()}, found.bonds)


def _read(atoms: "Iterable[Atom]", bonds: "Iterable[Bond]") -> StereoLabels:
    return StereoLabels(_values(atoms, CIP_ATOM_LABELS), _values(bonds, CIP_BOND_LABELS))


def _values(items: "Iterable[Atom | Bond]", labels: Mapping[str, int]) -> dict[int, int]:
    return {item.GetIdx(): labels[item.GetProp(_CODE)] for item in items if item.HasProp(_CODE)}
