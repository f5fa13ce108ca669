"""Rationality: distinguish molecules from corrupted graphs."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from molweight.graphs import GraphBatch
from molweight.objectives._augment import Edit, apply, join
from molweight.objectives._base import Encode, Objective, draw_seed, register

__all__ = ["IntactAndCorrupted", "Rationality"]


@dataclass(frozen=True)
class IntactAndCorrupted:
    """Molecules, followed by the same molecules with shuffled atoms.

    Args:
        graphs: ``2 G`` graphs in one batch.
        labels: 1 for intact, 0 for corrupted, ``2 G``.
        weights: 1 if shuffling changed the molecule, else 0, ``2 G``.
        seed: Seed of the encoder's dropout.
    """

    graphs: GraphBatch
    labels: Tensor
    weights: Tensor
    seed: int


@register("rationality")
class Rationality(Objective):
    """Distinguish a molecule from the same molecule with its atoms in random positions.

    ImageMol cuts the picture of a molecule into tiles and shuffles them. On graphs, the atoms of each molecule are
    shuffled with all their features, while the bonds remain. The loss is the cross-entropy of the two classes, averaged
    over intact and corrupted graphs; the head is linear. A molecule that is unchanged by shuffling, such as a single
    atom, does not count.

    Both kinds of graphs are encoded in one call: separate normalisation statistics would make them similar.

    Source: Zeng et al., *Accurate prediction of molecular properties and drug targets using a self-supervised image
    representation learning framework* (ImageMol), Nature Machine Intelligence 2022: molecular rationality
    discrimination.

    Args:
        width: Size of the encoder's vectors.

    Example:
        >>> from molweight.graphs import build_dataset
        >>> batch = build_dataset(["CCCO", "CC"], cache=False).graphs([0, 1])
        >>> views = Rationality(width=8).draw(batch, torch.Generator().manual_seed(0))
        >>> views.graphs.num_graphs, views.labels.tolist(), views.weights.tolist()
        (4, [1, 1, 0, 0], [1.0, 0.0, 1.0, 0.0])
    """

    family: ClassVar[str] = "contrastive"
    paper: ClassVar[str] = "Zeng et al., Nature Machine Intelligence 2022 (ImageMol)"
    cost: ClassVar[float] = 2.0

    def __init__(self, width: int) -> None:
        """Create the head."""
        super().__init__(width)
        self.head = nn.Linear(width, 2)

    def draw(self, batch: GraphBatch, generator: torch.Generator) -> IntactAndCorrupted:
        """Shuffle the atoms of each molecule."""
        keys = torch.rand(batch.num_nodes, dtype=torch.float64, generator=generator, device=batch.device)
        shuffled = batch.x[torch.argsort(batch.batch + keys)]
        intact = apply(batch, Edit())
        moved = batch.batch[(shuffled != batch.x).any(1)]
        weights = torch.zeros(batch.num_graphs, device=batch.device).index_fill(0, moved, 1.0).repeat(2)
        labels = (torch.arange(2 * batch.num_graphs, device=batch.device) < batch.num_graphs).long()
        return IntactAndCorrupted(join(intact, replace(intact, x=shuffled)), labels, weights, draw_seed(generator))

    def loss(self, encoder: Encode, views: IntactAndCorrupted) -> Tensor:
        """Cross-entropy of the two classes."""
        logits = self.head(encoder(views.graphs, seed=views.seed).graphs)
        each = functional.cross_entropy(logits, views.labels, reduction="none")
        total: Tensor = (each * views.weights.to(each.dtype)).sum()
        return total / views.weights.sum().clamp(min=1)
