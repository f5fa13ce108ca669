"""Padding of batches to a few sizes, by molecules that do not count."""

from dataclasses import replace
from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import pad as extend

from molweight.graphs._batch import GraphBatch

__all__ = ["pad_batch", "padded_size"]

_STEPS: Final = 8
"""Number of sizes per power of two: a batch grows by at most an eighth, or up to the smallest size."""
_SMALLEST: Final = 32
_MOLECULES: Final = 8
"""One molecule is added per this number: with an eighth more atoms, added ones are no larger than the others."""
_DEGREE: Final = 4
"""Maximum number of added edges per added atom, so that its vector grows no faster than those of other atoms."""


def padded_size(count: int) -> int:
    """The smallest allowed size that is not below a count.

    Args:
        count: Number of atoms or edges.

    Example:
        >>> [padded_size(count) for count in (0, 32, 33, 5900, 6000, 6145)]
        [32, 32, 36, 6144, 6144, 6656]
    """
    if count <= _SMALLEST:
        return _SMALLEST
    step = (1 << ((count - 1).bit_length() - 1)) // _STEPS
    return -(-count // step) * step


def pad_batch(batch: GraphBatch) -> GraphBatch:
    """The same molecules, followed by padding molecules, so that arrays have one of a few sizes.

    The number of added molecules depends only on the number of molecules. Added bonds are self-loops of added atoms, so
    that they do not affect the other atoms.

    Args:
        batch: A batch without padding.

    Returns:
        A batch with ``padding`` molecules at its end, without labels and columns.

    Example:
        >>> one = GraphBatch.of(torch.zeros(1, 9).long(), torch.empty(2, 0).long(), torch.empty(0, 3).long())
        >>> filled = pad_batch(one)
        >>> filled.num_graphs, filled.padding, filled.num_nodes, filled.num_edges
        (2, 1, 32, 32)
    """
    molecules = -(-max(batch.num_graphs, 1) // _MOLECULES)
    edges = padded_size(batch.num_edges) - batch.num_edges
    atoms = padded_size(batch.num_nodes + max(molecules, -(-edges // _DEGREE))) - batch.num_nodes
    place = torch.arange(atoms, device=batch.device)
    ends = batch.num_nodes + torch.arange(edges, device=batch.device).div(2, rounding_mode="floor") % atoms
    of_atom = batch.num_graphs + (place * molecules).div(atoms, rounding_mode="floor")
    first = -(-torch.arange(1, molecules + 1, device=batch.device) * atoms).div(molecules, rounding_mode="floor")
    return replace(
        batch,
        x=_rows(batch.x, atoms),
        edge_index=torch.cat([batch.edge_index, ends.expand(2, -1)], dim=1),
        edge_attr=_rows(batch.edge_attr, edges),
        batch=torch.cat([batch.batch, of_atom]),
        ptr=torch.cat([batch.ptr, batch.num_nodes + first]),
        num_graphs=batch.num_graphs + molecules,
        padding=molecules,
        y=None,
        columns={},
        atom_columns={},
    )


def _rows(features: Tensor, count: int) -> Tensor:
    return extend(features, (0, 0, 0, count))
