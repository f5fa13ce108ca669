"""Determinism probe."""

import torch

from molweight.errors import ConfigError
from molweight.mlo._vectors import LossFn, Params

__all__ = ["check_deterministic"]


def check_deterministic(loss: LossFn, params: Params, name: str = "loss", rtol: float = 1e-5) -> None:
    """Evaluate a loss twice and refuse it if the values differ.

    Every derivative of a step must see the same random draw; a loss that draws in each call (dropout in train
    mode, an augmentation inside the loss) gives meaningless curvature products.

    Args:
        loss: Function of ``params`` that should be pure.
        params: Where to evaluate it.
        name: What it is called in the message.
        rtol: Relative difference allowed, for sums whose order is not fixed on an accelerator.

    Raises:
        ConfigError: If the two values differ by more.

    Example:
        >>> check_deterministic(lambda p: (p["w"] ** 2).sum(), {"w": torch.ones(3)})
        >>> check_deterministic(lambda p: (p["w"] * torch.rand(3)).sum(), {"w": torch.ones(3)}, "noisy")
        Traceback (most recent call last):
        ...
        molweight.errors.ConfigError: noisy: two evaluations differ ... Draw all randomness before the loss is built ...
    """
    # Values only: a loss that draws differently in its second call gives another value already; no gradient is needed.
    with torch.no_grad():
        first, second = loss(params), loss(params)
    if not torch.allclose(first, second, rtol=rtol, atol=0.0, equal_nan=True):
        raise ConfigError(
            f"{name}: two evaluations differ ({float(first):.6g} and {float(second):.6g}), so its derivatives would "
            "disagree. Draw all randomness before the loss is built (masks, augmentations, dropout seeds)."
        )
