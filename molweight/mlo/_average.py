"""The average of level 2's iterates, relative to level 1."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from molweight.errors import ConfigError
from molweight.mlo._vectors import Params

__all__ = ["OffsetAverage"]


class OffsetAverage:
    """Exponential average of ``omega - theta`` on the shared names and of the other variables of level 2.

    The iterates of a stochastic optimiser fluctuate around the minimum, most along the directions of large curvature,
    and a meta gradient taken at the last of them mostly reports where it happens to be. Their average is far nearer to
    the minimum (Polyak & Juditsky, SIAM J. Control Optim. 1992), which is where the implicit function theorem holds.

    Args:
        decay: What an iterate counts for after each later one, in [0, 1); 0 is the last iterate itself.
        shared: Names that are averaged relative to level 1.

    Raises:
        ConfigError: If ``decay`` is out of range.

    Example:
        >>> average = OffsetAverage(0.5, ["w"])
        >>> for omega in (1.0, 3.0):
        ...     average.update({"w": torch.tensor(omega)}, {"w": torch.tensor(0.0)})
        >>> round(average.point({"w": torch.tensor(10.0)})["w"].item(), 4)  # 10 + (0.5 * 1 + 1 * 3) / 1.5
        12.3333
    """

    def __init__(self, decay: float, shared: Sequence[str]) -> None:
        """Start without an iterate."""
        if not 0 <= decay < 1:
            raise ConfigError(f"finetune_ema must be at least 0 and below 1, got {decay}.")
        self.decay, self.shared = decay, frozenset(shared)
        self.count = 0
        self._means: Params = {}

    @torch.no_grad()
    def update(self, finetuned: Params, pretrained: Params) -> None:
        """Take in the iterate of level 2 that belongs to ``pretrained``.

        Args:
            finetuned: Variables of level 2.
            pretrained: Variables of level 1.
        """
        self.count += 1
        # The weight of the newest such that all weights are those of a geometric series that sums to one.
        newest = (1 - self.decay) / (1 - self.decay**self.count)
        for name, tensor in finetuned.items():
            # The encoder's offset, not the encoder: an average of omega itself would lag theta by its own memory, and
            # the point would be the minimum for a theta of the past.
            value = tensor - pretrained[name] if name in self.shared else tensor.detach().clone()
            # In place, as the means are not shared: `point` hands out copies.
            self._means[name] = self._means[name].lerp_(value, newest) if name in self._means else value

    def point(self, pretrained: Params) -> Params:
        """Leaves at the averaged point of level 2 that belongs to ``pretrained``.

        Args:
            pretrained: Variables of level 1.
        """
        return {
            name: (pretrained[name].detach() + mean if name in self.shared else mean.clone()).requires_grad_()
            for name, mean in self._means.items()
        }

    def state_dict(self) -> dict[str, Any]:
        """What has been averaged, as live tensors."""
        return {"count": self.count, "means": dict(self._means)}

    def load_state_dict(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Restore what :meth:`state_dict` gave, on a device."""
        self.count = int(state["count"])
        self._means = {name: tensor.to(device, copy=True) for name, tensor in state["means"].items()}
