"""Assay labels: supervised pretraining on another, labelled table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from molweight.errors import ConfigError, DataError, OptionError
from molweight.graphs import GraphBatch, MoleculeDataset
from molweight.objectives._base import Encode, Objective, draw_seed, register

__all__ = ["AssayLabels", "AssayedMolecules"]


@dataclass(frozen=True)
class AssayedMolecules:
    """Molecules of the labelled table.

    Args:
        graphs: The molecules.
        labels: 0 or 1, ``G x labels``; 0 where the label is missing.
        known: 1 where the label is known, else 0.
        seed: Seed of the encoder's dropout.
    """

    graphs: GraphBatch
    labels: Tensor
    known: Tensor
    seed: int


@register("assay_labels")
class AssayLabels(Objective):
    """Predict the labels of another table, such as the outcomes of assays.

    A step samples as many molecules of the labelled table as the batch has, with replacement; the batch itself is not
    used. The loss is the binary cross-entropy, averaged over the known labels; the head is linear.

    The training code loads the table. :func:`molweight.fit` uses ``tox21``, or ``sider`` if ``tox21`` is the task. It
    refuses a table with labels of the task itself, because labels of test molecules must not be learned, and leaves out
    all compounds in ``meta``, ``select`` or ``test`` of the task. Without a task (``molweight pretrain``) all compounds
    are used; a fit that holds out some of them then refuses to start from that checkpoint.

    Source: Hu et al., *Strategies for Pre-training Graph Neural Networks*, ICLR 2020: graph-level supervised
    pretraining, there on 1310 assays of ChEMBL.

    Args:
        width: Size of the encoder's vectors.
        table: Name of the labelled table; see ``molweight list datasets``. Its labels must be classes.
        labels: Number of its labels; set by :func:`molweight.fit`.

    Raises:
        ConfigError: If an option is out of range.

    Example:
        >>> from molweight.graphs import build_dataset
        >>> import numpy as np
        >>> outcomes = np.array([[1, np.nan], [0, 1]], dtype=np.float32)
        >>> table = build_dataset(["CCO", "CCN"], outcomes, target_names=["a", "b"], task="classification", cache=False)
        >>> objective = AssayLabels(width=8, table="mine", labels=2)
        >>> objective.attach({"mine": table})
        >>> batch = build_dataset(["C"] * 6, cache=False).graphs(range(6))
        >>> views = objective.draw(batch, torch.Generator().manual_seed(0))
        >>> views.graphs.num_graphs, views.labels.shape
        (6, torch.Size([6, 2]))
    """

    family: ClassVar[str] = "property"
    paper: ClassVar[str] = "Hu et al., ICLR 2020"
    tables: tuple[str, ...] = ("tox21",)
    cost: ClassVar[float] = 0.8  # the molecules of tox21 have fewer atoms than those of ZINC

    def __init__(self, width: int, *, table: str = "tox21", labels: int = 12) -> None:
        """Create the head; :meth:`attach` sets the table."""
        super().__init__(width)
        if labels < 1:
            raise OptionError("labels", labels, "must be at least 1", owner="objective 'assay_labels'")
        self.tables = (table,)
        self.head = nn.Linear(width, labels)
        self._table: MoleculeDataset | None = None

    def attach(self, tables: Mapping[str, MoleculeDataset]) -> None:
        """Set the labelled table.

        Args:
            tables: The table by its name.

        Raises:
            DataError: If its labels are not classes, differ in number from the head's outputs, or are all missing for a
                target.
        """
        name, outputs = self.tables[0], self.head.out_features
        table = tables[name]
        if table.task != "classification":
            raise DataError(f"objective 'assay_labels': the labels of {name!r} are not classes. Name another table.")
        if len(table.target_names) != outputs:
            raise DataError(
                f"objective 'assay_labels': {name!r} has {len(table.target_names)} labels, but the head has {outputs}. "
                f"Set labels={len(table.target_names)}."
            )
        missing = np.isnan(table.targets).all(axis=0)
        if missing.any():
            unknown = [table.target_names[place] for place in np.flatnonzero(missing)]
            raise DataError(
                f"objective 'assay_labels': none of the {len(table)} molecules of {name!r} that may be learned from "
                f"has a label for {', '.join(unknown)}. Name another table."
            )
        self._table = table

    def draw(self, batch: GraphBatch, generator: torch.Generator) -> AssayedMolecules:
        """Sample molecules of the table, as many as the batch has."""
        if self._table is None:
            raise ConfigError(
                f"objective 'assay_labels' has no table: call attach({{{self.tables[0]!r}: dataset}}) first."
            )
        chosen = torch.randint(len(self._table), (batch.num_graphs,), generator=generator, device=generator.device)
        graphs = self._table.graphs(chosen.cpu().numpy(), batch.device)
        if graphs.y is None:
            raise DataError(f"objective 'assay_labels': {self.tables[0]!r} has no labels. Name another table.")
        known = ~graphs.y.isnan()
        labels = graphs.y.nan_to_num().to(self.head.weight.dtype)
        return AssayedMolecules(graphs, labels, known.to(labels.dtype), draw_seed(generator))

    def loss(self, encoder: Encode, views: AssayedMolecules) -> Tensor:
        """Mean cross-entropy of the known labels."""
        guesses = self.head(encoder(views.graphs, seed=views.seed).graphs)
        each = functional.binary_cross_entropy_with_logits(guesses, views.labels, reduction="none")
        return (each * views.known).sum() / views.known.sum().clamp(min=1)
