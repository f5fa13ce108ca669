"""Random weights, sampled at each step."""

from collections.abc import Sequence

import torch
from torch import Tensor

from molweight.mlo.weightings._base import Signals, Weighting
from molweight.mlo.weightings._registry import weightings
from molweight.seeding import step_seed

__all__ = ["Random"]


@weightings.register("random")
class Random(Weighting):
    """``weights = softmax(z)``, ``z`` standard normal, sampled at each step (RLW; Lin et al., TMLR 2022).

    Args:
        names: Names of the objectives.
        seed: Seed of the random numbers, together with the number of the step. A job passes one that follows from its
            own seed.

    Example:
        >>> weighting = Random(["one", "two"], seed=1)
        >>> round(sum(weighting.as_dict().values()), 6)
        1.0
    """

    _weights: Tensor

    def __init__(self, names: Sequence[str], *, seed: int = 0) -> None:
        """Sample the first weights."""
        super().__init__(names)
        self.seed, self._step = seed, 0
        self.register_buffer("_weights", self._draw())

    @property
    def weights(self) -> Tensor:
        """The K weights of the next step."""
        return self._weights

    def update(self, signals: Signals) -> None:  # noqa: ARG002 (nothing is learned)
        """Sample the next weights."""
        self._step += 1
        self._weights.copy_(self._draw(), non_blocking=True)

    def get_extra_state(self) -> Tensor:
        """Number of the step."""
        return torch.tensor(self._step)

    def set_extra_state(self, state: Tensor) -> None:
        """Restore the number of the step."""
        self._step = int(state)

    def _draw(self) -> Tensor:
        # On the CPU, by seed and step: the weights are the same on every device, and only the step must be saved.
        generator = torch.Generator().manual_seed(step_seed(self.seed, self._step))
        return torch.softmax(torch.randn(len(self.names), generator=generator), 0)
