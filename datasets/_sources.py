"""Auxiliary tables: labels of other measurements for pretraining, without held-out compounds of the task."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from molweight.arrays import Float32Matrix, Int64Array, Uint64Array
from molweight.datasets._assemble import NAME_TARGETS, Options
from molweight.datasets._catalogue import TABLES
from molweight.datasets._data_files import VARIABLE, data_folder
from molweight.datasets._from_file import read_any, stem
from molweight.datasets._from_table import from_table
from molweight.datasets._labels import bounds_of
from molweight.datasets._load import load
from molweight.datasets._rdkit_identity import identities
from molweight.datasets._registry import LOADERS
from molweight.datasets._replicates import Measurements, conflicts, merge
from molweight.datasets._skeletons import HeldCompounds
from molweight.datasets._splits import Splits
from molweight.errors import DataError, UnknownNameError, mention
from molweight.graphs import MoleculeDataset, build_dataset
from molweight.graphs.internal import join_tasks, tasks_of

__all__ = ["SourceTable", "SourceUse", "read_sources"]


_CHEMBL: Final = "chembl_5thresh"
_CHEMBL_SHA: Final = "7b041ea61f4a57298df3a411c39ec62a1ed523b89cf48a98ed323c3339faae75"
"""SHA-256 of the compressed file published by DeepChem."""
_LEAST: Final = 10
"""Minimum number of labels of a column."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SourceUse:
    """Counts of the used and the omitted parts of an auxiliary table.

    Args:
        name: Name of the table.
        molecules: Number of its molecules.
        held_out: Number of those that are left out, because the task holds out their compounds.
        shared: Number of used molecules that are compounds of the task's train role.
        repeated: Molecules that repeat an earlier one and are merged with it.
        conflicting: Molecules with contradictory rows; their labels are averaged, or missing if classes tie.
        against_task: Labels, in columns named like a target of the task, that contradict its label of the same train
            compound.
        labels: Number of used labels.
        columns: Number of used columns.
        dropped: Columns that are not used, because fewer than 10 labels are left, or all are equal.
    """

    name: str
    molecules: int
    held_out: int
    shared: int
    repeated: int
    conflicting: int
    against_task: int
    labels: int
    columns: int
    dropped: int

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        """One line."""
        parts = [
            f"{self.molecules - self.held_out - self.repeated} molecules",
            f"{self.labels} labels of {self.columns} column{'' if self.columns == 1 else 's'}",
            f"{self.held_out} left out: compounds that the task holds out",
            f"{self.shared} also in train",
        ]
        parts += [f"{self.conflicting} with contradicting rows"] * (self.conflicting > 0)
        parts += [f"{self.against_task} labels contradict the task's"] * (self.against_task > 0)
        parts += [f"{self.dropped} columns dropped: fewer than {_LEAST} labels, or all equal"] * (self.dropped > 0)
        return f"{self.name}: {'; '.join(parts)}"


@dataclass(frozen=True)
class SourceTable:
    """An auxiliary table for training: one row per molecule, without held-out compounds of the task.

    Args:
        origin: The file or name from which it was read.
        data: Molecules and labels.
        keys: 64-bit number of each molecule, equal for equal molecules of all tables.
        compounds: Compound key of each molecule.
        use: Counts of used and omitted parts.
    """

    origin: str
    data: MoleculeDataset
    keys: Uint64Array
    compounds: Uint64Array
    use: SourceUse


