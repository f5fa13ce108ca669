"""Tables by name."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from molweight.datasets._catalogue import TABLES
from molweight.datasets._corpora import CORPORA, Corpus
from molweight.datasets._data_files import read_source
from molweight.datasets._embedded import read_embedded
from molweight.datasets._label_columns import parse_labels
from molweight.datasets._labels import settle
from molweight.datasets._ogb import OgbEntry, load_ogb, ogb_entries
from molweight.datasets._registry import LOADERS, load_registered
from molweight.datasets._table import TextTable, parse_table
from molweight.datasets._table_spec import Table
from molweight.errors import ConfigError, UnknownNameError
from molweight.graphs import MoleculeDataset, build_dataset

__all__ = ["available", "info", "load", "table_smiles"]

_LOG: Final = logging.getLogger(__name__)


def available() -> list[str]:
    """Names of the tables for :func:`load`: those of the catalogue, and those of :func:`register`.

    Example:
        >>> available()
        ['bace', 'bbbp', 'clintox', 'esol', 'freesolv', 'hiv', 'lipophilicity', 'muv', 'qm7', 'qm8', 'qm9', 'sider',
        'tox21', 'toxcast']
    """
    return sorted({*TABLES, *LOADERS})


def info(name: str) -> Table | Corpus | OgbEntry:
    """Facts about a table, corpus or data set of OGB: task, targets, metric, size, source, citation.

    Args:
        name: Its name.

    Returns:
        Its entry in the catalogue, or in OGB's list.

    Raises:
        UnknownNameError: If there is no such table or corpus, with the nearest names.

    Example:
        >>> info("bbbp").rows, info("bbbp").metric
        (2050, 'roc_auc')
    """
    found = TABLES.get(name) or CORPORA.get(name) or ogb_entries().get(name)
    if found is None:
        raise UnknownNameError("dataset", name, [*TABLES, *CORPORA])
    return found


def load(
    name: str,
    targets: str | Sequence[str] | None = None,
    *,
    root: str | Path | None = None,
    cache: bool = True,
    n_jobs: int | None = None,
    progress: bool = False,
) -> MoleculeDataset:
    """A table of MoleculeNet, verified by checksum, a data set of OGB, or a table added by :func:`register`.

    Tables that are not in the wheel are read from ``moleculenet/<name>.csv.gz`` in the folder given by the environment
    variable ``MOLWEIGHT_DATA``, or downloaded once into the cache.

    Args:
        name: One of :func:`available`, described in :mod:`molweight.datasets`; or one of :func:`available_ogb`, such as
            ``"ogbg-molhiv"``, with OGB's graphs, features, labels and metric.
        targets: Some of its label columns; ``None`` for all. ``info(name).scored`` lists those scored by MoleculeNet's
            benchmark, if it omits some, and ``info(name).others`` those of the other task, such as ``"pIC50"`` of bace,
            which are read from the whole published file.
        root: The folder that holds the folder of an OGB data set; ``None`` for the usual places.
        cache: Whether to cache the featurised molecules on disk.
        n_jobs: Processes for featurising; ``None`` for all cores.
        progress: Whether to show a progress bar on a terminal.

    Returns:
        The molecules that RDKit can parse, with their labels; the other rows are in ``rejects``.

    Raises:
        UnknownNameError: If there is no such table, with the nearest names.
        ConfigError: If only some targets of an OGB data set are requested: its evaluator scores all.
        DataError: If the file is damaged or not available, or lacks a column.

    Example:
        >>> load("freesolv")
        <MoleculeDataset freesolv: 642 molecules, 1 targets (regression)>
    """
    if name.startswith("ogbg-"):
        if targets is not None:
            raise ConfigError(f"{name}: OGB's evaluator scores all tasks together. Leave targets out.")
        return load_ogb(name, root)
    if name not in TABLES:
        if name not in LOADERS:
            raise UnknownNameError("dataset", name, [*available(), *ogb_entries()])
        return load_registered(name, {"targets": targets, "cache": cache, "n_jobs": n_jobs, "progress": progress})
    entry = TABLES[name]
    asked = [targets] if isinstance(targets, str) else list(targets or ())
    other = not set(asked).isdisjoint(entry.others)
    table = _read(entry, whole=other)
    columns = asked if targets is not None else _columns(entry, table)
    labels = parse_labels(table, columns)
    task, metric = settle(labels, columns, None, None, name) if other else (entry.task, entry.metric)
    return build_dataset(
        table.cells(entry.smiles),
        labels,
        name=name,
        task=task,
        metric=metric,
        target_names=columns,
        cache=cache,
        n_jobs=n_jobs,
        progress=progress,
    )


def _columns(entry: Table, table: TextTable) -> list[str]:
    """The label columns: as listed, or all except the SMILES."""
    return list(entry.targets) or [name for name in table.columns if name != entry.smiles]


def table_smiles(name: str) -> list[str]:
    """The SMILES of every row of a table's source, in order, including unparsable ones."""
    return _read(TABLES[name]).cells(TABLES[name].smiles)


def _read(entry: Table, *, whole: bool = False) -> TextTable:
    """The columns in the wheel, or the whole file as published."""
    if entry.embedded and not whole:
        file = f"{entry.name}.csv.xz"
        return parse_table(read_embedded(file).decode(), file, delimiter=",", header=True)
    return parse_table(read_source(entry).decode(), f"{entry.name}.csv", delimiter=",", header=True)
