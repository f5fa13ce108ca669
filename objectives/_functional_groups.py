"""Functional groups: predict which of RDKit's 85 groups a molecule has."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from molweight.descriptors.internal import FUNCTIONAL_GROUPS
from molweight.graphs import GraphBatch, TargetSpec
from molweight.objectives._base import (
    Encode,
    Objective,
    column_of,
    draw_seed,
    known_rows,
    mean_of_known,
    register,
)

__all__ = ["FunctionalGroups", "LabelledGraphs"]


@dataclass(frozen=True)
class LabelledGraphs:
    """Molecules with one target vector each.

    Args:
        graphs: The molecules.
        labels: Their targets, ``G x dim``; 0 if they are missing.
        known: Which molecules have targets, ``G`` bool; ``None`` if all have.
        seed: Seed of the encoder's dropout.
    """

    graphs: GraphBatch
    labels: Tensor
    known: Tensor | None
    seed: int


@register("functional_groups")
class FunctionalGroups(Objective):
    """Predict which of RDKit's 85 functional groups (``fr_*``) a molecule has, from its vector.

    Binary cross-entropy, averaged over molecules and groups; the head is linear. Molecules whose groups could not be
    counted do not count.

    Source: Rong et al., *Self-Supervised Graph Transformer on Large-Scale Molecular Data* (GROVER), NeurIPS 2020:
    graph-level motif prediction.

    Args:
        width: Size of the encoder's vectors.

    Example:
        >>> FunctionalGroups(width=8).head.out_features
        85
    """

    family: ClassVar[str] = "motif"
    paper: ClassVar[str] = "Rong et al., NeurIPS 2020 (GROVER)"
    targets: tuple[TargetSpec, ...] = (FUNCTIONAL_GROUPS,)

    def __init__(self, width: int) -> None:
        """Create the head."""
        super().__init__(width)
        self.head = nn.Linear(width, FUNCTIONAL_GROUPS.dim)

    def draw(self, batch: GraphBatch, generator: torch.Generator) -> LabelledGraphs:
        """Look up the groups; only the dropout seed is random."""
        counts = column_of(batch, FUNCTIONAL_GROUPS)
        present = (counts > 0).to(self.head.weight.dtype)
        return LabelledGraphs(batch, present, known_rows(counts), draw_seed(generator))

    def loss(self, encoder: Encode, views: LabelledGraphs) -> Tensor:
        """Binary cross-entropy of the groups."""
        graphs = encoder(views.graphs, seed=views.seed).graphs
        each = functional.binary_cross_entropy_with_logits(self.head(graphs), views.labels, reduction="none")
        return mean_of_known(each, views.known)
