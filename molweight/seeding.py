"""PyTorch's global random state, for third-party code that draws from it, and seeds of steps."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["seeded", "step_seed"]


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Context in which CPU random numbers depend on a seed alone; the state of all devices is restored at the end.

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
        torch.default_generator.manual_seed(seed)  # the CPU's; torch.manual_seed would seed all devices permanently
        yield


def step_seed(seed: int, step: int) -> int:
    """Seed of the random numbers of one step, below ``2**32``: PyTorch's generator on the CPU ignores higher bits.

    Args:
        seed: Seed of all steps.
        step: Number of the step.

    Example:
        >>> step_seed(0, 1), step_seed(1, 0)
        (1436992348, 3140791695)
    """
    return int.from_bytes(hashlib.sha256(f"{seed} {step}".encode()).digest()[:4], "little")
