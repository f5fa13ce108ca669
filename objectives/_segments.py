"""Random choices within each molecule, without a loop over molecules."""

import torch
from torch import Tensor

from molweight.encoders.internal import segment_sizes, segment_sum

__all__ = ["offsets", "random_item", "random_partner", "random_subset", "ranks", "segment_mean"]


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
        size: Number of items to choose in each segment; larger numbers choose all.
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


def random_item(ptr: Tensor, generator: torch.Generator) -> Tensor:
    """A uniformly random item of each segment; segments must not be empty.

    Example:
        >>> ptr = torch.tensor([0, 3, 4])
        >>> first, second = random_item(ptr, torch.Generator().manual_seed(0)).tolist()
        >>> first in (0, 1, 2), second
        (True, 3)
    """
    count = ptr[1:] - ptr[:-1]
    random = torch.rand(len(count), dtype=torch.float64, generator=generator, device=ptr.device)
    return ptr[:-1] + torch.minimum((random * count).long(), count - 1)


def random_partner(count: int, generator: torch.Generator) -> Tensor | None:
    """Another item for each of ``count`` items, by a random cyclic shift common to all.

    All pairs of items are equally likely, so comparisons do not depend on the order of a batch.

    Args:
        count: Number of items.
        generator: Source of randomness; the result is on its device.

    Returns:
        One position per item, never its own; ``None`` if there is no other item.

    Example:
        >>> random_partner(2, torch.Generator())
        tensor([1, 0])
    """
    if count < 2:  # noqa: PLR2004 - an item and another one
        return None
    shift = torch.randint(1, count, (), generator=generator, device=generator.device)
    return (torch.arange(count, device=generator.device) + shift) % count


def segment_mean(rows: Tensor, segment: Tensor, count: int) -> Tensor:
    """Mean of the rows of each segment, correct to second order.

    Args:
        rows: ``n x d``.
        segment: Segment of each row, ``n``.
        count: Number of segments.

    Returns:
        ``count x d``; zeros for a segment without rows.

    Example:
        >>> segment_mean(torch.tensor([[1.0], [3.0], [5.0]]), torch.tensor([0, 0, 2]), 3).tolist()
        [[2.0], [0.0], [5.0]]
    """
    total = segment_sum(rows, segment, count)
    return total / segment_sizes(segment, count).clamp_(min=1).to(rows.dtype)[:, None]
