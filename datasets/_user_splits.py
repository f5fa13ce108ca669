"""Splits given by a user: a role per row, or rows per role."""

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Final, get_args

import numpy as np

from molweight.arguments import check_choice
from molweight.arrays import Indices
from molweight.datasets._numbers import is_missing
from molweight.datasets._splits import ROLES, SELECT_FRACTION, Protocol, Splits, check_roles, hold_out
from molweight.errors import ConfigError, DataError, mention, suggest
from molweight.graphs import MoleculeDataset

__all__ = ["ROLE_NAMES", "role_of", "split_by_indices", "split_by_roles"]

ROLE_NAMES: Final = {
    "train": "train",
    "training": "train",
    "tr": "train",
    "trn": "train",
    "meta": "meta",
    "valid": "meta",
    "validation": "meta",
    "val": "meta",
    "dev": "meta",
    "select": "select",
    "test": "test",
    "testing": "test",
    "te": "test",
    "tst": "test",
    "holdout": "test",
    "external": "test",
}
"""Names of roles, in lower case; the published validation part is ``meta``."""

_OF_A_ROLE: Final = re.compile(r"[ _-]?(set|split|subset|data)")

_LOG: Final = logging.getLogger(__name__)


def split_by_roles(
    data: MoleculeDataset, roles: Sequence[str], protocol: Protocol = "four-role", *, source: str = "roles"
) -> Splits:
    """A split from a column with one role per row of the source.

    A missing role is held out of train: every n-th molecule, a tenth of all. Rows with an empty cell have no role,
    unless their molecule was averaged with that of a row that has one. Under the protocol ``"paper"``, ``select``
    equals ``meta``.

    Args:
        data: The molecules; ``data.rows`` gives their rows in the source.
        roles: One of :data:`ROLE_NAMES` for each row of the source, including rejected rows, ignoring case; empty or
            ``NA`` for none.
        protocol: ``"four-role"`` or ``"paper"``.
        source: Origin of the roles, for messages.

    Returns:
        The positions by role.

    Raises:
        DataError: If there are too few roles, one is unknown, rows of one averaged molecule have different roles, or a
            role would have no molecule.
        ConfigError: If the protocol is unknown.

    Example:
        >>> from molweight.datasets import from_smiles
        >>> data = from_smiles(["C", "CC", "no molecule", "CCC", "CCCC"], cache=False)
        >>> split_by_roles(data, ["train", "train", "train", "valid", "test"], protocol="paper")
        <Splits given (paper): train 2, meta 1, select 1, test 1>
    """
    needed = int(data.rows.max(initial=-1)) + 1
    if len(roles) < needed:
        raise DataError(f"{source}: {len(roles)} roles for {needed} rows of {data.name}. Give one role per row.")
    parts: dict[str, list[int]] = {role: [] for role in ROLES}
    named = _with_merged(roles, data, source)
    for position, row in enumerate(data.rows.tolist()):
        if named[row]:
            parts[named[row]].append(position)
    return _splits(data, {role: np.array(part, dtype=np.int64) for role, part in parts.items()}, protocol, source)


def split_by_indices(
    data: MoleculeDataset,
    indices: Mapping[str, Sequence[int]],
    protocol: Protocol = "four-role",
    *,
    source: str = "indices",
) -> Splits:
    """A split from lists of rows; rows without a molecule are skipped.

    Args:
        data: The molecules.
        indices: Rows of the source by role, counted from 0, including rejected rows; roles as in
            :func:`split_by_roles`, and missing roles are held out of train in the same way.
        protocol: ``"four-role"`` or ``"paper"``.
        source: Origin of the lists, for messages.

    Returns:
        The positions by role.

    Raises:
        DataError: If a role is unknown, a row is in two roles or outside the table, or a role would have no molecule.
        ConfigError: If the protocol is unknown.

    Example:
        >>> from molweight.datasets import from_smiles
        >>> data = from_smiles(["C", "?", "CC", "CCC"], cache=False)
        >>> split_by_indices(data, {"train": [0, 1], "valid": [2], "test": [3]}, protocol="paper")
        <Splits given (paper): train 1, meta 1, select 1, test 1>
    """
    rows = len(data) + len(data.rejects)
    last = max(rows, data.source_rows, int(data.rows.max(initial=-1)) + 1)
    roles = [""] * last
    for name, chosen in indices.items():
        role = _role(str(name), source)
        for row in chosen:
            _place(roles, row, role, source)
    return split_by_roles(data, roles, protocol, source=source)


