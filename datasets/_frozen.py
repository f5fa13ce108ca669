"""Frozen splits: the published roles of the rows of a table, found again by SMILES.

One small JSON file per table and method (``embedded/splits/<table>.<method>.json``) holds one letter per row of the
source: its role, or ``-`` for a row without a molecule; beside it stands the SHA-256 of all SMILES of the source in
order. On use the letters are turned into a mapping from SMILES to role, so a dataset may have lost rows, or have them
in another order, and each molecule still has its published role. Equal SMILES have equal scaffolds, hence one role.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Final

import numpy as np

from molweight.datasets._catalogue import TABLES
from molweight.datasets._embedded import read_embedded_split
from molweight.datasets._load import table_smiles
from molweight.datasets._source import source_at_hand
from molweight.datasets._splits import Request, Splits
from molweight.errors import DataError
from molweight.graphs import MoleculeDataset

__all__ = ["ROLE_LETTERS", "frozen_split", "smiles_digest"]

ROLE_LETTERS: Final = {"train": "T", "meta": "M", "select": "S", "test": "E"}
"""How roles are written in the files, under the four-role protocol."""


def frozen_split(data: MoleculeDataset, method: str, request: Request) -> Splits | None:
    """The published roles of the molecules of a table.

    Args:
        data: A table, perhaps with fewer rows than were published.
        method: Name of the split.
        request: Protocol, fractions and seed.

    Returns:
        Their positions by role; ``None`` where nothing was published for that table, method and fractions, where the
        dataset has a molecule that the published table has not, or where so few are left that a role is empty.

    Raises:
        DataError: If the stored split is damaged, or does not belong to the stored table.
    """
    if request.fractions != Request.fractions:
        return None
    published = _published(data.name, method) if _at_hand(data.name) else None
    if published is None:
        return None
    definition, role_of = published
    letters = np.array([role_of.get(text.strip(), "") for text in data.smiles])
    positions = {role: np.flatnonzero(letters == letter).astype(np.int64) for role, letter in ROLE_LETTERS.items()}
    if sum(map(len, positions.values())) < len(data) or not all(map(len, positions.values())):
        return None
    splits = Splits(**positions, name=method, definition=definition, protocol="four-role", frozen=True)
    return splits if request.protocol == "four-role" else _as_in_paper(splits)


def _at_hand(table: str) -> bool:
    """Whether the published table can be read without a network: a table of one's own may have its name."""
    return table in TABLES and (TABLES[table].embedded or source_at_hand(TABLES[table]))


def _as_in_paper(splits: Splits) -> Splits:
    """The validation part for both roles, and train with what was held out of it."""
    train = np.sort(np.concatenate([splits.train, splits.select]))
    return replace(splits, train=train, select=splits.meta, protocol="paper")


def smiles_digest(smiles: Sequence[str]) -> str:
    """SHA-256 over SMILES in their order.

    Example:
        >>> smiles_digest(["C", "CC"]) == smiles_digest(["CC", "C"])
        False
    """
    return hashlib.sha256("\n".join(smiles).encode()).hexdigest()


@cache
def _published(table: str, method: str) -> tuple[str, dict[str, str]] | None:
    """Definition and role letter by SMILES of a published split."""
    stored = read_embedded_split(table, method)
    if stored is None:
        return None
    smiles = table_smiles(table)
    if smiles_digest(smiles) != stored["smiles_sha256"]:
        raise DataError(
            f"{table}: the frozen split {method!r} belongs to another version of the table. Reinstall molweight."
        )
    return stored["definition"], dict(zip(smiles, stored["roles"], strict=True))
