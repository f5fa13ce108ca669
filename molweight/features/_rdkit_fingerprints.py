"""Fingerprints as features; RDKit is imported when they are computed."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from molweight.arrays import Uint8Array
from molweight.objectives.internal import parse_smiles

if TYPE_CHECKING:
    from rdkit.Chem import Mol

__all__ = ["ECFP_BITS", "MACCS_KEYS", "ecfp_counts", "maccs_keys"]


ECFP_BITS: Final = 1024
"""Length of the folded count fingerprint."""
MACCS_KEYS: Final = 166
"""Number of MACCS keys; RDKit's bit 0, which is never set, is left out."""


def ecfp_counts(smiles: Sequence[str]) -> Uint8Array:
    """How often each circular substructure of radius 2 occurs, folded to 1,024 columns; at most 255.

    Source: Rogers & Hahn, *Extended-Connectivity Fingerprints*, J. Chem. Inf. Model. 2010.

    Args:
        smiles: Molecules that RDKit can parse.

    Returns:
        Counts, ``n x 1024``.

    Raises:
        DataError: If a molecule cannot be parsed.

    Example:
        >>> int(ecfp_counts(["CC"])[0].sum())
        3
    """
    return _table(smiles, ECFP_BITS, _morgan_counts)


def maccs_keys(smiles: Sequence[str]) -> Uint8Array:
    """The 166 MACCS keys as RDKit defines them, 0 or 1.

    Source: Durant et al., *Reoptimization of MDL Keys for Use in Drug Discovery*, J. Chem. Inf. Comput. Sci. 2002.

    Args:
        smiles: Molecules that RDKit can parse.

    Returns:
        Keys 1 to 166, ``n x 166``.

    Raises:
        DataError: If a molecule cannot be parsed.

    Example:
        >>> int(maccs_keys(["CCO"])[0, 163])  # key 164: an oxygen
        1
    """
    return _table(smiles, MACCS_KEYS, _maccs)


def _table(smiles: Sequence[str], width: int, function: Callable[["Mol"], Any]) -> Uint8Array:
    table = np.zeros((len(smiles), width), dtype=np.uint8)
    for row, text in enumerate(smiles):
        table[row] = function(parse_smiles(text))
    return table


def _morgan_counts(molecule: "Mol") -> Any:
    return np.minimum(_generator().GetCountFingerprintAsNumPy(molecule), 255)


def _maccs(molecule: "Mol") -> Any:
    from rdkit.Chem import rdMolDescriptors
    from rdkit.DataStructs import ConvertToNumpyArray

    bits = np.zeros(MACCS_KEYS + 1, dtype=np.uint8)
    ConvertToNumpyArray(rdMolDescriptors.GetMACCSKeysFingerprint(molecule), bits)
    return bits[1:]


@cache
def _generator() -> Any:
    from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

    return GetMorganGenerator(radius=2, fpSize=ECFP_BITS)
