"""What objectives and weightings promise, checked where it would otherwise be a wrong result."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn

from molweight.errors import ConfigError, TrainingError
from molweight.mlo import LossFn, check_deterministic

__all__ = ["check_losses", "check_weights"]

_NEAR: Final = 1e-4
"""What rounding in float32 may move a weight or the sum of the weights by."""


def check_losses(losses: Mapping[str, LossFn], model: nn.Module) -> None:
    """Refuse objectives whose loss is not a number, or another one each time: all randomness belongs to ``draw``.

    Args:
        losses: Loss per objective, as drawn for one step.
        model: Whose parameters they are functions of.

    Raises:
        ConfigError: Naming the objective.
    """
    params: dict[str, Tensor] = dict(model.named_parameters())
    for name, loss in losses.items():
        with torch.no_grad():
            value: Any = loss(params)
        if not isinstance(value, Tensor) or value.dim() != 0:
            shape = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise ConfigError(f"objective {name!r}: its loss must be a single number as a tensor, got {shape}.")
        check_deterministic(loss, params, f"objective {name!r}")


def check_weights(weighting: str, step: int, weights: Sequence[float]) -> None:
    """Refuse weights that are not on the simplex: finite, not negative, with a sum of 1.

    Args:
        weighting: Name of the weighting.
        step: When they were used, for the message.
        weights: Weight per objective.

    Raises:
        TrainingError: Naming the weighting and the weights.

    Example:
        >>> check_weights("mine", 3, [0.25, 0.75])
        >>> check_weights("mine", 3, [3.0, -1.0])
        Traceback (most recent call last):
        ...
        molweight.errors.TrainingError: weighting 'mine': its weights at step 3 are [3, -1]. They must be ...
    """
    finite = all(math.isfinite(weight) for weight in weights)
    total = math.fsum(weights) if finite else math.nan
    if not finite or abs(total - 1) > _NEAR * max(1, len(weights)) or min(weights) < -_NEAR:
        shown = ", ".join(f"{weight:.6g}" for weight in weights)
        raise TrainingError(
            f"weighting {weighting!r}: its weights at step {step} are [{shown}]. They must be finite and not negative, "
            "with a sum of 1. Correct the weighting, or choose another."
        )
