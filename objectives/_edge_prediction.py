"""Edge prediction: distinguish bonded from unbonded pairs of atoms."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from molweight.graphs import GraphBatch
from molweight.objectives._augment import bond_ends
from molweight.objectives._base import Encode, Objective, draw_seed, register
from molweight.objectives._contrast import discrimination
from molweight.objectives._segments import offsets

__all__ = ["AtomPairs", "EdgePrediction", "sample_non_bonds"]


@dataclass(frozen=True)
class AtomPairs:
    """Molecules with pairs of their atoms.

    Args:
        graphs: The molecules.
        bonded: End atoms of the bonds, ``2 x B``.
        apart: Pairs of atoms that are not bonded, ``2 x P``.
        seed: Seed of the encoder's dropout.
    """

    graphs: GraphBatch
    bonded: Tensor
    apart: Tensor
    seed: int


def sample_non_bonds(batch: GraphBatch, generator: torch.Generator) -> Tensor:
    """Sample unbonded pairs of atoms, as many as each molecule has bonds, uniformly and independently.

    The ordered pairs of a molecule are numbered. The ``r``-th unbonded pair has the number ``r`` plus the number of
    bonded pairs before it, which is found by binary search, so no rejection sampling is needed.

    Args:
        batch: The molecules.
        generator: Source of randomness.

    Returns:
        Positions of atoms, ``2 x P``; none for a molecule in which all atoms are bonded to each other.

    Example:
        >>> x, bonds = torch.zeros(3, 9).long(), torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
        >>> chain = GraphBatch.of(x, bonds, torch.zeros(4, 3).long())
        >>> sample_non_bonds(chain, torch.Generator()).sort(0).values.tolist()
        [[0, 0], [2, 2]]
    """
    atoms = batch.ptr[1:] - batch.ptr[:-1]
    molecule = batch.batch[batch.edge_index[0]]
    edge_ptr = offsets(molecule, batch.num_graphs)
    pairs = atoms * (atoms - 1)
    first_pair = torch.nn.functional.pad(pairs.cumsum(0), (1, 0))[:-1]
    free = pairs - edge_ptr.diff()
    source, target = batch.edge_index - batch.ptr[molecule]
    number = first_pair[molecule] + source * (atoms[molecule] - 1) + target - (target > source).long()
    before = torch.arange(len(molecule), device=batch.device) - edge_ptr[molecule]
    skipped = number.sort().values - before  # position of each bonded pair among the unbonded pairs

    own = molecule[::2]
    own = own[free[own] > 0]
    random = torch.rand(len(own), dtype=torch.float64, generator=generator, device=batch.device)
    rank = (random * free[own]).long()
    passed = torch.searchsorted(skipped, first_pair[own] + rank, right=True) - edge_ptr[own]
    row = torch.div(rank + passed, atoms[own] - 1, rounding_mode="floor")
    column = rank + passed - row * (atoms[own] - 1)
    return batch.ptr[own] + torch.stack([row, column + (column >= row).long()])


@register("edge_prediction")
class EdgePrediction(Objective):
    """Distinguish bonded from random unbonded pairs of atoms in a molecule by the dot product of their vectors.

    Every bond counts once (half of the directed edges), and a molecule with ``m`` bonds has ``m`` random unbonded
    pairs. The loss is the mean binary cross-entropy of the bonds plus that of the unbonded pairs. The encoder sees all
    bonds, and there is no head.

    Source: Hamilton et al., *Inductive Representation Learning on Large Graphs*, NeurIPS 2017, in the form for
    molecules of Hu et al., ICLR 2020 ("EdgePred").

    Args:
        width: Size of the encoder's vectors.

    Example:
        >>> from molweight.graphs import build_dataset
        >>> batch = build_dataset(["CCCCO", "CC"], cache=False).graphs([0, 1])
        >>> views = EdgePrediction(width=8).draw(batch, torch.Generator().manual_seed(0))
        >>> views.bonded.shape, views.apart.shape  # the atoms of ethane are all bonded
        (torch.Size([2, 5]), torch.Size([2, 4]))
    """

    family: ClassVar[str] = "structure"
    paper: ClassVar[str] = "Hamilton et al., NeurIPS 2017"

    def draw(self, batch: GraphBatch, generator: torch.Generator) -> AtomPairs:
        """Sample unbonded pairs."""
        return AtomPairs(batch, bond_ends(batch), sample_non_bonds(batch, generator), draw_seed(generator))

    def loss(self, encoder: Encode, views: AtomPairs) -> Tensor:
        """Binary cross-entropy of both kinds of pairs."""
        nodes = encoder(views.graphs, seed=views.seed).nodes
        bonded, apart = ((nodes[pairs[0]] * nodes[pairs[1]]).sum(1) for pairs in (views.bonded, views.apart))
        return discrimination(bonded, apart)
