"""One level of a multi-level problem: the level, its linearisation at a point, and its mixed derivatives."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from molweight.deprecation import renamed_options
from molweight.errors import ConfigError, OptionError
from molweight.mlo._curvature import Curvature, CurvatureName, GaussNewton, Hessian, bind, check_curvature, pull_back
from molweight.mlo._gradients import objective_gradients
from molweight.mlo._vectors import (
    Layout,
    LossFn,
    Params,
    attach,
    check_frozen,
    check_same_place,
    check_scalar,
    check_variables,
)

__all__ = [
    "VJP",
    "CurvatureRule",
    "Level",
    "LevelLoss",
    "LinearWeightsCross",
    "Linearized",
    "MixedDerivative",
    "ProximalCross",
]


LevelLoss: TypeAlias = Callable[[Params, Params], Tensor]
"""Pure function of a level's own variables and of those of the level above, returning a scalar."""


CurvatureRule: TypeAlias = Callable[[Params, Params], Curvature]
"""Maps a level's own variables and those of the level above to the curvature at that point."""


class Linearized:
    """A level at a point.

    Args:
        name: Name of the level.
        loss: Loss of the level.
        own: Its variables.
        upper: The variables of the level above; stored unchanged as :attr:`above`.
        curvature: Matrix of the solve, or a function that builds it.
        differentiates_upper: Whether the gradient is also differentiated with respect to ``upper``.
    """

    def __init__(
        self,
        name: str,
        loss: LevelLoss,
        own: Params,
        upper: Params,
        *,
        curvature: CurvatureName | CurvatureRule = "hessian",
        differentiates_upper: bool = False,
    ) -> None:
        """Store the point; nothing is evaluated yet."""
        self.name, self.own, self.above = name, own, upper
        self._loss = loss
        self._curvature, self._differentiates_upper = curvature, differentiates_upper

    @cached_property
    def layout(self) -> Layout:
        """Layout of the level's own variables in flat vectors."""
        return Layout.of(self.own)

    @cached_property
    def upper(self) -> Params:
        """The variables of the level above; leaves that require gradients only if needed."""
        # With plain tensors, operations on the upper variables are not recorded, which makes every product cheaper.
        if self._differentiates_upper:
            return attach(self.above)
        return {name: tensor.detach() for name, tensor in self.above.items()}

    @cached_property
    def hessian(self) -> Hessian:
        """The Hessian in the level's own variables; its gradient is also used by the general mixed derivative."""
        loss, upper = self._loss, self.upper
        return Hessian(lambda own: loss(own, upper), self.own, f"level {self.name!r}")

    @cached_property
    def curvature(self) -> Curvature:
        """The curvature that the solver applies."""
        if self._curvature == "hessian":
            # The same object as `hessian`, so that the mixed derivative reuses the graph built by the products.
            return self.hessian
        if self._curvature == "gauss_newton":
            return GaussNewton(bind(self._loss, self.upper), self.own, f"level {self.name!r}")
        return self._curvature(self.own, self.above)


class MixedDerivative(ABC):
    """Computes ``-(d^2 loss / d own d upper)^T q`` for a direction ``q`` over the level's own variables.

    The minus sign is that of the implicit function theorem: ``d own* / d upper = -H^-1 (d^2 loss / d own d upper)``.
    """

    differentiates_upper: bool = False
    """Whether the level must also be linearised in the upper variables."""

    @abstractmethod
    def vjp(self, level: Linearized, direction: Tensor) -> Params:
        """Pass ``direction`` to the level above.

        Args:
            level: The level at its point.
            direction: Flat vector over the level's own variables, in their layout.

        Returns:
            One tensor per upper variable.
        """


