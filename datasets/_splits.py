"""The four roles of the molecules of a table."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from molweight.datasets._allocate import SELECT_FRACTION, Filling, Positions, fill, hold_out
from molweight.errors import DataError, mention
from molweight.graphs import MoleculeDataset
from molweight.registry import Registry

__all__ = [
    "ROLES",
    "SPLITTERS",
    "Protocol",
    "Request",
    "Splits",
    "Splitter",
    "check_roles",
    "from_filling",
    "from_groups",
]

Protocol = Literal["four-role", "paper"]
Fractions = tuple[float, float, float]

ROLES: Final = ("train", "meta", "select", "test")
"""``train`` finetunes, ``meta`` trains the weights, ``select`` picks checkpoints, ``test`` is opened once."""

_LOG: Final = logging.getLogger(__name__)
_ENOUGH: Final = 10
"""Molecules from which a random split fills every role."""


@dataclass(frozen=True, eq=False)
class Splits:
    """Positions of the molecules of a dataset by role.

    Args:
        train: Molecules to finetune on; int64 positions in the dataset, like the three that follow.
        meta: Molecules the objective weights are trained on.
        select: Molecules checkpoints and hyper-parameters are picked on.
        test: Molecules opened once, at the end.
        name: Name of the method, e.g. ``"scaffold"``.
        definition: What the method does, exactly.
        protocol: ``"four-role"``, or ``"paper"`` where ``meta`` and ``select`` are the same molecules.
        frozen: Whether the roles are the stored ones, rather than computed now.
    """

    train: Positions
    meta: Positions
    select: Positions
    test: Positions
    name: str
    definition: str
    protocol: Protocol
    frozen: bool = False

    @property
    def sizes(self) -> dict[str, int]:
        """Number of molecules by role."""
        return {role: len(positions) for role, positions in self.roles().items()}

    def roles(self) -> dict[str, Positions]:
        """The positions by role."""
        return {"train": self.train, "meta": self.meta, "select": self.select, "test": self.test}

    def __repr__(self) -> str:
        """Method, protocol and sizes."""
        sizes = ", ".join(f"{role} {size}" for role, size in self.sizes.items())
        return f"<Splits {self.name} ({self.protocol}{', frozen' if self.frozen else ''}): {sizes}>"


@dataclass(frozen=True)
class Request:
    """What is asked of a splitter.

    Args:
        protocol: Whether ``select`` is held out of train (``"four-role"``) or is the validation part (``"paper"``).
        fractions: Shares of train, validation and test.
        seed: Seed of the methods that draw.
    """

    protocol: Protocol = "four-role"
    fractions: Fractions = (0.8, 0.1, 0.1)
    seed: int = 0


Splitter = Callable[..., Splits]
"""Takes a dataset and a request, and options of its own as named parameters."""

SPLITTERS: Final = Registry[Splitter]("split", group="molweight.splits", given=("data", "request"))
"""The methods :func:`molweight.datasets.split` knows, by name."""


def from_groups(name: str, definition: str, groups: list[Positions], request: Request) -> Splits:
    """Splits from groups of molecules that stay together, in the order in which they are placed.

    Train, validation and test are filled as in the published code. ``meta`` is the validation part. Under the protocol
    ``"four-role"``, ``select`` is held out of train by :func:`hold_out`: whole groups, up to a tenth of all molecules;
    under ``"paper"`` it is the validation part too, and train keeps everything.

    Args:
        name: Name of the method.
        definition: What it does, exactly.
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
    """Splits from parts that are filled already; ``select`` as in :func:`from_groups`.

    Args:
        name: Name of the method.
        definition: What it does, exactly.
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


def _join(groups: list[Positions]) -> Positions:
    return np.concatenate([np.empty(0, dtype=np.int64), *groups])


def check_roles(data: MoleculeDataset, splits: Splits) -> None:
    """Refuse an empty role, and warn of a role in which a task has only one class.

    Raises:
        DataError: If a role has no molecule.
    """
    empty = [role for role, size in splits.sizes.items() if size == 0 and (role, splits.name) != ("test", "none")]
    if empty:
        raise DataError(
            f"{data.name}: the split {splits.name!r} leaves {' and '.join(empty)} without a molecule: "
            f"{_way_out(data, splits)}"
        )
    if data.task in ("classification", "multiclass"):
        for role, positions in splits.roles().items():
            _warn_of_single_class(data, role, positions)


def _way_out(data: MoleculeDataset, splits: Splits) -> str:
    """What to do about an empty role: what works comes first."""
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


def _warn_of_single_class(data: MoleculeDataset, role: str, positions: Positions) -> None:
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
