"""The random scaffold split."""

from typing import Final

import numpy as np

from molweight.arrays import Indices
from molweight.datasets._scaffold import group_by_scaffold
from molweight.datasets._splits import SPLITTERS, Filling, Request, Splits, fill_to_capacity, from_filling
from molweight.graphs import MoleculeDataset

__all__ = ["random_scaffold_split"]

DEFINITION: Final = (
    "Bemis-Murcko scaffold SMILES with chirality; molecules without a ring share one group; groups in random order, "
    "drawn by NumPy's default generator from the seed; a group goes to validation if it fits, else to test if it fits, "
    "else to train"
)


@SPLITTERS.register("random_scaffold")
def random_scaffold_split(data: MoleculeDataset, request: Request) -> Splits:
    """Place whole scaffolds in random order: first validation, then test, and the rest in train.

    Large scaffolds fall into train or test by chance, so the score is higher than with
    :func:`~molweight.datasets.split`'s ``"scaffold"`` and varies far more with the seed: report several seeds. Source:
    the rule of ``random_scaffold_split`` of Hu et al., ICLR 2020 (arXiv 1905.12265); the sampled molecules differ,
    because the random generator differs.

    Args:
        data: The molecules.
        request: Protocol, fractions and seed.

    Returns:
        The positions by role.
    """
    groups = group_by_scaffold(data.smiles)
    order = np.random.default_rng(request.seed).permutation(len(groups))
    filling = _fill_train_last([groups[place] for place in order], len(data), request.fractions)
    return from_filling("random_scaffold", DEFINITION, filling, request)


def _fill_train_last(groups: list[Indices], total: int, fractions: tuple[float, float, float]) -> Filling:
    valid, test, train = fill_to_capacity(groups, int(fractions[1] * total), int(fractions[2] * total))
    return Filling(train, valid, test)