def _with_merged(roles: Sequence[str], data: MoleculeDataset, source: str) -> dict[int, str]:
    """The role of each row of the data; that of a merged row is the role of all its original rows, which must agree.

    Raises:
        DataError: If they differ: averaging over train and test would leak test labels into training.
    """
    rows = [*data.rows.tolist(), *(row for row in data.merged_rows if row < len(roles))]
    cells = {row: str(roles[row]).strip() for row in rows}
    named = {row: "" if is_missing(cell) else _role(cell, f"{source}, row {row}") for row, cell in cells.items()}
    for row, kept in data.merged_rows.items():
        own = named.get(row, "")
        if own and named[kept] and own != named[kept]:
            raise DataError(
                f"{source}: rows {kept} and {row} (counted from 0) hold the same molecule, but have the roles "
                f"{named[kept]!r} and {own!r}. The labels of a molecule are averaged, so give both rows one "
                f"role, or use {mention('duplicates', 'keep')}."
            )
        named[kept] = named[kept] or own
    return named


def _place(roles: list[str], row: object, role: str, source: str) -> None:
    """Store the role of one row."""
    if not isinstance(row, int | np.integer) or isinstance(row, bool) or not 0 <= row < len(roles):
        raise DataError(f"{source}: {row!r} in role {role!r} is not a row; rows are numbered 0 to {len(roles) - 1}.")
    if roles[row] not in ("", role):
        raise DataError(f"{source}: row {row} is in the roles {roles[row]!r} and {role!r}. Leave it in one of them.")
    roles[row] = role


def _role(cell: str, where: str) -> str:
    """The role named by a cell."""
    role = role_of(cell)
    if role is None:
        raise DataError(
            f"{where}: {cell[:60]!r} is not a role{suggest(cell, ROLE_NAMES)} Roles: {', '.join(ROLE_NAMES)}, or empty."
        )
    return role


def role_of(cell: str) -> str | None:
    """The role named by a cell; ``None`` if it is not a role.

    Example:
        >>> role_of("Training set"), role_of("TE"), role_of("A")
        ('train', 'test', None)
    """
    text = cell.strip().lower()
    return ROLE_NAMES.get(text) or ROLE_NAMES.get(_OF_A_ROLE.sub("", text))


def _splits(data: MoleculeDataset, parts: dict[str, Indices], protocol: Protocol, source: str) -> Splits:
    check_choice("", "protocol", protocol, get_args(Protocol))
    if protocol == "paper" and len(parts["select"]):
        raise ConfigError(
            f"{source}: contains the role 'select', but {mention('protocol', 'paper')} uses the validation part as "
            f"'select'. Use {mention('protocol', 'four-role')}."
        )
    definition = f"given by {source}"
    for role in ("meta",) if protocol == "paper" else ("meta", "select"):
        if len(parts[role]) == 0:
            parts["train"], parts[role] = _every_nth(parts["train"], SELECT_FRACTION * len(data))
            definition += f"; {role}, which was not given, is every n-th molecule of train"
    if protocol == "paper":
        parts["select"] = parts["meta"]
    train, meta, select, test = (parts[role] for role in ROLES)
    splits = Splits(train, meta, select, test, "given", definition, protocol)
    check_roles(data, splits)
    _LOG.info("%s: %s", data.name, splits)
    return splits


def _every_nth(train: Indices, most: float) -> tuple[Indices, Indices]:
    stay, taken = hold_out(list(train[:, None]), most)
    return _join(stay), _join(taken)


def _join(groups: list[Indices]) -> Indices:
    return np.concatenate([np.empty(0, dtype=np.int64), *groups])
