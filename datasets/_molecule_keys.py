"""Hashes of molecules, to recognise them later without storing their structures."""

import hashlib
from collections.abc import Sequence

import numpy as np

from molweight.arrays import Indices
from molweight.datasets._replicates import all_canonical

__all__ = ["molecule_keys"]


def molecule_keys(smiles: Sequence[str], *, stereo: bool = True, n_jobs: int | None = None) -> Indices:
    """64-bit hashes of molecules, independent of how the SMILES is written.

    Among a million different molecules, two share a key with a probability of about 3e-8.

    Args:
        smiles: ``n`` SMILES.
        stereo: Whether stereoisomers are different molecules.
        n_jobs: Processes; ``None`` for all cores.

    Returns:
        ``n`` keys.

    Example:
        >>> first, same, other = molecule_keys(["CCO", "OCC", "CCN"])
        >>> bool(first == same), bool(first == other)
        (True, False)
    """
    texts = all_canonical(smiles, n_jobs, stereo=stereo)
    digests = [hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts]
    return np.frombuffer(b"".join(digests), dtype="<i8").astype(np.int64)
