"""Deep graph infomax: predict which molecule an atom belongs to."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from molweight.graphs import GraphBatch
from molweight.objectives._base import Encode, Objective, draw_seed, register
from molweight.objectives._contrast import discrimination
from molweight.objectives._segments import random_partner, segment_mean

__all__ = ["Infomax", "PairedGraphs"]


@dataclass(frozen=True)
class PairedGraphs:
    """Molecules, each with another one as negative.

    Args:
        graphs: The molecules.
        partner: The other molecule of each, ``G``; ``None`` for a single molecule.
        seed: Seed of the encoder's dropout.
    """

    graphs: GraphBatch
    partner: Tensor | None
    seed: int


@register("infomax")
class Infomax(Objective):
    r"""Distinguish the atoms of a molecule from those of another one by a summary of the molecule.

    The summary is ``s = \sigma(mean h_v)`` over the atoms' vectors, and the score of an atom and a summary is the
    bilinear ``h_v^T W s``. Each atom is paired with the summary of its molecule and with that of another molecule of
    the batch, chosen by a random shift. The loss is the mean binary cross-entropy of the former plus that of the
    latter, which is missing for a batch of one molecule.

    Source: Velickovic et al., *Deep Graph Infomax*, ICLR 2019, in the form for molecules of Hu et al., ICLR 2020.

    Args:
        width: Size of the encoder's vectors.

    Example:
        >>> from molweight.graphs import build_dataset
        >>> batch = build_dataset(["CCCCO", "CC"], cache=False).graphs([0, 1])
        >>> Infomax(width=8).draw(batch, torch.Generator().manual_seed(0)).partner
        tensor([1, 0])
    """

    family: ClassVar[str] = "contrastive"
    paper: ClassVar[str] = "Velickovic et al., ICLR 2019"

    def __init__(self, width: int) -> None:
        """Create the bilinear form, uniform within ``1 / sqrt(width)``."""
        super().__init__(width)
        self.form = nn.Parameter(torch.empty(width, width).uniform_(-(width**-0.5), width**-0.5))

    def draw(self, batch: GraphBatch, generator: torch.Generator) -> PairedGraphs:
        """Choose the other molecules."""
        return PairedGraphs(batch, random_partner(batch.num_graphs, generator), draw_seed(generator))

    def loss(self, encoder: Encode, views: PairedGraphs) -> Tensor:
        """Binary cross-entropy of atoms with their own and with another molecule's summary."""
        batch = views.graphs.batch
        nodes = encoder(views.graphs, seed=views.seed).nodes
        directions = segment_mean(nodes, batch, views.graphs.num_graphs).sigmoid() @ self.form.T
        own = (nodes * directions[batch]).sum(1)
        if views.partner is None:
            return discrimination(own, own[:0])
        return discrimination(own, (nodes * directions[views.partner[batch]]).sum(1))
