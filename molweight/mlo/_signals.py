"""From the gradients of a step to what a weighting learns from."""

import torch
from torch import Tensor

from molweight.mlo._gradients import ObjectiveGradients
from molweight.mlo.weightings import Needs, Signals

__all__ = ["read_signals"]


def read_signals(
    needs: Needs, gradients: ObjectiveGradients, direction: Tensor | None, scales: Tensor | None
) -> Signals:
    """What the weighting learns from: ``dF/dw_k = -<g_k, q1>``, or cosines, or inner products of the gradients.

    Args:
        needs: What the weighting asks for.
        gradients: The objectives' gradients.
        direction: ``q1``, or the meta gradient where cosines are asked for.
        scales: K numbers the losses are divided by, or ``None``.
    """
    inverse = torch.ones_like(gradients.losses) if scales is None else 1 / scales
    losses, norms = gradients.losses * inverse, None if gradients.norms is None else gradients.norms * inverse
    if gradients.rows is not None:
        return Signals(losses, norms, gramian=gradients.rows @ gradients.rows.T * torch.outer(inverse, inverse))
    if gradients.slopes is None or direction is None:
        return Signals(losses, norms)
    if needs is Needs.ALIGNMENT and gradients.norms is not None:
        # The norms are over the encoder alone, as is the direction: heads have no counterpart in the task.
        size = (gradients.norms * direction.norm()).clamp_min(torch.finfo(losses.dtype).tiny)
        return Signals(losses, norms, alignment=gradients.slopes / size)
    # Minus: the mixed derivative of the implicit function theorem. Divided by the scale, because a weight multiplies
    # the scaled loss.
    return Signals(losses, norms, hypergradient=-gradients.slopes * inverse)
