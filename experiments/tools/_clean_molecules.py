"""Per-molecule computations of the corpus recipe, in a separate module that worker processes can import."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import BRICS
from rdkit.Chem.Scaffolds import MurckoScaffold

from molweight.datasets._rdkit_ecfp import packed_ecfp
from molweight.datasets._rdkit_identity import number_of
from molweight.graphs.internal import parse_molecule

__all__ = ["MOST_ATOMS", "Cleaned", "clean", "fragments", "skeleton_key"]

MOST_ATOMS: Final = 100
"""Maximum number of heavy atoms."""


@dataclass(frozen=True)
class Cleaned:
    """A chunk of molecules.

    Args:
        smiles: Canonical SMILES; empty for an unusable molecule.
        reasons: Reason why it is unusable; empty if it is usable.
        skeletons: First blocks of InChIKeys as numbers.
        scaffolds: Murcko scaffolds as numbers; 0 without a ring.
        atoms: Heavy atoms.
        charges: Net charges.
        parts: Components.
        elements: Symbols of the elements, in alphabetical order.
        bits: Packed ECFP4.
    """

    smiles: list[str]
    reasons: list[str]
    skeletons: list[int]
    scaffolds: list[int]
    atoms: list[int]
    charges: list[int]
    parts: list[int]
    elements: list[str]
    bits: np.ndarray[Any, np.dtype[np.uint8]]


def clean(smiles: Sequence[str]) -> Cleaned:
    """Clean a chunk of molecules."""
    with rdBase.BlockLogs():
        rows = [_row(text) for text in smiles]
    smiles, reasons, skeletons, scaffolds, atoms, charges, parts, elements = (
        [row[place] for row in rows] for place in range(8)
    )
    return Cleaned(
        smiles=smiles,
        reasons=reasons,
        skeletons=skeletons,
        scaffolds=scaffolds,
        atoms=atoms,
        charges=charges,
        parts=parts,
        elements=elements,
        bits=packed_ecfp(smiles),
    )


def _row(text: str) -> tuple[Any, ...]:
    molecule = parse_molecule(text)
    if molecule is None or molecule.GetNumHeavyAtoms() == 0:
        return _refused("unparsable")
    if molecule.GetNumHeavyAtoms() > MOST_ATOMS:
        return _refused("too large")
    numbers = [atom.GetAtomicNum() for atom in molecule.GetAtoms()]
    key = skeleton_key(molecule)
    if 0 in numbers or key == 0:
        return _refused("no InChI")
    symbols = {Chem.GetPeriodicTable().GetElementSymbol(number) for number in numbers}
    scaffold = MurckoScaffold.GetScaffoldForMol(molecule)  # type: ignore[no-untyped-call]  # RDKit says no types
    return (
        Chem.MolToSmiles(molecule), "", key, number_of(Chem.MolToSmiles(scaffold)), molecule.GetNumHeavyAtoms(),
        Chem.GetFormalCharge(molecule), len(Chem.GetMolFrags(molecule)), " ".join(sorted(symbols)),
    )  # fmt: skip


def _refused(reason: str) -> tuple[Any, ...]:
    return "", reason, 0, 0, 0, 0, 0, ""


def skeleton_key(molecule: Chem.Mol) -> int:
    """The first block of the InChIKey as a number; 0 if there is none."""
    key: str = Chem.MolToInchiKey(molecule)  # type: ignore[no-untyped-call]  # RDKit says no types
    return number_of(key.partition("-")[0])


def fragments(smiles: str) -> Iterator[str]:
    """The BRICS fragments of a molecule, with hydrogens at cut bonds."""
    molecule = parse_molecule(smiles)
    if molecule is None:
        return
    cut = BRICS.BreakBRICSBonds(molecule)  # type: ignore[no-untyped-call]  # RDKit says no types
    for part in Chem.GetMolFrags(cut, asMols=True):
        closed = Chem.ReplaceSubstructs(part, Chem.MolFromSmarts("[#0]"), Chem.MolFromSmiles("[H]"), replaceAll=True)[0]
        with rdBase.BlockLogs():
            read = parse_molecule(Chem.MolToSmiles(closed))
        if read is not None and read.GetNumHeavyAtoms() > 1:
            yield Chem.MolToSmiles(read)
