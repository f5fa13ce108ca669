"""Splitting a table by a named method."""

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

from molweight.datasets._frozen import frozen_split
from molweight.datasets._labels import check_choice
from molweight.datasets._splits import SPLITTERS, Protocol, Request, Splits, check_roles
from molweight.errors import ConfigError
from molweight.graphs import MoleculeDataset

__all__ = ["split"]

_LOG: Final = logging.getLogger(__name__)


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
    """Give every molecule a role.

    ``meta`` is the published validation part. Under the protocol ``"four-role"``, ``select`` is held out of train:
    whole groups, spread over its order, up to a tenth of all molecules. Under ``"paper"``, ``select`` is ``meta``, and
    train keeps everything.

    "Scaffold split" is not one thing: name the method, not the family. One forest on fingerprints of BBBP scores a
    ROC-AUC of 67.7 ± 0.4 under ``scaffold``, 69.0 ± 0.9 under ``scaffold_achiral``, 82.7 ± 0.3 under
    ``scaffold_generic`` and 88.2 ± 8.2 under ``random_scaffold`` (``experiments/studies/split_definitions.py``).

    ===================== ====================================================================================
    method                groups and how they are placed
    ===================== ====================================================================================
    ``scaffold``          Bemis-Murcko scaffolds with chirality, the largest first: MoleculeNet
    ``scaffold_achiral``  the same without stereochemistry: DeepChem
    ``scaffold_generic``  the same of skeletons, every atom a carbon, every bond single
    ``scaffold_balanced`` scaffolds without stereochemistry, the large ones to train: chemprop
    ``random_scaffold``   scaffolds with chirality in random order: Hu et al. 2020
    ``butina``            clusters of similar fingerprints, the largest first
    ``random``            single molecules
    ``stratified``        single molecules, classes or ranges of a label in equal shares
    ``ogb``               the published split of a data set of OGB
    ``none``              no test set: every row trains, and an ensemble is scored out of fold
    ===================== ====================================================================================

    ``splits.definition`` says the same exactly. For a split of your own see
    :func:`~molweight.datasets.split_by_roles` (a column), :func:`~molweight.datasets.split_by_indices` (lists of rows)
    and :func:`~molweight.datasets.load_splits` (a file).

    Args:
        data: The molecules.
        method: One of the methods above, or a registered name.
        protocol: ``"four-role"`` or ``"paper"``.
        fractions: Shares of train, validation and test; they sum to 1.
        seed: Seed of the methods that draw: the random ones, the balanced and the stratified one.
        options: Options of the method: ``cutoff`` for ``butina``, ``target`` and ``bins`` for ``stratified``.
        frozen: Whether to use the roles that are stored for the tables of :func:`molweight.datasets.load`, which do not
            depend on the version of RDKit and survive dropped rows; if not, or for other tables, they are computed.

    Returns:
        The positions by role, with the exact definition of the method.

    Raises:
        UnknownNameError: If there is no such method, with the nearest names.
        ConfigError: If protocol, fractions or options make no sense.
        DataError: If a role would have no molecule.

    Example:
        >>> from molweight.datasets import load
        >>> split(load("freesolv"), protocol="paper")
        <Splits scaffold (paper, frozen): train 513, meta 64, select 64, test 65>
    """
    check_choice("protocol", protocol, get_args(Protocol))
    request = Request(protocol, _checked(fractions), seed)
    SPLITTERS.get(method)  # an unknown method is refused before its stored roles are looked for
    splits = frozen_split(data, method, request) if frozen and not options else None
    if splits is None:
        splits = SPLITTERS.create(method, data, request, **(options or {}))
    check_roles(data, splits)
    _LOG.info("%s: %r", data.name, splits)
    return splits


def _checked(fractions: Sequence[float]) -> tuple[float, float, float]:
    """The fractions, if they are three positive shares of one."""
    if len(fractions) != 3 or min(fractions) <= 0 or not math.isclose(sum(fractions), 1.0):  # noqa: PLR2004 - three parts
        raise ConfigError(
            f"fractions must be three positive numbers that sum to 1 (train, validation, test), got {fractions!r}."
        )
    train, valid, test = fractions
    return (train, valid, test)
