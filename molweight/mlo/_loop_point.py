"""The point at which a loop computes its hypergradient."""

from dataclasses import dataclass

import torch
from torch import Tensor

from molweight.mlo._vectors import Params

__all__ = ["LoopPoint"]


@dataclass(frozen=True)
class LoopPoint:
    """The variables of every level of a :class:`Loop`, and the factors of its objectives.

    Args:
        variables: Each level's variables, level 1 first, as leaves that require gradients. With ``finetune_ema`` level
            2 is at the average of its iterates.
        upper: The upper variable ``"weights"``: K numbers, the weights divided by the scales of their losses.
        scales: K divisors of the losses; ones without ``scale_losses``.
    """

    variables: tuple[Params, ...]
    upper: Params
    scales: Tensor

    def to(self, dtype: torch.dtype) -> "LoopPoint":
        """A copy that shares no memory with this one, in another floating-point type.

        Args:
            dtype: The type.
        """
        return LoopPoint(
            tuple(
                {name: tensor.detach().to(dtype, copy=True).requires_grad_() for name, tensor in level.items()}
                for level in self.variables
            ),
            {name: tensor.detach().to(dtype, copy=True) for name, tensor in self.upper.items()},
            self.scales.to(dtype, copy=True),
        )
