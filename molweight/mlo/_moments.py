"""Second moments from the optimisers of a loop."""

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["second_moments"]


def second_moments(optimizers: Sequence[torch.optim.Optimizer], variables: Sequence[Tensor]) -> Tensor | None:
    """Second moments of the gradients of some variables, flat and bias-corrected.

    Args:
        optimizers: The optimisers; Adam and its variants store them as ``exp_avg_sq``.
        variables: The variables, in order.

    Returns:
        ``None`` unless every variable has some.

    Example:
        >>> variable = torch.ones(2, requires_grad=True)
        >>> adam = torch.optim.Adam([variable])
        >>> (3 * variable).sum().backward()
        >>> second_moments([adam], [variable]) is None
        True
        >>> adam.step()
        >>> [round(value, 3) for value in second_moments([adam], [variable]).tolist()]
        [9.0, 9.0]
    """
    parts = [_moment(optimizers, variable) for variable in variables]
    found = [part for part in parts if part is not None]
    return torch.cat(found) if found and len(found) == len(parts) else None


def _moment(optimizers: Sequence[torch.optim.Optimizer], variable: Tensor) -> Tensor | None:
    for optimizer in optimizers:
        state = optimizer.state.get(variable, {})
        if "exp_avg_sq" in state:
            beta = optimizer.param_groups[0]["betas"][1]
            moment: Tensor = state["exp_avg_sq"].flatten() / (1 - beta ** state["step"])
            return moment
    return None
