"""Held-out compounds of a task, to be recognised in other tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from molweight.arrays import BoolArray, Int64Array, Uint64Array
from molweight.datasets._rdkit_identity import identities, number_of, without_isotopes
from molweight.datasets._splits import Splits
from molweight.graphs import MoleculeDataset
from molweight.graphs.internal import map_chunks, parse_molecule, tasks_of

__all__ = ["HeldCompounds", "compound_forms", "skeleton_keys", "skeletons"]

_CHUNK = 256
_HYDROGEN = 0
"""Value of the feature ``atomic_number`` of hydrogen."""


@dataclass(frozen=True)
class HeldCompounds:
    """The compounds of a task by role.

    Args:
        data: The table of the task.
        held: Positions in ``meta``, ``select`` and ``test``.
        train: Positions in ``train``.
        compounds: Compound key of every molecule.
        further: Held-out molecules that are not in the table.
    """

    data: MoleculeDataset
    held: Int64Array
    train: Int64Array
    compounds: Uint64Array
    further: Self | None = None

    @classmethod
    def of(cls, data: MoleculeDataset, splits: Splits | None) -> Self:
        """The compounds of a table and its roles; without roles, all are held out."""
        roles = splits.roles() if splits else {"test": range(len(data))}
        train = np.asarray(roles.get("train", ()), dtype=np.int64)
        parts = [np.asarray(roles.get(name, ()), dtype=np.int64) for name in ("meta", "select", "test")]
        further = splits.further if splits else None
        rest = None if further is None else cls.of(further, None)
        return cls(data, np.unique(np.concatenate(parts)), train, identities(data)[:, 1], rest)

    @cached_property
    def plain(self) -> Uint64Array:
        """Compound keys of all molecules without their isotopes."""
        return without_isotopes(self.data, self.compounds)

    @cached_property
    def inchi(self) -> frozenset[str]:
        """First blocks of the InChIKeys of the held-out molecules."""
        return frozenset(skeletons([self.data.smiles[int(place)] for place in self.held])) - {""}

    def covers(self, table: MoleculeDataset, compounds: Uint64Array) -> BoolArray:
        """Which molecules of another table are forms of held-out compounds.

        Args:
            table: The table.
            compounds: Compound keys of its molecules.
        """
        out = np.isin(compounds, self.compounds[self.held])
        # The InChIKey of a salt is another one, so isotopes of the largest fragment are compared without them, too.
        out |= np.isin(without_isotopes(table, compounds), self.plain[self.held])
        # An InChIKey takes a millisecond, so it is computed only for molecules with the same atoms.
        alike = np.isin(_composition(table), _composition(self.data)[self.held])
        unsure = np.flatnonzero(alike & ~out)
        if len(unsure):
            found = skeletons([table.smiles[int(place)] for place in unsure])
            out[unsure] = [block in self.inchi for block in found]
        return out if self.further is None else out | self.further.covers(table, compounds)

    def trained(self, compounds: Uint64Array) -> BoolArray:
        """Which compounds are in ``train``."""
        return np.isin(compounds, self.compounds[self.train])

    def contradictions(self, table: MoleculeDataset, compounds: Uint64Array) -> int:
        """Number of labels, in columns named like a target of the task, that contradict its label of the same compound.

        Numbers contradict each other if they differ by more than half the standard deviation of the task's labels.

        Args:
            table: The table.
            compounds: Compound keys of its molecules.
        """
        place = {int(self.compounds[row]): row for row in reversed(self.train.tolist())}
        pairs = [(row, place[key]) for row, key in enumerate(compounds.tolist()) if key in place]
        if not pairs:
            return 0
        theirs, ours = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        tasks = tasks_of(self.data.task, len(self.data.target_names))
        count = 0
        for column, name in enumerate(self.data.target_names):
            if name in table.target_names:
                labels = self.data.targets[:, column]
                apart = np.abs(table.targets[theirs, table.target_names.index(name)] - labels[ours])
                numbers = tasks[column] == "regression"
                count += int((apart > (0.5 * float(np.nanstd(labels[self.train])) if numbers else 0.5)).sum())
        return count


def compound_forms(
    data: MoleculeDataset, table: MoleculeDataset, compounds: Uint64Array, *, n_jobs: int | None = None
) -> list[Int64Array]:
    """Positions in another table of all forms of each molecule's compound, recognised as by :class:`HeldCompounds`.

    Args:
        data: The molecules, ``n``.
        table: The other table.
        compounds: Compound keys of its molecules.
        n_jobs: Processes; ``None`` for all cores.

    Returns:
        ``n`` arrays of positions.
    """
    own, other = _composition(data), _composition(table)
    # An InChIKey takes a millisecond, so it is computed only for molecules with the same atoms.
    rows, places = np.flatnonzero(np.isin(own, other)).tolist(), np.flatnonzero(np.isin(other, own)).tolist()
    blocks = dict(zip(rows, skeletons([data.smiles[row] for row in rows], n_jobs=n_jobs), strict=True))
    by_key = _places(compounds.tolist(), range(len(compounds)))
    by_plain = _places(without_isotopes(table, compounds).tolist(), range(len(compounds)))
    by_block = _places(skeletons([table.smiles[place] for place in places], n_jobs=n_jobs), places)
    found = []
    keys = identities(data)[:, 1]
    for row, (key, plain) in enumerate(zip(keys.tolist(), without_isotopes(data, keys).tolist(), strict=True)):
        block = blocks.get(row, "")
        forms = {*by_key.get(key, ()), *by_plain.get(plain, ()), *(by_block.get(block, ()) if block else ())}
        found.append(np.array(sorted(forms), dtype=np.int64))
    return found


def _places(keys: Sequence[Any], positions: Sequence[int]) -> dict[Any, list[int]]:
    """The positions of each key."""
    found: dict[Any, list[int]] = {}
    for key, position in zip(keys, positions, strict=True):
        found.setdefault(key, []).append(position)
    return found


def skeletons(smiles: Sequence[str], *, n_jobs: int | None = None) -> list[str]:
    """First block of the InChIKey of each molecule: its connectivity, without stereochemistry and protonation.

    Args:
        smiles: ``n`` SMILES.
        n_jobs: Processes; ``None`` for all cores.

    Returns:
        ``n`` blocks of 14 letters; empty if InChI fails.

    Example:
        >>> first, same, other = skeletons(["C[C@H](N)C(=O)O", "CC(N)C(=O)[O-]", "CCO"])
        >>> first == same, first == other
        (True, False)
    """
    parts = map_chunks(_blocks, smiles, chunk=_CHUNK, n_jobs=n_jobs, parallel_from=4 * _CHUNK) if smiles else []
    return [block for part in parts for block in part]


def skeleton_keys(smiles: Sequence[str]) -> Uint64Array:
    """The results of :func:`skeletons` as 64-bit numbers, for storage; 0 if InChI fails.

    Args:
        smiles: ``n`` SMILES.
    """
    return np.array([number_of(block) for block in skeletons(smiles)], dtype=np.uint64)


def _blocks(smiles: Sequence[str]) -> list[str]:
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        keys = [Chem.MolToInchiKey(parse_molecule(text)) for text in smiles]  # type: ignore[no-untyped-call]  # RDKit says no types
    return [str(key).partition("-")[0] for key in keys]


def _composition(data: MoleculeDataset) -> Uint64Array:
    """A number per molecule that depends on its counts of heavy atoms by element."""
    molecules = data.molecules
    codes = np.random.default_rng(0).integers(1, 1 << 62, 256, dtype=np.uint64)
    codes[_HYDROGEN] = 0  # deuterium is an atom of the graph, but no heavy one
    before = np.concatenate([np.zeros(1, np.uint64), np.cumsum(codes[molecules.atoms[:, 0]], dtype=np.uint64)])
    total: Uint64Array = before[molecules.atom_offsets[1:]] - before[molecules.atom_offsets[:-1]]
    return total
