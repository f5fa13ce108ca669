"""Heads whose number of outputs depends on the corpus."""

from typing import Any

import torch
from torch import Tensor, nn

from molweight.seeding import seeded

__all__ = ["ResizableLinear"]


class ResizableLinear(nn.Linear):
    """A linear layer that can be resized, and that adopts the number of outputs of a loaded state.

    The initial weights depend on the random state at the creation of the layer, not at the time of resizing.

    Args:
        width: Size of the inputs.

    Example:
        >>> layer, other = ResizableLinear(4), ResizableLinear(4)
        >>> layer.resize(7)
        >>> other.load_state_dict(layer.state_dict())
        <All keys matched successfully>
        >>> other(torch.zeros(2, 4)).shape
        torch.Size([2, 7])
    """

    def __init__(self, width: int) -> None:
        """Start with one output."""
        super().__init__(width, 1)
        self._seed = int(torch.randint(2**31, ()))

    def resize(self, outputs: int) -> None:
        """Reinitialise with ``outputs`` outputs."""
        with seeded(self._seed):
            fresh = nn.Linear(self.in_features, outputs).to(self.weight)
        self.weight, self.bias, self.out_features = fresh.weight, fresh.bias, outputs

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        incoming = state_dict.get(f"{prefix}weight")
        if incoming is not None and len(incoming) != self.out_features:
            self.resize(len(incoming))
        for name, tensor in list(self.named_buffers(recurse=False)):
            stored = state_dict.get(prefix + name)
            if stored is not None and stored.shape != tensor.shape:
                setattr(self, name, tensor.new_empty(stored.shape))
        super()._load_from_state_dict(state_dict, prefix, *rest)
