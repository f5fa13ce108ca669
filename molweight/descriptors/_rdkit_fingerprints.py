"""Fingerprints as packed bits; RDKit is imported on first use."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor

from molweight.arrays import Uint8Array
from molweight.descriptors._parse import parse_smiles

__all__ = ["MACCS_BITS", "ecfp_bits", "folded_counts", "maccs_bits", "path_bits", "unpack"]


MACCS_BITS: Final = 167
"""Bits of RDKit's MACCS keys; the first is never set."""


def ecfp_bits(smiles: Sequence[str], *, bits: int, radius: int = 2) -> Uint8Array:
    """Extended-connectivity fingerprints: RDKit's Morgan generator.

    Args:
        smiles: Molecules that RDKit can parse.
        bits: Length of the fingerprint.
        radius: Radius in bonds; 2 for ECFP4.

    Returns:
        Bits packed eight to a byte, the lowest first, ``n x ceil(bits / 8)``.

    Example:
        >>> unpack(torch.from_numpy(ecfp_bits(["C"], bits=16)), 16).sum().item()
        1
    """
    from rdkit.Chem import rdFingerprintGenerator

    generator = rdFingerprintGenerator.GetMorganGenerator(radius=radius, fpSize=bits)
    return _pack([generator.GetFingerprintAsNumPy(parse_smiles(text)) for text in smiles], bits)


def folded_counts(smiles: Sequence[str], *, bits: int) -> Uint8Array:
    """How often each circular substructure of radius 2 occurs, folded.

    Args:
        smiles: Molecules that RDKit can parse.
        bits: Length of the fingerprint.

    Returns:
        Counts of at most 255, ``n x bits``.

    Example:
        >>> int(folded_counts(["CC"], bits=64).sum())
        3
    """
    from rdkit.Chem import rdFingerprintGenerator

    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=bits)
    rows = [np.minimum(generator.GetCountFingerprintAsNumPy(parse_smiles(text)), 255) for text in smiles]
    return np.array(rows, dtype=np.uint8).reshape(-1, bits)


def path_bits(smiles: Sequence[str], *, bits: int, longest: int = 7) -> Uint8Array:
    """RDKit's path fingerprints.

    Args:
        smiles: Molecules that RDKit can parse.
        bits: Length of the fingerprint.
        longest: Maximum number of bonds in a path.

    Returns:
        Packed bits; see :func:`ecfp_bits`.
    """
    from rdkit.Chem import rdFingerprintGenerator

    generator = rdFingerprintGenerator.GetRDKitFPGenerator(maxPath=longest, fpSize=bits)
    return _pack([generator.GetFingerprintAsNumPy(parse_smiles(text)) for text in smiles], bits)


def maccs_bits(smiles: Sequence[str]) -> Uint8Array:
    """RDKit's MACCS keys.

    Args:
        smiles: Molecules that RDKit can parse.

    Returns:
        167 packed bits, ``n x 21``; see :func:`ecfp_bits`.
    """
    from rdkit.Chem import rdMolDescriptors

    keys = [list(rdMolDescriptors.GetMACCSKeysFingerprint(parse_smiles(text))) for text in smiles]
    return _pack([np.array(key, dtype=np.uint8) for key in keys], MACCS_BITS)


def _pack(rows: Sequence[Uint8Array], bits: int) -> Uint8Array:
    return np.packbits(np.array(rows, dtype=np.uint8).reshape(-1, bits), axis=1, bitorder="little")


def unpack(packed: Tensor, bits: int) -> Tensor:
    """Zeros and ones from packed bits.

    Args:
        packed: ``n x ceil(bits / 8)`` uint8, the lowest bit of a byte first.
        bits: Number of bits.

    Returns:
        ``n x bits`` uint8.

    Example:
        >>> unpack(torch.tensor([[5, 1]], dtype=torch.uint8), 9).tolist()
        [[1, 0, 1, 0, 0, 0, 0, 0, 1]]
    """
    each = packed[:, :, None] >> torch.arange(8, dtype=torch.uint8, device=packed.device)
    return (each & 1).flatten(1)[:, :bits]
