"""The deterministic scaffold splits, with three definitions of a scaffold."""

from collections.abc import Iterable, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from molweight.arrays import Indices
from molweight.datasets._parse import parse
from molweight.datasets._splits import SPLITTERS, Request, Splits, from_groups
from molweight.graphs import MoleculeDataset
from molweight.graphs.internal import guarded_list

if TYPE_CHECKING:
    from rdkit.Chem import Mol

__all__ = [
    "ScaffoldKind",
    "group_by_scaffold",
    "murcko_scaffold",
    "scaffold_achiral_split",
    "scaffold_generic_split",
    "scaffold_split",
]

ScaffoldKind = Literal["chiral", "achiral", "generic"]
"""With stereochemistry; without it; also with every atom a carbon and every bond single."""

_FILLING: Final = (
    "molecules without a ring share one group; groups by size, the largest first, then by the position of their first "
    "molecule, the last first; a group goes to train if it fits, else to validation if it fits, else to test; "
    "deterministic"
)
_CHIRAL: Final = f"Bemis-Murcko scaffold SMILES with chirality; {_FILLING}"
_ACHIRAL: Final = f"Bemis-Murcko scaffold SMILES without stereochemistry; {_FILLING}"
_GENERIC: Final = f"generic Bemis-Murcko skeleton (every atom a carbon, every bond single); {_FILLING}"


@SPLITTERS.register("scaffold")
def scaffold_split(data: MoleculeDataset, request: Request) -> Splits:
    """Keep molecules with the same scaffold together; deterministic.

    The order of groups is that of the published code (DeepChem, Hu et al. 2020): by size and first position, both
    descending. The order of ties matters: if it were reversed, the test part of bbbp would have a single class, because
    the file is sorted by class. Source: Bemis and Murcko, J. Med. Chem. 39, 2887 (1996); Wu et al., Chem. Sci. 9, 513
    (2018).

    Args:
        data: The molecules.
        request: Protocol and fractions; the seed is not used.

    Returns:
        The positions by role.
    """
    return from_groups("scaffold", _CHIRAL, group_by_scaffold(data.smiles), request)


@SPLITTERS.register("scaffold_achiral")
def scaffold_achiral_split(data: MoleculeDataset, request: Request) -> Splits:
    """Like :func:`scaffold_split`, with stereoisomers of a scaffold in one group, as in DeepChem.

    Args:
        data: The molecules.
        request: Protocol and fractions; the seed is not used.

    Returns:
        The positions by role.
    """
    return from_groups("scaffold_achiral", _ACHIRAL, group_by_scaffold(data.smiles, "achiral"), request)


@SPLITTERS.register("scaffold_generic")
def scaffold_generic_split(data: MoleculeDataset, request: Request) -> Splits:
    """Like :func:`scaffold_split`, with one group per skeleton: ring systems of one shape, regardless of atom types.

    Args:
        data: The molecules.
        request: Protocol and fractions; the seed is not used.

    Returns:
        The positions by role.
    """
    return from_groups("scaffold_generic", _GENERIC, group_by_scaffold(data.smiles, "generic"), request)


def group_by_scaffold(smiles: Iterable[str], kind: ScaffoldKind = "chiral") -> list[Indices]:
    """Positions of the molecules of each scaffold, sorted by group size, then by first position, both descending.

    Args:
        smiles: The molecules.
        kind: Definition of a scaffold.

    Returns:
        The groups.

    Example:
        >>> [group.tolist() for group in group_by_scaffold(["CCO", "c1ccccc1", "C", "Cc1ccccc1C", "C1CC1"])]
        [[1, 3], [0, 2], [4]]
    """
    groups: dict[str, list[int]] = {}
    work = guarded_list(partial(_scaffolds, kind=kind), str, "has a group of its own; its scaffold")
    for position, scaffold in enumerate(work(list(smiles))):
        groups.setdefault(scaffold, []).append(position)
    ordered = sorted(groups.values(), key=lambda group: (len(group), group[0]), reverse=True)
    return [np.array(group, dtype=np.int64) for group in ordered]


def _scaffolds(smiles: Sequence[str], kind: ScaffoldKind) -> list[str]:
    return [murcko_scaffold(text, kind) for text in smiles]


@lru_cache(maxsize=1_000_000)
def murcko_scaffold(smiles: str, kind: ScaffoldKind = "chiral") -> str:
    """The Bemis-Murcko scaffold of a molecule as SMILES; empty for a molecule without a ring.

    Args:
        smiles: A molecule RDKit can parse.
        kind: ``"chiral"`` keeps stereochemistry, ``"achiral"`` drops it, ``"generic"`` also turns every atom into a
            carbon and every bond into a single one.

    Returns:
        Its rings and linkers.

    Example:
        >>> murcko_scaffold("CC(=O)Oc1ccccc1C(=O)O"), murcko_scaffold("CCO")
        ('c1ccccc1', '')
        >>> murcko_scaffold("Cc1ccncc1", "generic")
        'C1CCCCC1'
    """
    from rdkit import Chem, rdBase
    from rdkit.Chem.Scaffolds.MurckoScaffold import GetScaffoldForMol

    with rdBase.BlockLogs():
        scaffold = GetScaffoldForMol(parse(smiles))  # type: ignore[no-untyped-call]  # untyped in RDKit
        if kind == "generic":
            scaffold = _skeleton(scaffold)
        return Chem.MolToSmiles(scaffold, isomericSmiles=kind == "chiral")


def _skeleton(scaffold: "Mol") -> "Mol":
    """A scaffold with every atom a carbon and every bond single."""
    from rdkit import Chem
    from rdkit.Chem.Scaffolds.MurckoScaffold import MakeScaffoldGeneric

    try:
        generic: Mol = MakeScaffoldGeneric(scaffold)  # type: ignore[no-untyped-call]  # untyped in RDKit
    except Chem.MolSanitizeException:  # a metal or a cage has an atom with more neighbours than a carbon may have
        bare = Chem.RWMol()
        for _ in scaffold.GetAtoms():
            bare.AddAtom(Chem.Atom(6))
        for bond in scaffold.GetBonds():
            bare.AddBond(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), Chem.BondType.SINGLE)
        for atom in bare.GetAtoms():
            atom.SetNoImplicit(True)  # noqa: FBT003 - no keyword exists
        return bare
    return generic
