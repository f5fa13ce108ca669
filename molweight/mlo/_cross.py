"""Cross terms: how a solved direction passes from a level to the variables of the level above."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from molweight.errors import ConfigError
from molweight.mlo._checks import check_scalar
from molweight.mlo._curvature import pull_back
from molweight.mlo._vectors import Layout, Params, attach

if TYPE_CHECKING:
    from molweight.mlo._level import Linearized

__all__ = ["VJP", "Cross", "LinearWeightsCross", "ProximalCross"]


class Cross(ABC):
    """Computes ``-(d^2 loss / d own d upper)^T q`` for a direction ``q`` over the level's own variables."""

    differentiates_upper: bool = False
    """Whether the level has to be linearised in the upper variables too."""

    @abstractmethod
    def pull(self, level: "Linearized", direction: Tensor) -> Params:
        """Pass ``direction`` to the level above.

        Args:
            level: The level at its point.
            direction: Flat vector over the level's own variables, in their layout.

        Returns:
            One tensor per upper variable.
        """


@dataclass(frozen=True)
class VJP(Cross):
    """The general rule: one backward pass through the gradient's graph; right for any upper variable.

    Example:
        >>> from molweight.mlo import Level
        >>> Level("ridge", lambda own, upper: ((own["w"] - 1) ** 2 + upper["decay"] * own["w"] ** 2).sum()).cross
        VJP()
    """

    differentiates_upper = True

    def pull(self, level: "Linearized", direction: Tensor) -> Params:
        """Differentiate ``<gradient, direction>`` with respect to the upper variables.

        Raises:
            ConfigError: If the gradient of the loss does not depend on them at all.
        """
        gradient, names = level.hessian.gradient, list(level.upper)
        live = [(g, d) for g, d in zip(gradient, level.hessian.layout.split(direction), strict=True) if g.requires_grad]
        pulled: tuple[Tensor | None, ...] = (None,) * len(names)
        if live:
            outputs, seeds = zip(*live, strict=True)
            inputs = list(level.upper.values())
            pulled = torch.autograd.grad(outputs, inputs, seeds, retain_graph=True, allow_unused=True)
        if all(part is None for part in pulled):
            raise ConfigError(
                f"level {level.name!r}: the gradient of its loss does not depend on the variables of the level above "
                f"({', '.join(names)}). The loss must be computed from the second argument it is called with."
            )
        parts = zip(level.upper.items(), pulled, strict=True)
        return {name: torch.zeros_like(v) if part is None else -part for (name, v), part in parts}


@dataclass(frozen=True)
class ProximalCross(Cross):
    """Closed form for a loss with the term ``gamma * |own - upper|^2`` over the names both levels share.

    The cross derivative of that term is ``-2 gamma I``, so the rule is ``u = 2 gamma q`` on the shared names and zero
    elsewhere; nothing is differentiated. The rest of the loss must not depend on the upper variables.

    Args:
        gamma: Strength of the proximal term.

    Raises:
        ConfigError: If ``gamma`` is not positive: the levels would not be tied at all.
    """

    gamma: float

    def __post_init__(self) -> None:
        """Refuse a strength that is not positive."""
        if not self.gamma > 0:
            raise ConfigError(f"the proximal strength gamma must be positive, got {self.gamma}.")

    def pull(self, level: "Linearized", direction: Tensor) -> Params:
        """Scale the shared block by ``2 gamma``.

        Raises:
            ConfigError: If the levels share no name.
        """
        parts = level.hessian.layout.unravel(direction)
        return proximal_pull(self.gamma, parts, level.upper, level.name)


def proximal_pull(gamma: float, direction: Params, upper: Mapping[str, Tensor], level: str) -> Params:
    """``u = 2 gamma (q)_shared``, zero on the upper variables the level does not share.

    Args:
        gamma: Strength of the proximal term.
        direction: Solved direction, by name of the level's own variables.
        upper: Variables of the level above.
        level: Name of the level, for the message.

    Raises:
        ConfigError: If no name is shared.
    """
    if not direction.keys() & upper.keys():
        raise ConfigError(
            f"level {level!r} shares no variable name with the level above. "
            "Give the tensors that the proximal term ties the same name at both levels."
        )
    return {
        name: 2 * gamma * direction[name] if name in direction else torch.zeros_like(tensor)
        for name, tensor in upper.items()
    }


@dataclass(frozen=True)
class LinearWeightsCross(Cross):
    """Closed form for ``loss = sum_k weights_k * losses(own)_k``: entry ``k`` is ``-<grad loss_k, q>``.

    Args:
        losses: Own variables to the vector of the K losses.
        weights: Name of the upper variable that holds the K weights.
        mode: ``"jvp"``: one forward-mode pass for all K, best where the losses share a forward pass;
            ``"dot"``: one gradient per loss.
    """

    losses: Callable[[Params], Tensor]
    weights: str = "weights"
    mode: Literal["jvp", "dot"] = "jvp"

    def pull(self, level: "Linearized", direction: Tensor) -> Params:
        """Directional derivatives of all losses.

        Raises:
            ConfigError: If the losses do not match the weights.
        """
        slopes = self._slopes(level, direction)
        weights = level.upper.get(self.weights)
        if weights is None or slopes.shape != weights.shape:
            found = "absent" if weights is None else f"of shape {tuple(weights.shape)}"
            raise ConfigError(
                f"level {level.name!r}: its losses have shape {tuple(slopes.shape)} but the upper variable "
                f"{self.weights!r} is {found}. Give one weight per loss."
            )
        return {name: -slopes if name == self.weights else torch.zeros_like(t) for name, t in level.upper.items()}

    def _slopes(self, level: "Linearized", direction: Tensor) -> Tensor:
        point, layout = level.hessian.point, level.hessian.layout
        if self.mode == "jvp":
            values = {name: tensor.detach() for name, tensor in point.items()}
            slopes: Tensor = torch.func.jvp(self.losses, (values,), (layout.unravel(direction),))[1]
            return slopes
        own = attach(point)
        losses = self.losses(own)
        for loss in losses:
            check_scalar(f"level {level.name!r}", loss)
        return torch.stack([self._dot(loss, own, layout, direction) for loss in losses])

    def _dot(self, loss: Tensor, own: Params, layout: Layout, direction: Tensor) -> Tensor:
        return layout.join(pull_back([loss], list(own.values()), [torch.ones_like(loss)])) @ direction
