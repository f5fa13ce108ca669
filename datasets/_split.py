"""Splits of a table by a named method, or as published."""

import hashlib
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Final, get_args

import numpy as np

from molweight.arguments import check_choice
from molweight.datasets._catalogue import TABLES
from molweight.datasets._data_files import source_at_hand
from molweight.datasets._embedded import read_embedded_split
from molweight.datasets._load import table_smiles
from molweight.datasets._splits import SPLITTERS, Protocol, Request, Splits, check_roles
from molweight.errors import ConfigError, DataError
from molweight.graphs import MoleculeDataset

__all__ = ["ROLE_LETTERS", "frozen_split", "smiles_digest", "split"]

ROLE_LETTERS: Final = {"train": "T", "meta": "M", "select": "S", "test": "E"}
"""Letters for the roles in files, under the four-role protocol."""
_LOG: Final = logging.getLogger(__name__)


def frozen_split(data: MoleculeDataset, method: str, request: Request) -> Splits | None:
    """The published roles of the molecules of a table.

    Args:
        data: A table of :func:`molweight.datasets.load`, possibly with fewer rows than published.
        method: Name of the split.
        request: Protocol, fractions and seed.

    Returns:
        Their positions by role; ``None`` if nothing was published for that table, method and fractions, if the dataset
        has a molecule that is not in the published table, or if a role would be empty.

    Raises:
        DataError: If the stored split is damaged, or does not belong to the stored table.
    """
    if request.fractions != Request.fractions:
        return None
    source = TABLES[data.name]  # must work without a network: a user's table may have the same name
    published = _published(data.name, method) if source.embedded or source_at_hand(source) else None
    if published is None:
        return None
    definition, role_of = published
    letters = np.array([role_of.get(text.strip(), "") for text in data.smiles])
    positions = {role: np.flatnonzero(letters == letter).astype(np.int64) for role, letter in ROLE_LETTERS.items()}
    if sum(map(len, positions.values())) < len(data) or not all(map(len, positions.values())):
        return None
    roles = positions["train"], positions["meta"], positions["select"], positions["test"]
    splits = Splits(*roles, name=method, definition=definition, protocol="four-role", frozen=True)
    return splits if request.protocol == "four-role" else _as_in_paper(splits)


def _as_in_paper(splits: Splits) -> Splits:
    """Both roles as the validation part, and train including its held-out molecules."""
    train = np.sort(np.concatenate([splits.train, splits.select]))
    return replace(splits, train=train, select=splits.meta, protocol="paper")


def smiles_digest(smiles: Sequence[str]) -> str:
    """SHA-256 of SMILES in their order.

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


def split(
    data: MoleculeDataset,
    method: str = "scaffold",
    protocol: Protocol = "four-role",
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1),
    seed: int = 0,
    *,
    options: Mapping[str, Any] | None = None,
    frozen: bool = True,
) -> Splits:
    """Assign a role to every molecule.

    ``meta`` is the published validation part. Under the protocol ``"four-role"``, ``select`` is held out of train:
    whole groups, evenly spaced in its order, up to a tenth of all molecules. Under ``"paper"``, ``select`` equals
    ``meta``, and nothing is held out of train.

    "Scaffold split" is ambiguous: state the method, not the family. One forest on fingerprints of BBBP scores a
    ROC-AUC of 67.7 ± 0.4 under ``scaffold``, 69.0 ± 0.9 under ``scaffold_achiral``, 82.7 ± 0.3 under
    ``scaffold_generic`` and 88.2 ± 8.2 under ``random_scaffold`` (``experiments/studies/split_definitions.py``).

    ===================== ====================================================================================
    method                groups and how they are placed
    ===================== ====================================================================================
    ``scaffold``          Bemis-Murcko scaffolds with chirality, the largest first: MoleculeNet
    ``scaffold_achiral``  the same without stereochemistry: DeepChem
    ``scaffold_generic``  the same for skeletons, every atom a carbon, every bond single
    ``scaffold_balanced`` scaffolds without stereochemistry, the large ones to train: chemprop
    ``random_scaffold``   scaffolds with chirality in random order: Hu et al. 2020
    ``butina``            clusters of similar fingerprints, the largest first
    ``random``            single molecules
    ``stratified``        single molecules, classes or ranges of a label in equal shares
    ``ogb``               the published split of a data set of OGB
    ``none``              no test set: every row trains, and an ensemble is scored out of fold
    ===================== ====================================================================================

    ``splits.definition`` is the exact definition. For a split of your own see
    :func:`~molweight.datasets.split_by_roles` (a column), :func:`~molweight.datasets.split_by_indices` (lists of rows)
    and :func:`~molweight.datasets.load_splits` (a file).

    Args:
        data: The molecules.
        method: One of the methods above, or a registered name.
        protocol: ``"four-role"`` or ``"paper"``.
        fractions: Shares of train, validation and test; they sum to 1.
        seed: Seed of the randomised methods: the random ones, the balanced and the stratified one.
        options: Options of the method: ``cutoff`` for ``butina``, ``target`` and ``bins`` for ``stratified``.
        frozen: Whether to use the roles that are stored for the tables of :func:`molweight.datasets.load`, which do not
            depend on the version of RDKit and survive dropped rows; otherwise, and for other tables, they are computed.

    Returns:
        The positions by role, with the exact definition of the method.

    Raises:
        UnknownNameError: If there is no such method, with the nearest names.
        ConfigError: If protocol, fractions or options are invalid.
        DataError: If a role would have no molecule.

    Example:
        >>> from molweight.datasets import load
        >>> split(load("freesolv"), protocol="paper")
        <Splits scaffold (paper, frozen): train 513, meta 64, select 64, test 65>
    """
    check_choice("", "protocol", protocol, get_args(Protocol))
    request = Request(protocol, _checked(fractions), seed)
    SPLITTERS.get(method)  # refuses an unknown method before searching for stored roles
    published = frozen and not options and data.name in TABLES
    splits = frozen_split(data, method, request) if published else None
    if splits is None:
        splits = SPLITTERS.create(method, data, request, **(options or {}))
    check_roles(data, splits)
    _LOG.info("%s: %s", data.name, splits)
    return splits


def _checked(fractions: Sequence[float]) -> tuple[float, float, float]:
    """The fractions, checked to be three positive numbers with sum one."""
    try:
        parts = [float(share) for share in fractions]
    except (TypeError, ValueError):
        parts = []
    if len(parts) != 3 or min(parts) <= 0 or not math.isclose(sum(parts), 1.0):  # noqa: PLR2004 - three parts
        raise ConfigError(
            f"fractions must be three positive numbers that sum to 1 (train, validation, test), got {fractions!r}."
        )
    train, valid, test = parts
    return (train, valid, test)
