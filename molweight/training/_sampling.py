"""Which molecules each step sees."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from molweight.errors import ConfigError

__all__ = ["Batches", "generator_for"]

Index = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


def generator_for(seed: int, stream: str) -> np.random.Generator:
    """An independent random stream per purpose, so that drawing more in one leaves the others as they are.

    Args:
        seed: The run's seed.
        stream: What the stream is for.
    """
    return np.random.default_rng([seed, *stream.encode()])


class Batches:
    """Endless batches: every molecule once per epoch, in a new order each time.

    A last incomplete batch is left out; where there are fewer molecules than a batch holds, each batch is all of them.

    Args:
        indices: Positions to draw from.
        size: Molecules per batch.
        rng: Source of the orders.

    Raises:
        ConfigError: If there is nothing to draw from or ``size`` is not positive.

    Example:
        >>> batches = Batches([4, 5, 6, 7], 2, np.random.default_rng(0))
        >>> sorted([*batches.next(), *batches.next()])
        [np.int64(4), np.int64(5), np.int64(6), np.int64(7)]
    """

    def __init__(self, indices: Sequence[int] | Index, size: int, rng: np.random.Generator) -> None:
        """Start before the first epoch."""
        if len(indices) == 0 or size < 1:
            raise ConfigError(f"cannot draw batches of {size} from {len(indices)} molecules; both must be at least 1.")
        self.indices: Index = np.asarray(indices, dtype=np.int64)
        self.size = min(size, len(self.indices))
        self.rng = rng
        self._order: Index = np.empty(0, dtype=np.int64)
        self._at = 0

    def next(self) -> Index:
        """The next batch of positions."""
        if self._at + self.size > len(self._order):
            self._order, self._at = self.rng.permutation(self.indices), 0
        batch = self._order[self._at : self._at + self.size]
        self._at += self.size
        return batch

    def epoch(self) -> list[Index]:
        """All molecules once, in a new order, in batches of nearly equal size."""
        order = self.rng.permutation(self.indices)
        count = max(1, round(len(order) / self.size))
        return np.array_split(order, count)

    def state_dict(self) -> dict[str, Any]:
        """Order and position in the epoch, and random state."""
        return {"order": torch.tensor(self._order), "at": self._at, "rng": self.rng.bit_generator.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken."""
        self._order, self._at = np.asarray(state["order"], dtype=np.int64), int(state["at"])
        self.rng.bit_generator.state = state["rng"]
