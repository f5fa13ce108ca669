"""Random choices within each molecule, without a loop over molecules."""

import torch
from torch import Tensor

__all__ = ["offsets", "random_subset", "ranks"]


def offsets(segment: Tensor, count: int) -> Tensor:
    """First item of each segment and the total, ``count + 1``, from the segment of each item.

    Example:
        >>> offsets(torch.tensor([0, 0, 2]), 3).tolist()
        [0, 2, 2, 3]
    """
    sizes = torch.zeros(count + 1, dtype=torch.long, device=segment.device)
    sizes.scatter_add_(0, segment + 1, torch.ones_like(segment))
    return sizes.cumsum(0)


def ranks(keys: Tensor, segment: Tensor, ptr: Tensor) -> Tensor:
    """Position of each item in the ascending order of keys within its segment, from 0.

    Args:
        keys: One number in [0, 1) per item, float64.
        segment: Segment of each item, ascending.
        ptr: First item of each segment and the total.

    Returns:
        One int64 per item.

    Example:
        >>> ranks(torch.tensor([0.5, 0.1, 0.9, 0.2]).double(), torch.tensor([0, 0, 1, 1]), torch.tensor([0, 2, 4]))
        tensor([1, 0, 1, 0])
    """
    order = torch.argsort(segment + keys)
    position = torch.arange(len(keys), device=keys.device) - ptr[segment]
    return torch.empty_like(position).scatter_(0, order, position)


def random_subset(segment: Tensor, ptr: Tensor, size: Tensor, generator: torch.Generator) -> Tensor:
    """A uniformly random subset of each segment, with an exact number of items.

    Args:
        segment: Segment of each item, ascending.
        ptr: First item of each segment and the total.
        size: Number of items to choose in each segment; more than there are chooses all.
        generator: Source of randomness.

    Returns:
        One bool per item.

    Example:
        >>> segment, ptr = torch.tensor([0, 0, 0, 1]), torch.tensor([0, 3, 4])
        >>> chosen = random_subset(segment, ptr, torch.tensor([2, 0]), torch.Generator().manual_seed(0))
        >>> int(chosen[:3].sum()), int(chosen[3])
        (2, 0)
    """
    keys = torch.rand(len(segment), dtype=torch.float64, generator=generator, device=segment.device)
    return ranks(keys, segment, ptr) < size[segment]
