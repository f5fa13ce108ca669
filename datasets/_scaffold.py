"""The deterministic scaffold split."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import numpy as np

from molweight.datasets._fill import Positions
from molweight.datasets._splits import SPLITTERS, Request, Splits, from_groups
from molweight.graphs import MoleculeDataset

__all__ = ["group_by_scaffold", "murcko_scaffold", "scaffold_split"]

DEFINITION: Final = (
    "Bemis-Murcko scaffold SMILES with chirality; molecules without a ring share one group; groups by size, the "
    "largest first, then by the position of their first molecule, the last first; a group goes to train if it fits, "
    "else to validation if it fits, else to test; deterministic"
)


@SPLITTERS.register("scaffold")
def scaffold_split(data: MoleculeDataset, request: Request) -> Splits:
    """Molecules with the same scaffold stay together; nothing is drawn.

    The order of groups is that of the published code (DeepChem, Hu et al. 2020): by size and first position, both
    descending. The order of ties matters: the other way round, the test part of bbbp, a file sorted by class, has one
    class only. Source: Bemis and Murcko, J. Med. Chem. 39, 2887 (1996); Wu et al., Chem. Sci. 9, 513 (2018).

    Args:
        data: The molecules.
        request: Protocol and fractions; the seed is not used.

    Returns:
        The positions by role.
    """
    return from_groups("scaffold", DEFINITION, group_by_scaffold(data.smiles), request)


def group_by_scaffold(smiles: Iterable[str]) -> list[Positions]:
    """Positions of the molecules of each scaffold: the largest group first, then by first position, the last first.

    Example:
        >>> [group.tolist() for group in group_by_scaffold(["CCO", "c1ccccc1", "C", "Cc1ccccc1C", "C1CC1"])]
        [[1, 3], [0, 2], [4]]
    """
    groups: dict[str, list[int]] = {}
    for position, text in enumerate(smiles):
        groups.setdefault(murcko_scaffold(text), []).append(position)
    ordered = sorted(groups.values(), key=lambda group: (len(group), group[0]), reverse=True)
    return [np.array(group, dtype=np.int64) for group in ordered]


@lru_cache(maxsize=1_000_000)
def murcko_scaffold(smiles: str) -> str:
    """The Bemis-Murcko scaffold of a molecule as SMILES, with chirality; empty for a molecule without a ring.

    Args:
        smiles: A molecule RDKit can parse.

    Returns:
        Its rings and what links them.

    Example:
        >>> murcko_scaffold("CC(=O)Oc1ccccc1C(=O)O"), murcko_scaffold("CCO")
        ('c1ccccc1', '')
    """
    from rdkit import Chem, rdBase
    from rdkit.Chem.Scaffolds.MurckoScaffold import GetScaffoldForMol

    with rdBase.BlockLogs():
        scaffold = GetScaffoldForMol(Chem.MolFromSmiles(smiles))  # type: ignore[no-untyped-call]  # untyped in RDKit
        return Chem.MolToSmiles(scaffold)