def read_sources(
    sources: Sequence[str | MoleculeDataset], data: MoleculeDataset | None = None, splits: Splits | None = None
) -> list[SourceTable]:
    """Read auxiliary tables without the held-out compounds of the task.

    From every table all forms of the compounds in ``meta``, ``select`` and ``test`` of the task are removed, regardless
    of the names of the labels: molecules with the same compound key as in :func:`audit` (largest fragment, without
    charge, stereochemistry, or positions of hydrogens on heteroatoms), also if their isotopes differ, and those whose
    InChIKey has the same first block.

    Args:
        sources: Files (as :func:`from_file` reads them), names of :func:`available`, ``chembl_5thresh`` (691 targets of
            ChEMBL, from ``MOLWEIGHT_DATA``), or tables. ``NAME:COLUMN`` selects one column of a table.
        data: The table of the task; ``None`` if there is no task.
        splits: Its roles; ``None`` to leave out all its compounds.

    Returns:
        One table per source, in order; several columns of one table are one source.

    Raises:
        UnknownNameError: If there is no such table or file, with the nearest names.
        DataError: If a table has no labels, no labels are left, a column is missing, or two tables have the same name.

    Example:
        >>> from molweight import datasets
        >>> task = datasets.load("freesolv")
        >>> esol, = read_sources(["esol"], task, datasets.split(task))
        >>> esol.use.molecules, esol.use.held_out > 0, len(esol.data) + esol.use.held_out + esol.use.repeated
        (1128, True, 1128)
    """
    if not sources:
        return []
    held = None if data is None else HeldCompounds.of(data, splits)
    return [_cleaned(origin, table, held) for origin, table in _opened(sources).items()]


def _opened(sources: Sequence[str | MoleculeDataset]) -> dict[str, MoleculeDataset]:
    """The tables by origin; several columns of one table are read together.

    Raises:
        DataError: If two different tables have the same name.
    """
    wanted: dict[str, list[str] | None] = {}
    given: dict[str, MoleculeDataset] = {}
    for source in sources:
        name, column = (source.name, "") if isinstance(source, MoleculeDataset) else _parts(source)
        own = source if isinstance(source, MoleculeDataset) else None
        if name in wanted and given.get(name) is not own:
            raise DataError(_two_of(name))
        if own is not None:
            given[name] = own
        columns = wanted.setdefault(name, [] if column else None)
        if column and columns is not None:
            columns.append(column)
        elif not column:
            wanted[name] = None
    tables = {name: given[name] if name in given else _read(name, columns) for name, columns in wanted.items()}
    names = [table.name for table in tables.values()]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(_two_of(repeated[0]))
    return tables


def _two_of(name: str) -> str:
    return (
        f"two auxiliary tables are called {name!r}. Rename one of the files, or give each table its own name when you "
        f"read it: {mention('name', f'{name}2')}."
    )


def _parts(source: str) -> tuple[str, str]:
    """Name and column of ``NAME:COLUMN``; an existing path with a colon is a path."""
    if Path(source).is_file() or ":" not in source:
        return source, ""
    name, _, column = source.rpartition(":")
    known = name in TABLES or name in LOADERS or name == _CHEMBL or Path(name).is_file()
    return (name, column) if known else (source, "")


def _read(name: str, columns: list[str] | None) -> MoleculeDataset:
    if name in TABLES or name in LOADERS:
        return load(name, columns)
    if name == _CHEMBL:
        return _chembl(columns)
    if not Path(name).is_file():
        raise UnknownNameError("auxiliary table", name, [*TABLES, *LOADERS, _CHEMBL])
    table = _labelled(name, columns)
    if table.task is None:
        raise DataError(
            f"{name}: no column holds labels to learn from. Name them: {name}:COLUMN, or {name}:COLUMN=WORD for one "
            "class of a column of words."
        )
    return table


def _labelled(name: str, columns: list[str] | None) -> MoleculeDataset:
    """A file with its label columns, of both kinds if none are named.

    Raises:
        DataError: If it cannot be read.
    """
    naming = mention("aux", [f"{name}:COLUMN"])
    options = Options(name=stem(name), duplicates="mean", both_kinds=True, names_targets=naming)
    try:
        return from_table(read_any(name), None, columns, options)
    except DataError as error:
        if NAME_TARGETS not in error.message.text:
            raise
        raise DataError(error.message.text.replace(NAME_TARGETS, naming)) from error


