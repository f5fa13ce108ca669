"""Molecules of a dataset for methods that need RDKit's own."""

from typing import TYPE_CHECKING

from molweight.errors import DataError
from molweight.graphs.internal import explain, parse_molecule

if TYPE_CHECKING:
    from rdkit.Chem import Mol

__all__ = ["parse"]


def parse(smiles: str) -> "Mol":
    """A molecule of a dataset, parsed again.

    Args:
        smiles: Its SMILES.

    Returns:
        The molecule, without atom-map numbers: these are no part of it.

    Raises:
        DataError: If RDKit refuses it, as may be for OGB's graphs, which an older RDKit made.
    """
    molecule = parse_molecule(smiles)
    if molecule is None:
        raise DataError(
            f"{smiles[:60]!r} is in the dataset, but this RDKit refuses it ({explain(smiles) or 'not valid'}). "
            "Use a method that parses no molecules: 'ogb' for a data set of OGB, 'random', 'stratified'."
        )
    return molecule
