"""Rationality: distinguish molecules from corrupted graphs."""

from dataclasses import dataclass, replace
from math import prod
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from molweight.graphs import ATOM_SIZES, BOND_SIZES, GraphBatch
from molweight.objectives._augment import Edit, apply, join
from molweight.objectives._base import Encode, Objective, draw_seed, register

__all__ = ["IntactAndCorrupted", "Rationality"]


@dataclass(frozen=True)
class IntactAndCorrupted:
    """Molecules, followed by the same molecules with shuffled atoms.

    Args:
        graphs: ``2 G`` graphs in one batch.
        labels: 1 for intact, 0 for corrupted, ``2 G``.
        weights: 1 if shuffling changed the bonded pairs of atoms, else 0, ``2 G``.
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
    over intact and corrupted graphs; the head is linear. A molecule in which shuffling joins the same pairs of atoms by
    the same bonds, such as a single atom or methanol, does not count: it may be the same molecule as before.

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
        weights = _changed(batch, shuffled).float().repeat(2)
        labels = (torch.arange(2 * batch.num_graphs, device=batch.device) < batch.num_graphs).long()
        return IntactAndCorrupted(join(intact, replace(intact, x=shuffled)), labels, weights, draw_seed(generator))

    def loss(self, encoder: Encode, views: IntactAndCorrupted) -> Tensor:
        """Cross-entropy of the two classes."""
        logits = self.head(encoder(views.graphs, seed=views.seed).graphs)
        each = functional.cross_entropy(logits, views.labels, reduction="none")
        total: Tensor = (each * views.weights.to(each.dtype)).sum()
        return total / views.weights.sum().clamp(min=1)


def _changed(batch: GraphBatch, x: Tensor) -> Tensor:
    """Whether the bonded pairs of atoms, as a multiset, differ from those with atom features ``x``; ``G`` bool."""
    molecule = batch.batch[batch.edge_index[0]]
    before, after = (_sorted_pairs(batch, features, molecule) for features in (batch.x, x))
    # Both are sorted by molecule, whose number of edges is the same.
    differing = torch.zeros(batch.num_graphs, device=batch.device)
    return differing.index_add(0, molecule.sort().values, (before != after).float()) > 0


def _sorted_pairs(batch: GraphBatch, x: Tensor, molecule: Tensor) -> Tensor:
    """One number per edge, from its bond and both atoms; sorted within each molecule."""
    atoms, bonds = _mixed_radix(x, ATOM_SIZES), _mixed_radix(batch.edge_attr, BOND_SIZES)
    sources, targets = atoms[batch.edge_index]
    # Exact: the largest number is below 2^60.
    pairs = (sources * prod(ATOM_SIZES) + targets) * prod(BOND_SIZES) + bonds
    pairs, order = torch.sort(pairs)
    return pairs[torch.argsort(molecule[order], stable=True)]


def _mixed_radix(features: Tensor, sizes: tuple[int, ...]) -> Tensor:
    code = torch.zeros_like(features[:, 0], dtype=torch.int64)
    for column, size in enumerate(sizes):
        code = code * size + features[:, column]
    return code