def _chembl(columns: list[str] | None) -> MoleculeDataset:
    """ChEMBL's activities of 691 targets, from the user's own folder."""
    folder = data_folder()
    path = None if folder is None else folder / "corpora" / f"{_CHEMBL}.csv.gz"
    if path is None or not path.is_file():
        raise DataError(
            f"{_CHEMBL} needs the file corpora/{_CHEMBL}.csv.gz in the folder named by {VARIABLE}, which does "
            "not exist. Download it (datasets/chembl_5thresh.csv.gz of DeepChem's repository), and set the variable."
        )
    if hashlib.sha256(path.read_bytes()).hexdigest() != _CHEMBL_SHA:
        raise DataError(f"{path}: is not the file that DeepChem publishes (its SHA-256 differs). Replace it.")
    table = pd.read_csv(path)
    names = columns or [name for name in table.columns if name != "smiles"]
    for name in names:
        if name not in table.columns:
            raise DataError(f"{_CHEMBL} has no column {name!r}. Columns: {', '.join(table.columns[1:6])}, ...")
    labels = table[names].to_numpy(dtype=np.float32)
    return build_dataset(table["smiles"].tolist(), labels, name=_CHEMBL, task="regression", target_names=names)


def _cleaned(origin: str, table: MoleculeDataset, held: HeldCompounds | None) -> SourceTable:
    """A table without held-out compounds, one row per molecule, with its usable columns."""
    if table.task is None:
        raise DataError(f"{table.name} has no labels to learn from. Leave it out of aux, or use it as corpus.")
    keys = identities(table)
    out = np.zeros(len(table), dtype=bool) if held is None else held.covers(table, keys[:, 1])
    kept = np.flatnonzero(~out)
    tasks = tasks_of(table.task, len(table.target_names))
    measured = Measurements(table.targets[kept], bounds_of(table)[kept], [task == "classification" for task in tasks])
    groups = _groups(keys[kept, 0])
    merged, stay = merge(measured, groups, "mean")
    columns = _learnable(merged.labels[stay])
    rows = stay[~np.isnan(merged.labels[np.ix_(stay, columns)]).all(axis=1)]
    if len(rows) == 0:
        raise DataError(
            f"{table.name}: without the compounds that the task holds out, no column has {_LEAST} labels that are not "
            "all equal. Leave it out of aux."
        )
    data, compounds = _table(table, kept[rows], merged, rows, columns), keys[kept[rows], 1]
    use = SourceUse(
        name=table.name,
        molecules=len(table),
        held_out=int(out.sum()),
        shared=0 if held is None else int(held.trained(compounds).sum()),
        repeated=len(kept) - len(stay),
        conflicting=len(conflicts(measured, groups)[0]),
        against_task=0 if held is None else held.contradictions(data, compounds),
        labels=int((~np.isnan(data.targets)).sum()),
        columns=len(columns),
        dropped=len(table.target_names) - len(columns),
    )
    _log.info("%s", use)
    return SourceTable(origin, data, keys[kept[rows], 0], compounds, use)


def _table(
    table: MoleculeDataset, positions: Int64Array, merged: Measurements, rows: Int64Array, columns: Int64Array
) -> MoleculeDataset:
    """The molecules at some positions of a table with merged labels of some of its columns."""
    part = table.subset(positions)
    tasks = tasks_of(table.task, len(table.target_names))
    data = MoleculeDataset(
        part.molecules,
        merged.labels[np.ix_(rows, columns)],
        name=table.name,
        task=join_tasks([tasks[place] for place in columns]),
        target_names=[table.target_names[place] for place in columns],
        featuriser=table.featuriser,
        folder=part.folder,
    )
    bounds = merged.bounds[np.ix_(rows, columns)]
    return data.with_columns({"label_bounds": bounds}) if bounds.any() else data


def _groups(keys: Uint64Array) -> list[Int64Array]:
    """Positions of each key that occurs more than once."""
    order = np.argsort(keys, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(keys[order])) + 1)
    return [part for part in parts if len(part) > 1]


def _learnable(labels: Float32Matrix) -> Int64Array:
    """Columns with enough labels that are not all equal."""
    known = ~np.isnan(labels)
    enough = known.sum(axis=0) >= _LEAST
    lowest = np.where(known, labels, np.inf).min(axis=0, initial=np.inf)
    highest = np.where(known, labels, -np.inf).max(axis=0, initial=-np.inf)
    return np.flatnonzero(enough & (lowest < highest))
