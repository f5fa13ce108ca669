"""Gradients of the levels' losses: small pure functions that the loop is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from molweight.errors import ConfigError, suggest
from molweight.mlo._vectors import Layout, LossFn, Params, value_and_gradient

__all__ = ["ObjectiveGradients", "check_objectives", "loss_scales", "mean_gradient", "objective_gradients"]


@dataclass(frozen=True)
class ObjectiveGradients:
    """What the backward passes of level 1 gave; detached.

    Args:
        total: ``sum_k weights_k g_k``, flat.
        losses: K losses.
        norms: K norms ``|g_k|`` over the leading block.
        slopes: K inner products ``<g_k, direction>``, or ``None`` without a direction.
        rows: The K gradients, ``K x n``, if they were kept.
    """

    total: Tensor
    losses: Tensor
    norms: Tensor
    slopes: Tensor | None
    rows: Tensor | None


def check_objectives(names: tuple[str, ...], given: Mapping[str, LossFn]) -> None:
    """Refuse losses that do not match the weighting's objectives.

    Raises:
        ConfigError: Naming the objectives that are unknown or missing.
    """
    for name in given:
        if name not in names:
            raise ConfigError(
                f"level 'pretrain': a loss is given for objective {name!r}, which the weighting does not know"
                f"{suggest(name, names)} It was built for: {', '.join(names)}."
            )
    missing = [name for name in names if name not in given]
    if missing:
        raise ConfigError(f"level 'pretrain': no loss is given for objective {', '.join(missing)}.")


def mean_gradient(losses: Sequence[LossFn], params: Params, name: str) -> tuple[Tensor, Tensor]:
    """The mean of several losses with its flat gradient; only one graph is alive at any moment.

    Args:
        losses: At least one loss.
        params: Leaves that require gradients.
        name: What the losses belong to, for messages.
    """
    layout, values = Layout.of(params), []
    total = next(iter(params.values())).new_zeros(layout.size)
    # One backward pass per loss: the gradient of the stacked mean would keep all graphs at the same time.
    for loss in losses:
        value, parts = value_and_gradient(loss, params, name)
        # Divided before it is summed, so that many losses cannot overflow what their mean would not.
        total.add_(layout.join(parts), alpha=1 / len(losses))
        values.append(value)
    return torch.stack(values).mean(), total


def objective_gradients(
    objectives: Mapping[str, LossFn],
    params: Params,
    weights: Tensor,
    direction: Tensor | None = None,
    *,
    block: int = 0,
    keep_rows: bool = False,
) -> ObjectiveGradients:
    """One backward pass per objective, one at a time, so that only one graph is alive at any moment.

    The weighted sum of the gradients is level 1's own step; the inner product of each gradient with the solved
    direction is, up to sign, the derivative of the meta loss with respect to that objective's weight. It costs
    nothing more, because the weights enter level 1 linearly.

    Args:
        objectives: Loss per name; taken in this order.
        params: Variables of level 1.
        weights: K weights.
        direction: ``q1``, flat over ``params``, or ``None``.
        block: Number of leading entries that the norms are taken over, i.e. the shared encoder; 0 for all.
        keep_rows: Whether to keep all gradients (K times the memory of the parameters).
    """
    layout = Layout.of(params)
    total = weights.new_zeros(layout.size)
    losses, norms, slopes, rows = [], [], [], []
    for (name, objective), weight in zip(objectives.items(), weights, strict=True):
        value, parts = value_and_gradient(objective, params, f"level 'pretrain', objective {name!r}")
        gradient = layout.join(parts)
        # A 0-dim tensor as factor: `alpha=float(weight)` would wait for the device once per objective.
        total.addcmul_(gradient, weight)
        losses.append(value)
        # Over the encoder alone: a head has a gradient even where the encoder is taught nothing.
        norms.append(gradient[: block or None].norm())
        # The gradient is at hand, so that the last product of the hypergradient is one dot product per objective.
        if direction is not None:
            slopes.append(gradient @ direction)
        if keep_rows:
            rows.append(gradient)
    inner, kept = (torch.stack(parts) if parts else None for parts in (slopes, rows))
    return ObjectiveGradients(total, torch.stack(losses), torch.stack(norms), inner, kept)


def loss_scales(objectives: Mapping[str, LossFn], params: Params) -> Tensor:
    """Size of each loss at ``params``, as K positive numbers; one where a loss is zero or not finite."""
    with torch.no_grad():
        sizes = torch.stack([loss(params).abs() for loss in objectives.values()])
    # A loss that starts at zero or at infinity has no scale: it keeps a factor of one.
    return torch.where(sizes.isfinite() & (sizes > 0), sizes, 1.0)
