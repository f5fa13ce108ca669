"""The random split."""

from typing import Final

import numpy as np

from molweight.datasets._splits import SPLITTERS, Request, Splits, from_groups
from molweight.graphs import MoleculeDataset

__all__ = ["random_split"]

DEFINITION: Final = "a random permutation, cut at the fractions; drawn by NumPy's default generator from the seed"


@SPLITTERS.register("random")
def random_split(data: MoleculeDataset, request: Request) -> Splits:
    """Split molecules at random; scaffolds and duplicates may occur in several roles.

    Args:
        data: The molecules.
        request: Protocol, fractions and seed.

    Returns:
        The positions by role.
    """
    order = np.random.default_rng(request.seed).permutation(len(data)).astype(np.int64)
    return from_groups("random", DEFINITION, list(order[:, None]), request)
