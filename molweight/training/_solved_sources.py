"""Heads of auxiliary tables, solved before the first step of adaptive pretraining."""

from typing import Final

import torch
from torch import Tensor

from molweight.mlo import HeadLabels, solve_head
from molweight.models import Pretrainer
from molweight.objectives import Source
from molweight.objectives.internal import SourcePool

__all__ = ["solve_source_heads"]

_MOST: Final = 4096
"""Molecules that the heads are solved on, of all tables together."""
_PART: Final = 256
_FEWEST: Final = 10
"""Labels of a column, and for classes of the rarer one, below which its head starts at random."""
_CHOSEN: Final = 8
"""Columns of a table whose ridge is chosen each for itself; the others have the median of these."""


@torch.no_grad()
def solve_source_heads(model: Pretrainer, seed: int) -> None:
    """Put the solution of ridge or logistic regression on the encoder's vectors in place of each random head.

    With a random head the first gradients of an auxiliary table say how to move the encoder towards random numbers,
    whatever its labels are, and the weights learn from that (``experiments/studies/planted_signals.py``).

    Args:
        model: Its heads are changed in place; the tables are attached.
        seed: Of the molecules that are drawn.
    """
    sources = [part for part in model.objectives.values() if isinstance(part, Source)]
    for pool in dict.fromkeys(source.pool for source in sources):
        positions = torch.from_numpy(pool.sample(_MOST, torch.Generator().manual_seed(seed)))
        vectors = _vectors(model, pool, positions)
        for source in sources:
            if source.pool is pool:
                _solve(source, vectors, positions)


def _vectors(model: Pretrainer, pool: SourcePool, positions: Tensor) -> Tensor:
    """Vectors as the losses see them, but without dropout."""
    device = next(model.encoder.parameters()).device
    parts = [positions[start : start + _PART].numpy() for start in range(0, len(positions), _PART)]
    return torch.cat([model.encoder(pool.molecules.graphs(part, device), None).graphs for part in parts])


def _solve(source: Source, vectors: Tensor, positions: Tensor) -> None:
    labels, bounds = (part.to(vectors.device) for part in source.labels_at(positions))
    columns = [column for column, own in enumerate(source.classes.tolist()) if _enough(labels[:, column], classes=own)]
    if not columns:
        return
    rows = ~labels[:, columns].isnan().all(dim=1)

    def known(chosen: list[int]) -> HeadLabels:
        own, limits = labels[rows][:, chosen], bounds[rows][:, chosen]
        return HeadLabels.of(own, source.classes[chosen], bounds=limits if limits.any() else None)

    tried = known(columns[:_CHOSEN]) if len(columns) > _CHOSEN else None
    decay = None if tried is None else float(solve_head(vectors[rows], tried).decay.median())
    head = solve_head(vectors[rows], known(columns), decay).head.to(source.head.weight)
    source.head.weight[columns] = head[:, :-1]
    source.head.bias[columns] = head[:, -1]


def _enough(labels: Tensor, *, classes: bool) -> bool:
    known = labels[~labels.isnan()]
    rarer = min(int((known == 1).sum()), int((known == 0).sum())) if classes else len(known)
    return rarer >= _FEWEST
