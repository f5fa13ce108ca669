"""Filling the roles from indivisible groups of molecules, in a given order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

__all__ = ["Filling", "fill", "fill_to_capacity", "hold_out"]

Positions = np.ndarray[tuple[int], np.dtype[np.int64]]

SELECT_FRACTION: Final = 0.1
"""Largest share of all molecules that is held out of train for the role ``select``."""


@dataclass(frozen=True)
class Filling:
    """Groups by part, each part in the order in which the groups came.

    Args:
        train: Groups of the training part.
        valid: Groups of the validation part.
        test: Groups of the test part.
    """

    train: list[Positions]
    valid: list[Positions]
    test: list[Positions]


def fill(groups: Iterable[Positions], total: int, fractions: tuple[float, float, float]) -> Filling:
    """Put each group into train if it fits, else into validation if it fits, else into test.

    The rule of the published code (DeepChem's ``ScaffoldSplitter``; Hu et al. 2020, ``pretrain-gnns``): a group fits
    into train while train stays within ``fractions[0] * total``, and into validation while train and validation, as
    filled so far, together stay within ``(fractions[0] + fractions[1]) * total``.

    Args:
        groups: Positions of the molecules of each group, in the order to be placed.
        total: Number of molecules.
        fractions: Shares of train, validation and test.

    Returns:
        The groups by part.

    Example:
        >>> filling = fill([np.arange(7), np.array([7, 8]), np.array([9])], 10, (0.8, 0.1, 0.1))
        >>> [[len(group) for group in part] for part in (filling.train, filling.valid, filling.test)]
        [[7, 1], [2], []]
    """
    filling = Filling([], [], [])
    train_end, valid_end = fractions[0] * total, (fractions[0] + fractions[1]) * total
    in_train = in_valid = 0
    for group in groups:
        if in_train + len(group) <= train_end:
            filling.train.append(group)
            in_train += len(group)
        elif in_train + in_valid + len(group) <= valid_end:
            filling.valid.append(group)
            in_valid += len(group)
        else:
            filling.test.append(group)
    return filling


def fill_to_capacity(
    groups: Iterable[Positions], first: float, second: float
) -> tuple[list[Positions], list[Positions], list[Positions]]:
    """Put each group into the first part if it fits, else into the second if it fits, else into the third.

    Each part has its own capacity, unlike in :func:`fill`.

    Args:
        groups: Positions of the molecules of each group, in the order to be placed.
        first: Number of molecules that the first part has room for.
        second: Number of molecules that the second part has room for.

    Returns:
        The groups by part.

    Example:
        >>> parts = fill_to_capacity([np.arange(3), np.array([3, 4]), np.array([5]), np.array([6])], 3, 1)
        >>> [[len(group) for group in part] for part in parts]
        [[3], [1], [2, 1]]
    """
    parts: tuple[list[Positions], list[Positions], list[Positions]] = ([], [], [])
    capacity = [first, second, float("inf")]
    for group in groups:
        place = next(place for place, free in enumerate(capacity) if len(group) <= free)
        parts[place].append(group)
        capacity[place] -= len(group)
    return parts


def hold_out(groups: Sequence[Positions], most: float) -> tuple[list[Positions], list[Positions]]:
    """Take whole groups, spread evenly over the order, up to ``most`` molecules.

    Only groups of at most ``most`` molecules are looked at, from the end; one is taken whenever the share taken of the
    molecules passed then stays in proportion. What is taken is spread over the file, as the other parts are. Just the
    end of a scaffold split's order would be neighbours in the file, and of one class where a file is sorted by class
    (bbbp, bace).

    Args:
        groups: Groups in order; of two or more at least the last is taken, so that neither side is empty.
        most: Largest number of molecules to take.

    Returns:
        The groups that stay and the groups that are taken, both in their order.

    Example:
        >>> stay, taken = hold_out([np.array([i]) for i in range(6)], most=2)
        >>> [group.tolist() for group in taken]
        [[0], [3]]
    """
    share = min(1.0, most / max(sum(len(group) for group in groups if len(group) <= most), 1))
    stay: list[Positions] = []
    taken: list[Positions] = []
    passed = held = 0
    for group in reversed(groups):
        passed += len(group) if len(group) <= most else 0
        if len(group) <= most and held + len(group) <= share * passed:
            taken.append(group)
            held += len(group)
        else:
            stay.append(group)
    if not taken and len(stay) > 1:
        taken.append(stay.pop(0))
    if not stay and len(taken) > 1:
        stay.append(taken.pop())
    return stay[::-1], taken[::-1]
