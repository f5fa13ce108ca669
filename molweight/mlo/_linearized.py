"""A level at a point: what its solve and its mixed derivative are computed from."""

from collections.abc import Callable
from functools import cached_property
from typing import TypeAlias

from torch import Tensor

from molweight.mlo._curvature import Curvature, Hessian
from molweight.mlo._gauss_newton import CurvatureName, GaussNewton, bind
from molweight.mlo._vectors import Layout, Params, attach

__all__ = ["CurvatureRule", "LevelLoss", "Linearized"]

LevelLoss: TypeAlias = Callable[[Params, Params], Tensor]
"""Pure function of a level's own variables and of those of the level above, returning a scalar."""

CurvatureRule: TypeAlias = Callable[[Params, Params], Curvature]
"""From a level's own variables and those of the level above to the curvature at that point."""


class Linearized:
    """A level at a point.

    Args:
        name: Name of the level.
        loss: Loss of the level.
        own: Its variables.
        upper: The variables of the level above; kept as :attr:`above`, as they were given.
        curvature: Which matrix is solved with, or how to build it.
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
        """Keep the point; nothing is evaluated yet."""
        self.name, self.own, self.above = name, own, upper
        self._loss = loss
        self._curvature, self._differentiates_upper = curvature, differentiates_upper

    @cached_property
    def layout(self) -> Layout:
        """How the level's own variables lie in flat vectors."""
        return Layout.of(self.own)

    @cached_property
    def upper(self) -> Params:
        """The variables of the level above; leaves that require gradients only where they are needed."""
        # With plain tensors no operation on the upper variables is recorded, which makes every product cheaper.
        if self._differentiates_upper:
            return attach(self.above)
        return {name: tensor.detach() for name, tensor in self.above.items()}

    @cached_property
    def hessian(self) -> Hessian:
        """The Hessian in the level's own variables, with the gradient that the general mixed derivative needs."""
        loss, upper = self._loss, self.upper
        return Hessian(lambda own: loss(own, upper), self.own, f"level {self.name!r}")

    @cached_property
    def curvature(self) -> Curvature:
        """What is solved with."""
        if self._curvature == "hessian":
            # The same object as `hessian`: the mixed derivative then reuses the graph that the products have built.
            return self.hessian
        if self._curvature == "gauss_newton":
            return GaussNewton(bind(self._loss, self.upper), self.own, f"level {self.name!r}")
        return self._curvature(self.own, self.above)
