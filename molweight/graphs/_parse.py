"""RDKit's molecule of a SMILES, as every part of molweight reads it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rdkit.Chem import Mol

__all__ = ["parse_molecule"]


def parse_molecule(smiles: str) -> "Mol | None":
    """The molecule without atom-map numbers, which are not part of it; ``None`` where RDKit refuses the text.

    Map numbers tell atoms apart for RDKit, so that a carbon with two methyl groups of different numbers counts as a
    stereocentre. Stereochemistry is assigned again without them.

    Args:
        smiles: A SMILES.

    Example:
        >>> from rdkit import Chem
        >>> Chem.MolToSmiles(parse_molecule("C[C@H:1]([CH3:2])O"))
        'CC(C)O'
    """
    from rdkit import Chem

    molecule: Mol | None = Chem.MolFromSmiles(smiles)
    if molecule is None or ":" not in smiles:
        return molecule
    mapped = [atom for atom in molecule.GetAtoms() if atom.GetAtomMapNum()]
    for atom in mapped:
        atom.SetAtomMapNum(0)
    if mapped:
        Chem.AssignStereochemistry(molecule, cleanIt=True, force=True, flagPossibleStereoCenters=True)
    return molecule
