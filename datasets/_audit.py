"""The audit of a table: facts to know before a score on it is believed."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np

from molweight.arrays import Float32Array, Indices, Uint64Array
from molweight.datasets._labels import check_choice
from molweight.datasets._rdkit_identity import identity, number_of, structure
from molweight.datasets._splits import Splits
from molweight.graphs import MoleculeDataset, target_column
from molweight.graphs.internal import RejectCounts

__all__ = ["Audit", "Duplicates", "Labels", "Leak", "Overlap", "audit", "without"]


@dataclass(frozen=True)
class Duplicates:
    """Molecules that occur in a table more than once.

    Args:
        extra: Molecules beyond the first of each.
        groups: Different molecules that occur more than once.
        conflicting: Those of ``groups`` whose rows have different labels, both known, for some target.
        rows: The rows of each group, counted from 0 in the source; groups with conflicting labels first.
    """

    extra: int
    groups: int
    conflicting: int
    rows: list[list[int]]


@dataclass(frozen=True)
class Labels:
    """The labels of one target.

    Args:
        name: Name of the target.
        known: Molecules with a label.
        missing: Molecules without.
        mean: Mean label; for classes the share of ones. ``None`` where no label is known, as the two that follow.
        lowest: Smallest label.
        highest: Largest label.
    """

    name: str
    known: int
    missing: int
    mean: float | None
    lowest: float | None
    highest: float | None


@dataclass(frozen=True)
class Leak:
    """Overlap of a role with an earlier one.

    Args:
        role: The role that is scored.
        other: The role that was learned from.
        molecules: Molecules of ``role`` that occur in ``other`` too.
        compounds: The same for compounds.
        scaffold: Molecules of ``role`` with a ring whose scaffold occurs in ``other``.
        size: Molecules of ``role``.
    """

    role: str
    other: str
    molecules: int
    compounds: int
    scaffold: int
    size: int


@dataclass(frozen=True)
class Overlap:
    """Overlap of a corpus with a table.

    Args:
        corpus: Name of the corpus.
        size: Its molecules.
        duplicates: Its molecules beyond the first of each.
        found: Molecules of the table, by role (``"table"`` for all of it), that occur in the corpus.
        compounds: The same for compounds.
    """

    corpus: str
    size: int
    duplicates: int
    found: dict[str, int]
    compounds: dict[str, int]


@dataclass(frozen=True)
class Audit:
    """The result of :func:`audit`.

    Args:
        table: Name of the table.
        molecules: Molecules in use.
        rejected: Rows without a molecule.
        duplicates: Molecules that occur more than once: equal canonical SMILES, stereochemistry included.
        duplicate_compounds: The same for compounds.
        undefined_stereo: Molecules with a tetrahedral stereocentre whose configuration is not given.
        acyclic: Molecules without a ring, which all share the empty scaffold.
        scaffolds: Different scaffolds among the others (Bemis-Murcko, with chirality).
        single_scaffolds: Those of them with one molecule.
        largest_scaffold: Molecules of the most frequent one.
        labels: One entry per target.
        split: Definition of the split; empty without one.
        sizes: Molecules by role.
        leaks: What later roles have in common with earlier ones.
        overlap: What the corpus has in common with the table; ``None`` without a corpus.
        left_out: Further rows, left out for a label that cannot be read.
        unread: Labels that cannot be read and are taken as missing.
        repeated: Further rows, left out because their molecule occurs in several.
        merged: Further rows, which were merged with an earlier row of the same molecule.
    """

    table: str
    molecules: int
    rejected: int
    duplicates: Duplicates
    duplicate_compounds: Duplicates
    undefined_stereo: int
    acyclic: int
    scaffolds: int
    single_scaffolds: int
    largest_scaffold: int
    labels: list[Labels]
    split: str
    sizes: dict[str, int]
    leaks: list[Leak]
    overlap: Overlap | None
    left_out: int = 0
    unread: int = 0
    repeated: int = 0
    merged: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return asdict(self)


def audit(
    data: MoleculeDataset,
    splits: Splits | None = None,
    corpus: MoleculeDataset | None = None,
    *,
    n_jobs: int | None = None,
    progress: bool = False,
) -> Audit:
    """Look for duplicates, undefined stereochemistry, unbalanced labels, and what leaks from one role to another.

    Two molecules are the same if RDKit gives them the same canonical SMILES, stereochemistry included. They are the
    same compound if they differ in nothing but protonation, counter-ions, stereochemistry, or places of hydrogens on
    heteroatoms: ZINC, for example, writes amines protonated, so that its molecules and those of a table only meet as
    compounds.

    Args:
        data: The table.
        splits: Its roles, to look for leakage between them.
        corpus: Molecules to pretrain on, to look for those of the table.
        n_jobs: Processes; ``None`` for all cores.
        progress: Whether to show progress bars on a terminal.

    Returns:
        The counts.

    Example:
        >>> from molweight.datasets import from_smiles
        >>> data = from_smiles(["CCO", "OCC", "c1ccccc1C(F)Cl"], [0.0, 1.0, 1.0], name="three", cache=False)
        >>> found = audit(data)
        >>> found.duplicates.extra, found.duplicates.conflicting, found.undefined_stereo, found.acyclic
        (1, 1, 1, 2)
    """
    keys = _identities(data, n_jobs, progress=progress)
    scaffold, centres = target_column(data, structure(), n_jobs=n_jobs, progress=progress).astype(np.uint64).T
    counts = np.unique(scaffold[scaffold != 0], return_counts=True)[1]
    overlap = None
    if corpus is not None:
        theirs = _identities(corpus, n_jobs, progress=progress)
        overlap = _overlap(keys, splits, corpus, theirs)
    unusable = RejectCounts.of(data.rejects)
    return Audit(
        table=data.name,
        molecules=len(data),
        rejected=unusable.molecules,
        left_out=unusable.rows,
        unread=unusable.labels,
        repeated=unusable.repeated,
        merged=len(data.merged_rows),
        duplicates=_duplicates(data, keys[:, 0]),
        duplicate_compounds=_duplicates(data, keys[:, 1]),
        undefined_stereo=int((centres > 0).sum()),
        acyclic=int((scaffold == 0).sum()),
        scaffolds=len(counts),
        single_scaffolds=int((counts == 1).sum()),
        largest_scaffold=int(counts.max(initial=0)),
        labels=[_labels(name, data.targets[:, place]) for place, name in enumerate(data.target_names)],
        split=splits.definition if splits else "",
        sizes=splits.sizes if splits else {},
        leaks=_leaks(keys, scaffold, splits) if splits else [],
        overlap=overlap,
    )


def without(
    corpus: MoleculeDataset,
    data: MoleculeDataset,
    positions: Sequence[int] | Indices | None = None,
    *,
    same: Literal["molecule", "compound"] = "compound",
    n_jobs: int | None = None,
    progress: bool = False,
) -> MoleculeDataset:
    """A corpus without the molecules of a table.

    Args:
        corpus: Molecules to pretrain on.
        data: The table.
        positions: Which of its molecules, e.g. ``splits.test``; ``None`` for all.
        same: What is removed: the same molecules, or all forms of the same compounds, as :func:`audit` tells them.
        n_jobs: Processes; ``None`` for all cores.
        progress: Whether to show progress bars on a terminal.

    Returns:
        The corpus itself where it has none of them; otherwise its other molecules.

    Raises:
        ConfigError: If ``same`` is not a choice.

    Example:
        >>> from molweight.datasets import from_smiles
        >>> corpus, table = (from_smiles(part, cache=False) for part in (["C", "CCO", "CC"], ["OCC", "N"]))
        >>> list(without(corpus, table).smiles)
        ['C', 'CC']
    """
    check_choice("same", same, ("molecule", "compound"))
    column = ("molecule", "compound").index(same)
    theirs = _identities(corpus, n_jobs, progress=progress)[:, column]
    keys = _identities(data, n_jobs, progress=progress)[:, column]
    kept = ~np.isin(theirs, keys if positions is None else keys[np.asarray(positions, dtype=np.int64)])
    return corpus if kept.all() else corpus.subset(np.flatnonzero(kept))


def _identities(data: MoleculeDataset, n_jobs: int | None, *, progress: bool) -> Uint64Array:
    """Keys of molecules and compounds; the SMILES as written where RDKit does not finish."""
    keys: Uint64Array = target_column(data, identity(), n_jobs=n_jobs, progress=progress).astype(np.uint64)
    for place in np.flatnonzero((keys == 0).all(axis=1)):
        keys[place] = number_of(data.smiles[int(place)])
    return keys


def _duplicates(data: MoleculeDataset, keys: Uint64Array) -> Duplicates:
    order = np.argsort(keys, kind="stable")
    groups = [group for group in np.split(order, np.flatnonzero(np.diff(keys[order])) + 1) if len(group) > 1]
    conflicts = [_conflicting(data.targets[group]) for group in groups]
    listed = sorted(zip(conflicts, groups, strict=True), key=lambda item: (not item[0], item[1][0]))
    return Duplicates(
        extra=sum(len(group) - 1 for group in groups),
        groups=len(groups),
        conflicting=sum(conflicts),
        rows=[data.rows[group].tolist() for _, group in listed],
    )


def _conflicting(labels: Float32Array) -> bool:
    """Whether two rows have different labels for a target."""
    known = labels[:, (~np.isnan(labels)).sum(axis=0) > 1]
    return bool((np.nanmax(known, axis=0) > np.nanmin(known, axis=0)).any()) if known.size else False


def _labels(name: str, labels: Float32Array) -> Labels:
    known = labels[~np.isnan(labels)].astype(np.float64)
    if len(known) == 0:
        return Labels(name, 0, len(labels), None, None, None)
    return Labels(
        name, len(known), len(labels) - len(known), float(known.mean()), float(known.min()), float(known.max())
    )


def _leaks(keys: Uint64Array, scaffold: Uint64Array, splits: Splits) -> list[Leak]:
    """Of each role what it shares with those before it; under the protocol of the paper meta is select."""
    roles = splits.roles()
    pairs = [pair for pair in combinations(roles, 2) if splits.protocol == "four-role" or "select" not in pair]
    return [_leak(keys, scaffold, (other, roles[other]), (role, roles[role])) for other, role in pairs]


def _leak(keys: Uint64Array, scaffold: Uint64Array, other: tuple[str, Indices], role: tuple[str, Indices]) -> Leak:
    learned, scored = other[1], role[1]
    rings = scaffold[scored][scaffold[scored] != 0]
    return Leak(
        role=role[0],
        other=other[0],
        molecules=_shared(keys[scored, 0], keys[learned, 0]),
        compounds=_shared(keys[scored, 1], keys[learned, 1]),
        scaffold=_shared(rings, scaffold[learned]),
        size=len(scored),
    )


def _overlap(keys: Uint64Array, splits: Splits | None, corpus: MoleculeDataset, theirs: Uint64Array) -> Overlap:
    parts = {"table": np.arange(len(keys)), **(splits.roles() if splits else {})}
    found = [
        {role: _shared(keys[part, column], theirs[:, column]) for role, part in parts.items()} for column in (0, 1)
    ]
    duplicates = len(theirs) - len(np.unique(theirs[:, 0]))
    return Overlap(corpus.name, len(corpus), duplicates, found[0], found[1])


def _shared(these: Uint64Array, those: Uint64Array) -> int:
    return int(np.isin(these, those).sum())
