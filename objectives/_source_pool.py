"""The molecules of several labelled tables; every step samples one batch for all heads."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from molweight.arrays import Int64Array
from molweight.graphs import GraphBatch, MoleculeDataset
from molweight.objectives._base import draw_seed

__all__ = ["PooledBatch", "SourcePool", "shares"]

_LEAST_OF_HEAD = 64


@dataclass(frozen=True)
class PooledBatch:
    """The molecules of the pool for one step.

    Args:
        graphs: The molecules.
        positions: Their positions in the pool, on the host.
        seed: Seed of the encoder's dropout.
    """

    graphs: GraphBatch
    positions: Tensor
    seed: int


class SourcePool:
    """Molecules of labelled tables without repetitions; each step samples one batch for all heads.

    Every head gets a part of the batch, in proportion to the square root of the number of its molecules (sampling with
    temperature 2; Raffel et al., JMLR 2020, section 3.5.2), so that a large table does not dominate small ones. Within
    its part, molecules are sampled with replacement. A head is trained on all molecules of the batch for which it has
    labels, so hundreds of heads cost one encoder pass.

    Args:
        molecules: The molecules, without labels.
        members: For each head, positions of the molecules for which it has labels.

    Example:
        >>> from molweight.graphs import build_dataset
        >>> pool = SourcePool(build_dataset(["C", "CC", "CCC"], cache=False), [np.array([0]), np.array([1, 2])])
        >>> corpus = build_dataset(["CCO"] * 4, cache=False).graphs(range(4))
        >>> drawn = pool.draw(0, corpus, torch.Generator().manual_seed(0))
        >>> drawn.graphs.num_graphs, drawn is pool.draw(1, corpus, torch.Generator())
        (4, True)
    """

    def __init__(self, molecules: MoleculeDataset, members: Sequence[Int64Array]) -> None:
        """Store the positions of all heads as one flat array."""
        self.molecules = molecules
        self._counts = np.array([len(positions) for positions in members], dtype=np.int64)
        self._first = torch.from_numpy(np.concatenate([[0], np.cumsum(self._counts)[:-1]]))
        self._flat = torch.from_numpy(np.concatenate(list(members)).astype(np.int64))
        self._last: tuple[GraphBatch, PooledBatch] | None = None
        self._taken: set[int] = set()

    def draw(self, head: int, batch: GraphBatch, generator: torch.Generator) -> PooledBatch:
        """The batch of a step: sampled for the first head, and returned to all other heads of the same step.

        Args:
            head: Number of the head; its second call for the same step gives a new sample.
            batch: Molecules of the corpus of the step, which identify the step and give the size.
            generator: Source of all randomness.
        """
        if self._last is None or self._last[0] is not batch or head in self._taken:
            self._last, self._taken = (batch, self._drawn(batch, generator)), set()
        self._taken.add(head)
        return self._last[1]

    def sample(self, most: int, generator: torch.Generator) -> Int64Array:
        """Positions of different molecules in random order: equally many for each head, or all that it has.

        Args:
            most: Maximum number for all heads together, but at least 64 for each, if available.
            generator: Source of all randomness.
        """
        each = max(_LEAST_OF_HEAD, most // len(self._counts))
        parts: list[Int64Array] = []
        for first, count in zip(self._first.tolist(), self._counts.tolist(), strict=True):
            drawn = torch.randperm(count, generator=generator)[:each]
            parts.append(self._flat[first + drawn].numpy())
        found = np.unique(np.concatenate(parts))
        chosen: Int64Array = found[torch.randperm(len(found), generator=generator).numpy()]
        return chosen

    def _drawn(self, batch: GraphBatch, generator: torch.Generator) -> PooledBatch:
        parts = torch.from_numpy(shares(self._counts, batch.num_graphs))
        owner = torch.repeat_interleave(torch.arange(len(parts)), parts)
        share = torch.rand(len(owner), generator=generator, device=generator.device, dtype=torch.float64).cpu()
        counts = torch.from_numpy(self._counts)[owner]
        positions = self._flat[self._first[owner] + (share * counts).long().clamp_max(counts - 1)]
        return PooledBatch(self.molecules.graphs(positions, batch.device), positions, draw_seed(generator))


def shares(counts: Int64Array, size: int) -> Int64Array:
    """Number of molecules of a batch for each head: at least one, in proportion to the square root of ``counts``.

    Args:
        counts: Number of labelled molecules of each of the ``K`` heads.
        size: Number of molecules of the batch; at least ``K`` are used.

    Example:
        >>> shares(np.array([100, 10_000]), 22).tolist(), shares(np.array([1, 9, 9]), 2).tolist()
        ([3, 19], [1, 1, 1])
    """
    free = max(0, size - len(counts))
    exact = free * np.sqrt(counts) / np.sqrt(counts).sum()
    parts = np.floor(exact).astype(np.int64)
    # The largest remainders get the molecules left over by rounding down; stable sorting resolves ties.
    order = np.argsort(parts - exact, kind="stable")
    parts[order[: free - parts.sum()]] += 1
    parts += 1
    return np.asarray(parts, dtype=np.int64)
