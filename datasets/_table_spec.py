"""Entries of the catalogue of tables, typed."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Metric", "OneTask", "Source", "Table", "Task"]

OneTask = Literal["classification", "regression"]
Task = str
"""``"classification"``, ``"regression"``, or one of these for each target, separated by commas."""
Metric = Literal["roc_auc", "prc_auc", "ap", "rmse", "mae", "scaled_rmse", "r2"]


@dataclass(frozen=True)
class Source:
    """Where on the package index the bytes of a table are.

    Args:
        package: Name of the distribution that carries them.
        version: Its version.
        kind: Which of its files: the source distribution or the wheel.
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
        name: What it is called in :func:`molweight.datasets.load`.
        title: What is measured, in one line.
        task: Whether the labels are classes (0 or 1) or numbers.
        targets: Label columns, in order; empty where ``unlisted`` says how many there are.
        metric: The metric MoleculeNet prescribes.
        rows: Rows of the source, including those that cannot be parsed.
        url: Where MoleculeNet publishes the table.
        sha256: Checksum of the table as MoleculeNet publishes it, unpacked; differs from ``source.sha256`` where the
            package renamed a column.
        citation: Who measured or collected it.
        split: The split of MoleculeNet's own paper.
        source: Where on the package index the bytes of an embedded table are; ``None`` for one that is downloaded.
        smiles: The SMILES column.
        unlisted: Number of label columns where they are all columns but the SMILES, too many to list.
        others: Label columns of the other task, which the published file has and the wheel has not.
        scored: The label columns that MoleculeNet's benchmark scores, where it leaves some out.
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
        """Whether the wheel carries it."""
        return self.source is not None

    @property
    def num_targets(self) -> int:
        """Number of label columns."""
        return len(self.targets) or self.unlisted
