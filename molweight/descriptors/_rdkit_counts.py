"""Fingerprints as features; RDKit is imported when they are computed."""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from molweight.arrays import Uint8Array
from molweight.descriptors._parse import parse_smiles

if TYPE_CHECKING:
    from rdkit.Chem import Mol

__all__ = ["COUNTS", "MACCS_KEYS", "TORSIONS", "ecfp_counts", "fcfp_counts", "maccs_keys", "torsion_counts"]


COUNTS: Final = 1024
"""Length of the folded counts of circular patterns."""
TORSIONS: Final = 2048
"""Length of the folded counts of torsions."""
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
    return _table(smiles, COUNTS, partial(_counts, "ecfp"))


def fcfp_counts(smiles: Sequence[str]) -> Uint8Array:
    """How often each circular pattern of pharmacophoric atom classes of radius 2 occurs, folded to 1,024 columns.

    The classes are donor, acceptor, aromatic, halogen, basic and acidic. Counts are at most 255.

    Source: Rogers & Hahn, *Extended-Connectivity Fingerprints*, J. Chem. Inf. Model. 2010.

    Args:
        smiles: Molecules that RDKit can parse.

    Returns:
        Counts, ``n x 1024``.

    Raises:
        DataError: If a molecule cannot be parsed.

    Example:
        >>> bool((fcfp_counts(["CCF"]) == fcfp_counts(["CCCl"])).all())  # both are halogens
        True
    """
    return _table(smiles, COUNTS, partial(_counts, "fcfp"))


def torsion_counts(smiles: Sequence[str]) -> Uint8Array:
    """How often each path of four bonded heavy atoms occurs, folded to 2,048 columns; at most 255.

    RDKit also counts a ring of three atoms as a closed path, from an atom that depends on their order. So molecules are
    first converted to canonical SMILES, and all spellings of a molecule have the same counts.

    Source: Nilakantan et al., *Topological Torsion: A New Molecular Descriptor for SAR Applications*, J. Chem. Inf.
    Comput. Sci. 1987.

    Args:
        smiles: Molecules that RDKit can parse.

    Returns:
        Counts, ``n x 2048``.

    Raises:
        DataError: If a molecule cannot be parsed.

    Example:
        >>> torsion_counts(["CCC", "CCCC", "CCCCC"]).sum(axis=1).tolist()
        [0, 1, 2]
    """
    return _table(smiles, TORSIONS, _torsions)


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


def _counts(kind: str, molecule: "Mol") -> Any:
    return np.minimum(_generator(kind).GetCountFingerprintAsNumPy(molecule), 255)


def _torsions(molecule: "Mol") -> Any:
    from rdkit.Chem import MolToSmiles

    return _counts("torsion", parse_smiles(MolToSmiles(molecule)))


def _maccs(molecule: "Mol") -> Any:
    from rdkit.Chem import rdMolDescriptors
    from rdkit.DataStructs import ConvertToNumpyArray

    bits = np.zeros(MACCS_KEYS + 1, dtype=np.uint8)
    ConvertToNumpyArray(rdMolDescriptors.GetMACCSKeysFingerprint(molecule), bits)
    return bits[1:]


@cache
def _generator(kind: str) -> Any:
    from rdkit.Chem import rdFingerprintGenerator

    if kind == "torsion":
        return rdFingerprintGenerator.GetTopologicalTorsionGenerator(fpSize=TORSIONS, countSimulation=False)
    classes = rdFingerprintGenerator.GetMorganFeatureAtomInvGen() if kind == "fcfp" else None
    return rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=COUNTS, atomInvariantsGenerator=classes)
