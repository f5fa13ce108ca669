"""The split without test molecules."""

from dataclasses import replace
from typing import Final

import numpy as np

from molweight.datasets._splits import SPLITTERS, Request, Splits, from_groups
from molweight.graphs import MoleculeDataset

__all__ = ["DEFINITION", "all_rows_train"]

DEFINITION: Final = "test molecules: {}; train, meta and select are drawn by NumPy's default generator from the seed"


@SPLITTERS.register("none")
def all_rows_train(data: MoleculeDataset, request: Request) -> Splits:
    """A split without test molecules: an ensemble trains on every row and is scored out of fold.

    Args:
        data: The molecules.
        request: Protocol and seed; the share of the test set goes to train.

    Returns:
        The positions by role; ``test`` is empty.
    """
    order = np.random.default_rng(request.seed).permutation(len(data)).astype(np.int64)
    drawn = from_groups("none", DEFINITION.format("none, every row trains"), list(order[:, None]), request)
    return replace(drawn, train=np.concatenate([drawn.train, drawn.test]), test=np.empty(0, dtype=np.int64))
