"""Packed ECFP4 bits for similarity searches; RDKit is imported on first use."""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import numpy as np

from molweight.graphs.internal import parse_molecule

__all__ = ["ECFP_BITS", "packed_ecfp"]

ECFP_BITS: Final = 1024
"""Length of the fingerprint."""

Packed = np.ndarray[tuple[int, int], np.dtype[np.uint8]]


def packed_ecfp(smiles: Sequence[str]) -> Packed:
    """ECFP4 of each molecule as packed bits.

    Source: Rogers & Hahn, *Extended-Connectivity Fingerprints*, J. Chem. Inf. Model. 2010.

    Args:
        smiles: ``n`` SMILES.

    Returns:
        ``n x 128`` bytes; zeros if RDKit cannot parse a SMILES.

    Example:
        >>> bits = packed_ecfp(["CCO", "OCC", "?"])
        >>> bits.shape, bool((bits[0] == bits[1]).all()), int(np.bitwise_count(bits).sum(axis=1)[2])
        ((3, 128), True, 0)
    """
    from rdkit import DataStructs, rdBase

    rows = np.zeros((len(smiles), ECFP_BITS // 8), dtype=np.uint8)
    with rdBase.BlockLogs():
        for row, text in enumerate(smiles):
            molecule = parse_molecule(text)
            if molecule is not None and molecule.GetNumAtoms():
                found = DataStructs.BitVectToBinaryText(_generator().GetFingerprint(molecule))
                rows[row] = np.frombuffer(found, dtype=np.uint8)
    return rows


@cache
def _generator() -> Any:
    from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

    return GetMorganGenerator(radius=2, fpSize=ECFP_BITS)
