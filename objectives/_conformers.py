"""Conformers of the molecules of a batch, for objectives that compare them with graphs."""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from molweight.encoders import Conformers
from molweight.encoders.building_blocks import near_pairs
from molweight.graphs import GraphBatch, TargetSpec
from molweight.objectives._base import column_of
from molweight.objectives._rdkit_conformers import conformers

__all__ = ["CONFORMERS", "Embedded", "embedded"]

CONFORMERS: Final = TargetSpec(
    "etkdg_conformer", version=1, dim=3, dtype="float32", compute=conformers, per="atom", chunk=32, slow=True
)
"""Positions of the atoms in one conformer, in Angstrom; NaN for a molecule without a conformer."""


@dataclass(frozen=True)
class Embedded:
    """The molecules of a batch that have a conformer.

    Args:
        conformers: The conformers of these molecules.
        known: Their positions in the batch, ascending int64.
    """

    conformers: Conformers
    known: Tensor


def embedded(batch: GraphBatch, cutoff: float) -> Embedded:
    """Extract the conformers from a batch.

    Args:
        batch: Molecules with the column of :data:`CONFORMERS`.
        cutoff: Cutoff distance for interactions between atoms, in Angstrom.

    Raises:
        DataError: If the batch lacks the column.
    """
    positions = column_of(batch, CONFORMERS)
    failed = torch.zeros_like(batch.ptr[1:]).index_add(0, batch.batch, positions.isnan().any(1).long())
    known = (failed == 0).nonzero().squeeze(1)
    atoms = (failed == 0)[batch.batch].nonzero().squeeze(1)
    sizes = batch.ptr.diff()[known]
    molecules = torch.repeat_interleave(sizes)
    ptr = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
    pairs, steps = near_pairs(positions[atoms], molecules, ptr, cutoff)
    return Embedded(Conformers(batch.x[atoms, 0], molecules, len(known), pairs, steps), known)
