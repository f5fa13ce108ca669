"""Random weights, drawn at each step."""

from collections.abc import Sequence

import torch
from torch import Tensor

from molweight.mlo.weightings._base import Signals, Weighting
from molweight.mlo.weightings._registry import weightings

__all__ = ["Random"]


@weightings.register("random")
class Random(Weighting):
    """``weights = softmax(z)``, ``z`` standard normal, drawn at each step (RLW; Lin et al., TMLR 2022).

    Args:
        names: Names of the objectives.
        seed: With the number of the step it determines the draw.

    Example:
        >>> weighting = Random(["one", "two"], seed=1)
        >>> round(sum(weighting.as_dict().values()), 6)
        1.0
    """

    _weights: Tensor

    def __init__(self, names: Sequence[str], *, seed: int = 0) -> None:
        """Draw the first weights."""
        super().__init__(names)
        self.seed, self._step = seed, 0
        self.register_buffer("_weights", self._draw())

    @property
    def weights(self) -> Tensor:
        """The K weights of the coming step."""
        return self._weights

    def update(self, signals: Signals) -> None:  # noqa: ARG002 (nothing is learned)
        """Draw the next weights."""
        self._step += 1
        self._weights.copy_(self._draw(), non_blocking=True)

    def get_extra_state(self) -> Tensor:
        """Number of the step."""
        return torch.tensor(self._step)

    def set_extra_state(self, state: Tensor) -> None:
        """Restore the number of the step."""
        self._step = int(state)

    def _draw(self) -> Tensor:
        # Of the CPU, by seed and step: the same weights on every device, and nothing but the step to save.
        generator = torch.Generator().manual_seed((self.seed << 32) + self._step)
        return torch.softmax(torch.randn(len(self.names), generator=generator), 0)
