"""The balanced scaffold split."""

from typing import Final

import numpy as np

from molweight.arrays import Indices
from molweight.datasets._scaffold import group_by_scaffold
from molweight.datasets._splits import SPLITTERS, Filling, Request, Splits, fill_to_capacity, from_filling
from molweight.graphs import MoleculeDataset

__all__ = ["scaffold_balanced_split"]

DEFINITION: Final = (
    "Bemis-Murcko scaffold SMILES without stereochemistry; molecules without a ring share one group; first the groups "
    "larger than half of validation or half of test, then the others, both in random order, drawn by NumPy's default "
    "generator from the seed; a group goes to train if it fits, else to validation if it fits, else to test"
)


@SPLITTERS.register("scaffold_balanced")
def scaffold_balanced_split(data: MoleculeDataset, request: Request) -> Splits:
    """Put large scaffolds into train and the others into any part, so that no part has rare scaffolds only.

    Source: the rule of ``scaffold_split(balanced=True)`` of chemprop (Yang et al., J. Chem. Inf. Model. 59, 3370
    (2019)); the sampled molecules differ, because the random generator differs.

    Args:
        data: The molecules.
        request: Protocol, fractions and seed.

    Returns:
        The positions by role.
    """
    total = len(data)
    large: list[Indices] = []
    small: list[Indices] = []
    half = min(request.fractions[1:]) * total / 2
    for group in group_by_scaffold(data.smiles, "achiral"):
        (large if len(group) > half else small).append(group)
    generator = np.random.default_rng(request.seed)
    ordered = [part[place] for part in (large, small) for place in generator.permutation(len(part))]
    return from_filling("scaffold_balanced", DEFINITION, _fill_each(ordered, total, request.fractions), request)


def _fill_each(groups: list[Indices], total: int, fractions: tuple[float, float, float]) -> Filling:
    """Fill train and validation up to their shares, and test with the rest."""
    return Filling(*fill_to_capacity(groups, fractions[0] * total, fractions[1] * total))
