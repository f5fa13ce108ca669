"""Molecules from SMILES, without atom maps."""

from typing import TYPE_CHECKING

from molweight.errors import DataError
from molweight.graphs.internal import parse_molecule

if TYPE_CHECKING:
    from rdkit.Chem import Mol

__all__ = ["parse_smiles"]


def parse_smiles(smiles: str) -> "Mol":
    """The molecule of a SMILES, without atom maps.

    Raises:
        DataError: If RDKit cannot parse it.
    """
    molecule = parse_molecule(smiles)
    if molecule is None:
        raise DataError(f"RDKit cannot parse {smiles!r}; drop such rows first, as molweight.graphs.build_dataset does.")
    return molecule