@dataclass(frozen=True)
class VJP(MixedDerivative):
    """The general rule: one backward pass through the gradient's graph, valid for any upper variable.

    Example:
        >>> from molweight.mlo import Level
        >>> Level("ridge", lambda own, upper: ((own["w"] - 1) ** 2 + upper["decay"] * own["w"] ** 2).sum()).cross
        VJP()
    """

    differentiates_upper = True

    def vjp(self, level: Linearized, direction: Tensor) -> Params:
        """Differentiate ``<gradient, direction>`` with respect to the upper variables.

        Raises:
            ConfigError: If the gradient of the loss does not depend on any of them.
        """
        gradient, names = level.hessian.gradient, list(level.upper)
        live = [(g, d) for g, d in zip(gradient, level.layout.split(direction), strict=True) if g.requires_grad]
        pulled: tuple[Tensor | None, ...] = (None,) * len(names)
        if live:
            outputs, seeds = zip(*live, strict=True)
            inputs = list(level.upper.values())
            pulled = torch.autograd.grad(outputs, inputs, seeds, retain_graph=True, allow_unused=True)
        # If all entries are unused, the loss ignores its second argument, which is a mistake and not a zero derivative:
        # an upper variable without effect is unused only among others with an effect.
        if all(part is None for part in pulled):
            raise ConfigError(
                f"level {level.name!r}: the gradient of its loss does not depend on the variables of the level above "
                f"({', '.join(names)}). The loss must be computed from the second argument it is called with."
            )
        parts = zip(level.upper.items(), pulled, strict=True)
        return {name: torch.zeros_like(v) if part is None else -part for (name, v), part in parts}


@renamed_options(gamma="strength")
@dataclass(frozen=True)
class ProximalCross(MixedDerivative):
    """Closed form for a loss with the term ``strength * |own - upper|^2`` over the shared names of both levels.

    The mixed derivative of that term is ``-2 strength I``, so the rule is ``u = 2 strength q`` on the shared names and
    zero elsewhere; nothing is differentiated. The rest of the loss must not depend on the upper variables.

    Args:
        strength: Strength of the proximal term.

    Raises:
        ConfigError: If ``strength`` is not positive: the levels would not be tied.
    """

    strength: float

    def __post_init__(self) -> None:
        """Refuse a strength that is not positive."""
        if not self.strength > 0:
            raise OptionError("strength", self.strength, "must be positive")

    def vjp(self, level: Linearized, direction: Tensor) -> Params:
        """Scale the shared block by ``2 strength``.

        Raises:
            ConfigError: If the levels share no name.
        """
        # Only names and shapes of the upper variables are used, so they need not be detached.
        above = level.above
        if not set(level.layout.names) & above.keys():
            raise ConfigError(
                f"level {level.name!r} shares no variable name with the level above. "
                "The proximal term ties tensors by name: use the same names at both levels."
            )
        # Scaled as one flat vector, and one vector of zeros for all other names: two kernels, not one per tensor.
        scaled = level.layout.unravel(2 * self.strength * direction)
        others = Layout.of({name: tensor for name, tensor in above.items() if name not in scaled})
        zeros = others.unravel(direction.new_zeros(others.size))
        return {name: scaled[name] if name in scaled else zeros[name] for name in above}


@dataclass(frozen=True)
class LinearWeightsCross(MixedDerivative):
    """Closed form for ``loss = sum_k weights_k * losses(own)_k``: entry ``k`` is ``-<grad loss_k, q>``.

    Args:
        losses: Maps the own variables to the vector of the K losses; or the K losses by name, which are then
            differentiated one by one, so that only one graph is in memory at a time.
        weights: Name of the upper variable that holds the K weights.
        mode: For a vector of losses. ``"jvp"``: one forward-mode pass for all K, best if the losses share a forward
            pass; ``"dot"``: one gradient per loss.
    """

    losses: Callable[[Params], Tensor] | Mapping[str, LossFn]
    weights: str = "weights"
    mode: Literal["jvp", "dot"] = "jvp"

    def vjp(self, level: Linearized, direction: Tensor) -> Params:
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

    def _slopes(self, level: Linearized, direction: Tensor) -> Tensor:
        if isinstance(self.losses, Mapping):
            # The same pass that moves level 1 in training; the loss is linear in the weights, so their values do not
            # matter.
            weights = direction.new_zeros(len(self.losses))
            slopes = objective_gradients(self.losses, attach(level.own), weights, direction).slopes
            return direction.new_zeros(0) if slopes is None else slopes
        if self.mode == "jvp":
            values = {name: tensor.detach() for name, tensor in level.own.items()}
            tangents = level.layout.unravel(direction)
            jvp: Tensor = torch.func.jvp(self.losses, (values,), (tangents,))[1]
            return jvp
        return _dots(self.losses, level, direction)


