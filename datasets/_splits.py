"""The four roles of the molecules of a table, and the assignment of groups to them."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from molweight.arguments import check_seed
from molweight.arrays import Indices
from molweight.errors import DataError, mention
from molweight.graphs import MoleculeDataset
from molweight.registry import Registry

__all__ = [
    "ROLES",
    "SPLITTERS",
    "Filling",
    "Protocol",
    "Request",
    "Splits",
    "Splitter",
    "check_roles",
    "fill",
    "fill_to_capacity",
    "from_filling",
    "from_groups",
    "hold_out",
]


SELECT_FRACTION: Final = 0.1
"""Largest share of all molecules that is held out of train for the role ``select``."""
_ROUNDING: Final = 1e-6
"""Molecules by which a part may exceed its share: 0.7 + 0.2 is less than 0.9 in floating point."""


@dataclass(frozen=True)
class Filling:
    """Groups by part, in their original order.

    Args:
        train: Groups of the training part.
        valid: Groups of the validation part.
        test: Groups of the test part.
    """

    train: list[Indices]
    valid: list[Indices]
    test: list[Indices]


def fill(groups: Iterable[Indices], total: int, fractions: tuple[float, float, float]) -> Filling:
    """Put each group into train if it fits, else into validation if it fits, else into test.

    The rule of the published code (DeepChem's ``ScaffoldSplitter``; Hu et al. 2020, ``pretrain-gnns``): a group fits
    into train while train stays within ``fractions[0] * total``, and into validation while train and validation, as
    filled so far, together stay within ``(fractions[0] + fractions[1]) * total``.

    Args:
        groups: Positions of the molecules of each group, in the order of assignment.
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
    train_end, valid_end = fractions[0] * total + _ROUNDING, (fractions[0] + fractions[1]) * total + _ROUNDING
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
    groups: Iterable[Indices], first: float, second: float
) -> tuple[list[Indices], list[Indices], list[Indices]]:
    """Put each group into the first part if it fits, else into the second if it fits, else into the third.

    Each part has its own capacity, unlike in :func:`fill`.

    Args:
        groups: Positions of the molecules of each group, in the order of assignment.
        first: Capacity of the first part, in molecules.
        second: Capacity of the second part, in molecules.

    Returns:
        The groups by part.

    Example:
        >>> parts = fill_to_capacity([np.arange(3), np.array([3, 4]), np.array([5]), np.array([6])], 3, 1)
        >>> [[len(group) for group in part] for part in parts]
        [[3], [1], [2, 1]]
    """
    parts: tuple[list[Indices], list[Indices], list[Indices]] = ([], [], [])
    capacity = [first + _ROUNDING, second + _ROUNDING, float("inf")]
    for group in groups:
        place = next(place for place, free in enumerate(capacity) if len(group) <= free)
        parts[place].append(group)
        capacity[place] -= len(group)
    return parts


def hold_out(groups: Sequence[Indices], most: float) -> tuple[list[Indices], list[Indices]]:
    """Hold out whole groups, evenly spaced in the order, up to ``most`` molecules.

    Only groups of at most ``most`` molecules are considered, from the end; a group is held out if the share of held-out
    molecules among those considered so far does not exceed the share among all. The held-out molecules are thus spread
    over the file, like the other parts. Taken only from the end of a scaffold split's order, they would be neighbours
    in the file, with a single class if the file is sorted by class (bbbp, bace).

    Args:
        groups: Groups in order; with two or more, at least the last is held out, so that neither side is empty.
        most: Maximum number of molecules to hold out.

    Returns:
        The remaining and the held-out groups, both in their order.

    Example:
        >>> stay, taken = hold_out([np.array([i]) for i in range(6)], most=2)
        >>> [group.tolist() for group in taken]
        [[0], [3]]
    """
    share = min(1.0, most / max(sum(len(group) for group in groups if len(group) <= most), 1))
    stay: list[Indices] = []
    taken: list[Indices] = []
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


Protocol = Literal["four-role", "paper"]
Fractions = tuple[float, float, float]

ROLES: Final = ("train", "meta", "select", "test")
"""``train``: finetuning; ``meta``: learning the weights; ``select``: model selection; ``test``: one final score."""

_LOG: Final = logging.getLogger(__name__)
_ENOUGH: Final = 10
"""Minimum number of molecules for a random split to fill every role."""


@dataclass(frozen=True, eq=False)
class Splits:
    """Positions of the molecules of a dataset by role.

    Args:
        train: Molecules for finetuning; int64 positions in the dataset, like the next three.
        meta: Molecules for learning the objective weights.
        select: Molecules for selecting checkpoints and hyperparameters.
        test: Molecules evaluated once, at the end.
        name: Name of the method, e.g. ``"scaffold"``.
        definition: The exact definition of the method.
        protocol: ``"four-role"``, or ``"paper"``, where ``meta`` and ``select`` are the same molecules.
        frozen: Whether the roles were stored, not computed.
        further: Test molecules that are not in the dataset, because they have no labels. Auxiliary tables and corpora
            leave out their compounds like those of ``test``.
    """

    train: Indices
    meta: Indices
    select: Indices
    test: Indices
    name: str
    definition: str
    protocol: Protocol
    frozen: bool = False
    further: MoleculeDataset | None = field(default=None, compare=False)

    @property
    def sizes(self) -> dict[str, int]:
        """Number of molecules by role."""
        return {role: len(positions) for role, positions in self.roles().items()}

    def roles(self) -> dict[str, Indices]:
        """The positions by role."""
        return {"train": self.train, "meta": self.meta, "select": self.select, "test": self.test}

    def __repr__(self) -> str:
        """Method, protocol and sizes."""
        return f"<Splits {self.name} {self._described()}>"

    def __str__(self) -> str:
        """The same in words."""
        return f"{self.name} split {self._described()}"

    def _described(self) -> str:
        sizes = ", ".join(f"{role} {size}" for role, size in self.sizes.items())
        return f"({self.protocol}{', frozen' if self.frozen else ''}): {sizes}"


