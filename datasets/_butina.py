"""The split by clusters of similar molecules."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from molweight.arrays import Indices, Uint8Array
from molweight.datasets._parse import parse
from molweight.datasets._splits import SPLITTERS, Request, Splits, from_groups
from molweight.errors import ConfigError, OptionError, mention
from molweight.graphs import MoleculeDataset
from molweight.graphs.internal import guarded_list

if TYPE_CHECKING:
    from rdkit.DataStructs import ExplicitBitVect

__all__ = ["butina_split"]

DEFINITION: Final = (
    "Taylor-Butina clusters (RDKit, without reordering) of Morgan fingerprints (radius 2, 2048 bits, no chirality) "
    "within a Tanimoto distance of {cutoff}; clusters by size, the largest first, then by the position of their first "
    "molecule, the last first; a cluster goes to train if it fits, else to validation if it fits, else to test; "
    "deterministic"
)
_BITS: Final = 2048
MOST: Final = 25_000
"""Maximum number of molecules for comparing all pairs, which takes one byte per pair."""


@SPLITTERS.register("butina")
def butina_split(data: MoleculeDataset, request: Request, *, cutoff: float = 0.6) -> Splits:
    """Keep the molecules of a cluster together; the test set gets the most dissimilar molecules.

    Source: Butina, J. Chem. Inf. Comput. Sci. 39, 747 (1999); filled like DeepChem's ``ButinaSplitter``, whose cutoff
    is the default.

    Args:
        data: The molecules.
        request: Protocol and fractions; the seed is not used.
        cutoff: Tanimoto distance up to which two molecules are neighbours, 0 to 1.

    Returns:
        The positions by role.

    Raises:
        OptionError: If the cutoff is not a distance.
        ConfigError: If there are too many molecules to compare them all.
    """
    if not 0 <= cutoff < 1:
        raise OptionError(
            "cutoff", cutoff, "must be a Tanimoto distance, at least 0 and below 1", owner="split 'butina'"
        )
    if len(data) > MOST:
        raise ConfigError(
            f"{data.name}: the split 'butina' compares all pairs and is limited to {MOST} molecules; this table has "
            f"{len(data)}. Use {mention('method', 'scaffold')}."
        )
    return from_groups("butina", DEFINITION.format(cutoff=cutoff), _clusters(data, cutoff), request)


def _clusters(data: MoleculeDataset, cutoff: float) -> list[Indices]:
    from rdkit.ML.Cluster import Butina

    far = _far(data, cutoff)
    found = Butina.ClusterData(far, len(far), 0.5, isDistData=True)  # type: ignore[no-untyped-call]  # untyped in RDKit
    clusters = sorted((sorted(members) for members in found), key=lambda group: (len(group), group[0]), reverse=True)
    return [np.array(group, dtype=np.int64) for group in clusters]


def _far(data: MoleculeDataset, cutoff: float) -> Uint8Array:
    """Whether two molecules are farther apart than the cutoff, as 0 and 1 for every pair."""
    from rdkit import DataStructs

    work = guarded_list(_fingerprints, _no_bits, "has a group of its own; its fingerprint")
    prints = work(data.smiles)
    far = np.empty((len(prints), len(prints)), dtype=np.uint8)
    for row, one in enumerate(prints):
        far[row] = 1.0 - np.array(DataStructs.BulkTanimotoSimilarity(one, prints)) > cutoff
    return far


def _fingerprints(smiles: Sequence[str]) -> "list[ExplicitBitVect]":
    from rdkit import rdBase
    from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

    with rdBase.BlockLogs():
        generator = GetMorganGenerator(radius=2, fpSize=_BITS)
        return [generator.GetFingerprint(parse(text)) for text in smiles]


def _no_bits(_: str) -> "ExplicitBitVect":
    from rdkit.DataStructs import ExplicitBitVect

    return ExplicitBitVect(_BITS)
