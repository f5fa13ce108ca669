"""The audit of a table: problems that would make a score on it unreliable."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np

from molweight.arguments import check_choice
from molweight.arrays import Float32Array, Indices, Uint64Array
from molweight.datasets._rdkit_identity import identities, structure
from molweight.datasets._skeletons import HeldCompounds, compound_forms
from molweight.datasets._splits import Splits
from molweight.graphs import MoleculeDataset, target_column
from molweight.graphs.internal import RejectCounts

__all__ = ["Audit", "Duplicates", "Labels", "Leak", "Overlap", "audit", "without"]


@dataclass(frozen=True)
class Duplicates:
    """Repeated molecules of a table.

    Args:
        extra: Molecules beyond the first of each.
        groups: Different molecules that occur more than once.
        conflicting: Number of ``groups`` whose rows have different known labels for some target.
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
        missing: Molecules without a label.
        mean: Mean label; for classes the share of ones. ``None`` if no label is known, like the next two.
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
        role: The role used for scoring.
        other: The role used for training.
        molecules: Molecules of ``role`` that also occur in ``other``.
        compounds: The same for compounds.
        scaffold: Molecules of ``role`` that have a ring, and whose scaffold occurs in ``other``.
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
        size: Number of its molecules.
        duplicates: Number of its molecules that repeat an earlier one.
        found: Molecules of the table, by role (``"table"`` for all of it), that occur in the corpus.
        compounds: The same for compounds.
        forms: Molecules of the corpus that :func:`without` removes for each of these roles; ``None`` if not counted.
    """

    corpus: str
    size: int
    duplicates: int
    found: dict[str, int]
    compounds: dict[str, int]
    forms: dict[str, int] | None = None


@dataclass(frozen=True)
class Audit:
    """The result of :func:`audit`.

    Args:
        table: Name of the table.
        molecules: Molecules in use.
        rejected: Rows without a molecule.
        duplicates: Molecules that occur more than once: equal canonical SMILES, stereochemistry included.
        duplicate_compounds: The same for compounds.
        undefined_stereo: Molecules with a tetrahedral stereocentre of unspecified configuration.
        acyclic: Molecules without a ring, which all share the empty scaffold.
        scaffolds: Number of different scaffolds among the others (Bemis-Murcko, with chirality).
        single_scaffolds: Number of scaffolds with one molecule.
        largest_scaffold: Molecules of the most frequent one.
        labels: One entry per target.
        split: Definition of the split; empty without one.
        sizes: Molecules by role.
        leaks: Overlaps of later roles with earlier ones.
        overlap: Overlap of the corpus with the table; ``None`` without a corpus.
        left_out: Further rows, left out because of an unreadable label.
        unread: Unreadable labels that count as missing.
        repeated: Further rows, left out because their molecule is repeated.
        merged: Further rows, merged with an earlier row of the same molecule.
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
        """All fields as JSON values."""
        return asdict(self)


def audit(
    data: MoleculeDataset,
    splits: Splits | None = None,
    corpus: MoleculeDataset | None = None,
    *,
    forms: bool = False,
    n_jobs: int | None = None,
    progress: bool = False,
) -> Audit:
    """Look for duplicates, undefined stereochemistry, unbalanced labels, and leakage between roles.

    Two molecules are the same if RDKit gives them the same canonical SMILES, stereochemistry included. They are the
    same compound if they differ only in protonation, counter-ions, stereochemistry, or positions of hydrogens on
    heteroatoms. For example, ZINC writes amines protonated, so overlaps with it are found only between compounds.

    Args:
        data: The table.
        splits: Its roles, to find leakage between them.
        corpus: Molecules for pretraining, to find those of the table.
        forms: Whether to count the molecules of the corpus that :func:`without` would remove: also those that only
            InChI recognises, e.g. isotopes. This takes milliseconds for each molecule of the corpus with the heavy
            atoms of one of the table.
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
    keys = identities(data, n_jobs=n_jobs, progress=progress)
    scaffold, centres = target_column(data, structure(), n_jobs=n_jobs, progress=progress).astype(np.uint64).T
    counts = np.unique(scaffold[scaffold != 0], return_counts=True)[1]
    overlap = None
    if corpus is not None:
        theirs = identities(corpus, n_jobs=n_jobs, progress=progress)
        removed = compound_forms(data, corpus, theirs[:, 1], n_jobs=n_jobs) if forms else None
        overlap = _overlap(keys, splits, corpus, theirs, removed)
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
        positions: Positions of its molecules, e.g. ``splits.test``; ``None`` for all.
        same: Whether to remove the same molecules, as defined for :func:`audit`, or all forms of the same compounds:
            also other isotopes, and those that only the first block of the InChIKey recognises.
        n_jobs: Processes; ``None`` for all cores.
        progress: Whether to show progress bars on a terminal.

    Returns:
        The other molecules of the corpus; the corpus itself if nothing is removed.

    Raises:
        ConfigError: If ``same`` is not a valid choice.

    Example:
        >>> from molweight.datasets import from_smiles
        >>> corpus, table = (from_smiles(part, cache=False) for part in (["C", "CCO", "CC"], ["OCC", "N"]))
        >>> list(without(corpus, table).smiles)
        ['C', 'CC']
    """
    check_choice("", "same", same, ("molecule", "compound"))
    theirs = identities(corpus, n_jobs=n_jobs, progress=progress)
    keys = identities(data, n_jobs=n_jobs, progress=progress)
    wanted = np.unique(np.arange(len(data)) if positions is None else np.asarray(positions, dtype=np.int64))
    if same == "molecule":
        out = np.isin(theirs[:, 0], keys[wanted, 0])
    else:
        out = HeldCompounds(data, wanted, wanted[:0], keys[:, 1]).covers(corpus, theirs[:, 1])
    return corpus.subset(np.flatnonzero(~out)) if out.any() else corpus


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
    """Overlap of each role with the roles before it; under the protocol of the paper, meta is select."""
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


def _overlap(
    keys: Uint64Array,
    splits: Splits | None,
    corpus: MoleculeDataset,
    theirs: Uint64Array,
    removed: Sequence[Indices] | None,
) -> Overlap:
    """The overlap of a corpus; ``removed`` has, for each molecule of the table, the positions of its forms."""
    parts = {"table": np.arange(len(keys)), **(splits.roles() if splits else {})}
    found = [
        {role: _shared(keys[part, column], theirs[:, column]) for role, part in parts.items()} for column in (0, 1)
    ]
    duplicates = len(theirs) - len(np.unique(theirs[:, 0]))
    forms = None
    if removed is not None:
        forms = {role: len({place for row in part for place in removed[row].tolist()}) for role, part in parts.items()}
    return Overlap(corpus.name, len(corpus), duplicates, found[0], found[1], forms)


def _shared(these: Uint64Array, those: Uint64Array) -> int:
    return int(np.isin(these, those).sum())
