"""PyTorch's global randomness, where others' code draws from it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["seeded"]


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Make what is drawn on the CPU inside depend on a seed alone, and leave the state of all devices as it was.

    Args:
        seed: The seed.

    Example:
        >>> with seeded(3):
        ...     first = torch.rand(2)
        >>> with seeded(3):
        ...     torch.equal(first, torch.rand(2))
        True
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # of the CPU; torch.manual_seed seeds all devices, for good
        yield
