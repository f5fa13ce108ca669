"""Molecules of a dataset as RDKit molecules."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from molweight.errors import DataError
from molweight.graphs.internal import explain, guarded_list, parse_molecule, read_smiles

if TYPE_CHECKING:
    from rdkit.Chem import Mol

__all__ = ["parsable", "parse"]


def parse(smiles: str) -> "Mol":
    """A molecule of a dataset, parsed again.

    Args:
        smiles: Its SMILES.

    Returns:
        The molecule, without atom-map numbers, which are not part of it.

    Raises:
        DataError: If RDKit refuses it, which is possible for OGB's graphs, made by an older RDKit.
    """
    molecule = parse_molecule(smiles)
    if molecule is None:
        raise DataError(
            f"{smiles[:60]!r} is in the dataset, but the installed RDKit rejects it "
            f"({explain(smiles) or 'not valid'}). Use a method that parses no molecules: 'ogb' for a data set of OGB, "
            "'random', 'stratified'."
        )
    return molecule


def parsable(texts: Sequence[str]) -> list[bool]:
    """Whether each text is a SMILES; false for a text that takes more than a few seconds to parse.

    Example:
        >>> parsable(["CCO", "name"])
        [True, False]
    """
    return guarded_list(_parsable, _not, "parsing it")(texts)


def _parsable(texts: Sequence[str]) -> list[bool]:
    from rdkit import rdBase

    with rdBase.BlockLogs():
        return [read_smiles(text) is not None for text in texts]


def _not(_: str) -> bool:
    return False
