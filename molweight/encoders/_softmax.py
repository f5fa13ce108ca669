"""Softmax within molecules."""

import torch
from torch import Tensor

__all__ = ["segment_softmax"]


def segment_softmax(scores: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
    """Softmax over the items of each segment, by index-based operations that are correct to second order.

    Args:
        scores: One number per item, ``N``.
        batch: Segment of each item, ``N`` int64.
        num_graphs: Number of segments ``G``.

    Returns:
        Positive numbers that add up to 1 in each segment, ``N``.

    Example:
        >>> segment_softmax(torch.tensor([0.0, 0.0, 7.0]), torch.tensor([0, 0, 1]), 2).tolist()
        [0.5, 0.5, 1.0]
    """
    with torch.no_grad():  # the result is independent of the shift; the largest score avoids overflow
        highest = scores.new_full((num_graphs,), -torch.inf).scatter_reduce(0, batch, scores, "amax")
    powers = (scores - highest.index_select(0, batch)).exp()
    total = powers.new_zeros(num_graphs).index_add(0, batch, powers)
    return powers / total.index_select(0, batch)
