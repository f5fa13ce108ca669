"""Jumping knowledge: which layers' outputs make up an atom's vector."""

import torch
from torch import Tensor

from molweight.arguments import check_choice

__all__ = ["JUMPS", "jump", "jump_width"]

JUMPS = ("last", "sum", "max", "concat")


def jump_width(name: str, layers: int, width: int) -> int:
    """Size of the vectors that :func:`jump` returns.

    Raises:
        ConfigError: If the name is unknown.
    """
    check_choice("encoder", "jk", name, JUMPS)
    return width * (layers + 1) if name == "concat" else width


def jump(name: str, states: list[Tensor]) -> Tensor:
    """Combine the embedding and the outputs of all layers.

    Source: Xu et al., *Representation Learning on Graphs with Jumping Knowledge Networks*, ICML 2018.

    Args:
        name: ``"last"``, ``"sum"``, ``"max"`` (of each entry) or ``"concat"``.
        states: The embedding, then each layer's output, each ``N x d``.

    Returns:
        ``N x d``, or ``N x d (layers + 1)`` for ``"concat"``.
    """
    if name == "concat":
        return torch.cat(states, dim=1)
    if name == "max":
        return torch.stack(states).max(0).values
    return states[-1] if name == "last" else torch.stack(states).sum(0)