def _dots(losses: Callable[[Params], Tensor], level: Linearized, direction: Tensor) -> Tensor:
    own = attach(level.own)
    inputs, slopes = list(own.values()), []
    for loss in losses(own):
        check_scalar(f"level {level.name!r}", loss)
        gradient = level.layout.join(pull_back([loss], inputs, [torch.ones_like(loss)]))
        slopes.append(gradient @ direction)
    return torch.stack(slopes)


@dataclass(frozen=True)
class Level:
    """A minimisation ``own* (upper) = argmin loss(own, upper)``, assumed to be solved when it is differentiated.

    Args:
        name: Name used in messages and statistics.
        loss: Pure function ``(own, upper) -> scalar``. All random numbers must be drawn beforehand.
        cross: Mixed derivative that passes a solved direction to the level above; :class:`VJP` is valid for any loss,
            the closed forms are cheaper if they apply.
        curvature: ``"hessian"``; ``"gauss_newton"`` for a loss that is a :class:`Composite` of both arguments; or a
            function ``(own, upper) -> Curvature`` for a composed matrix.

    Raises:
        ConfigError: If the name is empty or the loss cannot be called.

    Example:
        >>> Level("fit", lambda own, upper: ((own["w"] - upper["target"]) ** 2).sum()).name
        'fit'
    """

    name: str
    loss: LevelLoss
    cross: MixedDerivative = field(default_factory=VJP)
    curvature: CurvatureName | CurvatureRule = "hessian"

    def __post_init__(self) -> None:
        """Refuse a level that cannot be named or evaluated."""
        if not self.name:
            raise ConfigError("a level needs a name: it is what messages and statistics refer to.")
        if not callable(self.loss):
            raise ConfigError(f"level {self.name!r}: its loss must be callable, got {type(self.loss).__name__}.")
        if not callable(self.curvature):
            check_curvature(f"level {self.name!r}", self.curvature)

    def at(self, own: Params, upper: Params) -> Linearized:
        """This level at a point.

        Args:
            own: Its variables.
            upper: The variables of the level above.
        """
        return Linearized(
            self.name,
            self.loss,
            own,
            upper,
            curvature=self.curvature,
            differentiates_upper=self.cross.differentiates_upper,
        )

    def vjp(self, point: Linearized, direction: Tensor) -> Params:
        """``-(d^2 loss / d own d upper)^T direction``, which is passed to the level above.

        Args:
            point: This level at a point; see :meth:`at`.
            direction: Flat vector over the level's own variables.

        Returns:
            One tensor per upper variable, detached.
        """
        passed = self.cross.vjp(point, direction)
        return {name: tensor.detach() if tensor.requires_grad else tensor for name, tensor in passed.items()}

    def check(self, own: Params, upper: Params) -> None:
        """Refuse variables at which this level cannot be differentiated.

        Raises:
            ConfigError: If they are not floating-point tensors, some are frozen, or the levels' devices or types
                differ.
        """
        check_variables(self.name, own)
        check_frozen(self.name, own)
        check_variables(f"above {self.name}", upper)
        check_same_place(self.name, own, f"above {self.name}", upper)