@dataclass(frozen=True)
class Request:
    """The request to a splitter.

    Args:
        protocol: Whether ``select`` is held out of train (``"four-role"``) or is the validation part (``"paper"``).
        fractions: Shares of train, validation and test.
        seed: Seed of the randomised methods.

    Raises:
        OptionError: If the seed is not an integer, or negative.
    """

    protocol: Protocol = "four-role"
    fractions: Fractions = (0.8, 0.1, 0.1)
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse an invalid seed."""
        check_seed(self.seed)


Splitter = Callable[..., Splits]
"""A function of a dataset and a request, with options as named parameters."""

SPLITTERS: Final = Registry[Splitter]("split", group="molweight.splits", given=("data", "request"))
"""The methods of :func:`molweight.datasets.split`, by name."""


def from_groups(name: str, definition: str, groups: list[Indices], request: Request) -> Splits:
    """Splits from groups of molecules that stay together, in the order of assignment.

    Train, validation and test are filled as in the published code. ``meta`` is the validation part. Under the protocol
    ``"four-role"``, ``select`` is held out of train by :func:`hold_out`: whole groups, up to a tenth of all molecules;
    under ``"paper"`` it is also the validation part, and nothing is held out of train.

    Args:
        name: Name of the method.
        definition: Its exact definition.
        groups: Positions of the molecules of each group.
        request: Protocol and fractions.

    Returns:
        The splits; :func:`molweight.datasets.split` refuses them if a role is empty.

    Example:
        >>> from_groups("pairs", "in pairs", [np.array([i, i + 1]) for i in range(0, 20, 2)], Request())
        <Splits pairs (four-role): train 14, meta 2, select 2, test 2>
    """
    total = sum(len(group) for group in groups)
    return from_filling(name, definition, fill(groups, total, request.fractions), request)


def from_filling(name: str, definition: str, filling: Filling, request: Request) -> Splits:
    """Splits from filled parts; ``select`` as in :func:`from_groups`.

    Args:
        name: Name of the method.
        definition: Its exact definition.
        filling: The groups of train, validation and test.
        request: The protocol.

    Returns:
        The splits.
    """
    total = sum(len(group) for part in (filling.train, filling.valid, filling.test) for group in part)
    train, select = filling.train, filling.valid
    if request.protocol == "four-role":
        train, select = hold_out(filling.train, SELECT_FRACTION * total)
    return Splits(
        _join(train), _join(filling.valid), _join(select), _join(filling.test), name, definition, request.protocol
    )


def _join(groups: list[Indices]) -> Indices:
    return np.concatenate([np.empty(0, dtype=np.int64), *groups])


def check_roles(data: MoleculeDataset, splits: Splits) -> None:
    """Refuse an empty role, and warn of a role in which a task has only one class.

    Raises:
        DataError: If a role has no molecule.
    """
    empty = [role for role, size in splits.sizes.items() if size == 0 and (role, splits.name) != ("test", "none")]
    if empty:
        raise DataError(
            f"{data.name}: the split {splits.name!r} leaves no molecule for {_or(empty)}: {_way_out(data, splits)}"
        )
    if data.task in ("classification", "multiclass"):
        for role, positions in splits.roles().items():
            _warn_of_single_class(data, role, positions)


def _or(words: Sequence[str]) -> str:
    """Words as a list that ends with an "or"."""
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _way_out(data: MoleculeDataset, splits: Splits) -> str:
    """Advice about an empty role, most promising first."""
    if splits.frozen or splits.name == "given":
        return (
            "the roles are given, and no molecule of the table has this one. Assign rows to it, or use "
            f"{mention('method', 'random')}."
        )
    if len(data) < _ENOUGH:
        return (
            f"{len(data)} molecules are too few. Use {mention('method', 'random')}, "
            f"{mention('protocol', 'paper')}, or more molecules."
        )
    if splits.name != "random":
        return (
            f"too many of the {len(data)} molecules belong together (those without a ring share one scaffold). "
            f"Use {mention('method', 'random')}."
        )
    return f"{len(data)} molecules are too few. Use other fractions, {mention('protocol', 'paper')}, or more molecules."


def _warn_of_single_class(data: MoleculeDataset, role: str, positions: Indices) -> None:
    labels = data.targets[positions]
    single = ~((labels == 0).any(axis=0) & (labels == 1).any(axis=0))
    names = [name for name, alone in zip(data.target_names, single, strict=True) if alone]
    if names and len(positions):
        _LOG.warning(
            "%s: in role %r these targets do not have both classes, so no ROC-AUC is defined for them: %s",
            data.name,
            role,
            ", ".join(names),
        )
