"""A source: labels of an auxiliary table as a pretraining objective."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from molweight.arrays import Int64Array
from molweight.errors import ConfigError, DataError, OptionError
from molweight.graphs import GraphBatch, MoleculeDataset
from molweight.graphs.internal import tasks_of
from molweight.objectives._base import Encode, Objective, register
from molweight.objectives._source_pool import SourcePool

__all__ = ["LabelledMolecules", "Source"]

_FAR = 6.0
"""Limit on labels, in standard deviations from the mean, so that an outlier cannot dominate the training."""


@dataclass(frozen=True)
class LabelledMolecules:
    """Molecules of auxiliary tables with the labels of one of them.

    Args:
        graphs: The molecules of the step, shared by all sources.
        labels: ``G x labels``; classes 0 or 1, numbers in standard deviations from the mean; 0 where the label is
            missing.
        known: 1 where the label is known, else 0.
        bounds: -1 where the true value is below the label, 1 where it is above, else 0.
        seed: Seed of the encoder's dropout.
    """

    graphs: GraphBatch
    labels: Tensor
    known: Tensor
    bounds: Tensor
    seed: int


@register("source")
class Source(Objective):
    """Predict the labels of an auxiliary table; ``--aux`` creates one for each table, with its own weight.

    There is one linear head per label column. Classes are learned by cross-entropy, numbers by the squared error in
    standard deviations of the column (one-sided for bounds); the loss is the mean over all known labels. The batch of
    the corpus is not used: all sources of a run read the same batch of the :class:`SourcePool`.

    Source: Hu et al., *Strategies for Pre-training Graph Neural Networks*, ICLR 2020: graph-level supervised
    pretraining; weights over many such sources: Raghu et al., *Meta-learning to improve pre-training*, NeurIPS 2021.

    Args:
        width: Size of the encoder's vectors.
        table: Name of the table.
        labels: Number of label columns of the head.
        columns: Their names; all columns of the table if empty.

    Raises:
        ConfigError: If an option is out of range.

    Example:
        >>> from molweight.graphs import build_dataset
        >>> measured = np.array([[1.0, np.nan], [0.0, 7.5], [np.nan, 4.5]], dtype=np.float32)
        >>> table = build_dataset(
        ...     ["CCO", "CCN", "CCC"], measured, target_names=["toxic", "pKa"], task="classification,regression",
        ...     cache=False,
        ... )
        >>> objective = Source(width=8, table="mine", labels=2)
        >>> objective.attach({"mine": table})
        >>> batch = build_dataset(["C"] * 64, cache=False).graphs(range(64))
        >>> views = objective.draw(batch, torch.Generator().manual_seed(0))
        >>> views.graphs.num_graphs, sorted(set(views.labels[:, 1].tolist()))
        (64, [-1.0, 0.0, 1.0])
    """

    family: ClassVar[str] = "property"
    paper: ClassVar[str] = "Hu et al., ICLR 2020"
    tables: tuple[str, ...] = ("tox21",)
    cost: ClassVar[float] = 0.8  # as for assay_labels: the molecules of tox21 have fewer atoms than those of ZINC

    classes: Tensor

    def __init__(self, width: int, *, table: str = "tox21", labels: int = 12, columns: Sequence[str] = ()) -> None:
        """Create the head; :meth:`attach` sets the labels."""
        super().__init__(width)
        if labels < 1 or (columns and len(columns) != labels):
            wanted = f"must be {len(columns)}, the number of columns" if columns else "must be at least 1"
            raise OptionError("labels", labels, wanted, owner="objective 'source'")
        self.tables, self.columns = (table,), tuple(columns)
        self.head = nn.Linear(width, labels)
        # Not saved: the training code attaches the table, from which it is computed again.
        self.register_buffer("classes", torch.zeros(labels, dtype=torch.bool), persistent=False)
        self._labels, self._bounds = torch.empty(0), torch.empty(0)
        self._rows = torch.empty(0, dtype=torch.int64)
        self._pool: SourcePool | None = None
        self._head = 0

    def attach(self, tables: Mapping[str, MoleculeDataset]) -> None:
        """Set the labels; molecules are sampled from this table alone unless :meth:`join` is called.

        Args:
            tables: The table by its name.

        Raises:
            DataError: If its columns differ from those of the head, or a column has no labels.
        """
        table = tables[self.tables[0]]
        places = self._places(table)
        labels = table.targets[:, places].astype(np.float64)
        unknown = [table.target_names[places[column]] for column in np.flatnonzero(np.isnan(labels).all(axis=0))]
        if unknown:
            raise DataError(
                f"objective 'source': none of the {len(table)} molecules of {table.name} that may be learned from has "
                f"a label for {', '.join(unknown)}. Leave the column out."
            )
        tasks = tasks_of(table.task, len(table.target_names))
        classes = np.array([tasks[place] == "classification" for place in places])
        mean, scale = np.nanmean(labels, axis=0), np.nanstd(labels, axis=0)
        standard = ((labels - mean) / np.where(scale > 0, scale, 1.0)).clip(-_FAR, _FAR)
        self.classes = torch.from_numpy(classes).to(self.classes.device)
        self._labels = torch.from_numpy(np.where(classes, labels, standard).astype(np.float32))
        found = table.columns.get("label_bounds")
        self._bounds = torch.zeros_like(self._labels, dtype=torch.int8)
        if found is not None:
            self._bounds = torch.from_numpy(np.ascontiguousarray(found[:, places].astype(np.int8)))
        known = self.known_rows()
        self._rows = torch.arange(len(table))
        self._pool, self._head = SourcePool(table, [known]), 0

    @property
    def pool(self) -> SourcePool:
        """The pool from which molecules are sampled.

        Raises:
            ConfigError: If no table was attached.
        """
        if self._pool is None:
            raise ConfigError(f"objective 'source' has no table: call attach({{{self.tables[0]!r}: dataset}}) first.")
        return self._pool

    def known_rows(self) -> Int64Array:
        """Rows of the table that have a label for this head."""
        return np.flatnonzero(~self._labels.isnan().all(dim=1).numpy())

    def join(self, pool: SourcePool, head: int, rows: Int64Array) -> None:
        """Sample from a pool shared with other sources.

        Args:
            pool: The pool.
            head: Number of this source in it.
            rows: For each molecule of the pool its row in the attached table; -1 if it is not in the table.
        """
        self._pool, self._head, self._rows = pool, head, torch.from_numpy(rows)

    def draw(self, batch: GraphBatch, generator: torch.Generator) -> LabelledMolecules:
        """The molecules of the step, with the labels of this source."""
        drawn = self.pool.draw(self._head, batch, generator)
        labels, bounds = self.labels_at(drawn.positions)
        numbers = torch.stack([labels.nan_to_num(), (~labels.isnan()).float(), bounds])
        there = numbers.to(device=batch.device, dtype=self.head.weight.dtype)
        return LabelledMolecules(drawn.graphs, there[0], there[1], there[2], drawn.seed)

    def labels_at(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Labels of molecules of the pool in the units of the head, NaN where missing, and their bounds.

        Args:
            positions: Positions of ``G`` molecules.

        Returns:
            ``G x labels`` twice; bounds are -1, 0 or 1 as in :class:`LabelledMolecules`.
        """
        rows = self._rows[positions]
        labels = self._labels[rows].masked_fill((rows < 0)[:, None], float("nan"))
        return labels, self._bounds[rows].float()

    def loss(self, encoder: Encode, views: LabelledMolecules) -> Tensor:
        """Mean loss of the known labels."""
        guesses = self.head(encoder(views.graphs, seed=views.seed).graphs)
        error = guesses - views.labels
        kept = (views.bounds > 0) & (error > 0) | (views.bounds < 0) & (error < 0)
        square = error.masked_fill(kept, 0.0).square()
        each = torch.where(
            self.classes, functional.binary_cross_entropy_with_logits(guesses, views.labels, reduction="none"), square
        )
        return (each * views.known).sum() / views.known.sum().clamp(min=1)

    def _places(self, table: MoleculeDataset) -> list[int]:
        """Positions of the head's columns in the table."""
        missing = [name for name in self.columns if name not in table.target_names]
        if missing:
            raise DataError(f"objective 'source': {table.name} has no column {', '.join(missing)}.")
        names = self.columns or table.target_names
        if len(names) != self.head.out_features:
            raise DataError(
                f"objective 'source': {table.name} has {len(names)} label columns, but the head has "
                f"{self.head.out_features}. Set labels={len(names)}."
            )
        return [table.target_names.index(name) for name in names]
