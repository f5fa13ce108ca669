"""Generalised Gauss-Newton curvature."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from molweight.errors import ConfigError
from molweight.mlo._checks import check_scalar
from molweight.mlo._curvature import Hessian, pull_back
from molweight.mlo._vectors import Layout, LossFn, Params, attach

__all__ = ["Composite", "CurvatureName", "GaussNewton", "bind", "check_curvature", "curvature_of"]

CurvatureName: TypeAlias = Literal["hessian", "gauss_newton"]
"""Which matrix is used as the second derivative of a loss."""


class Composite:
    """A loss that shows its parts: ``criterion(outputs(variables))``; it can be called like any other loss.

    Args:
        outputs: From the variables to the model's outputs, one tensor.
        criterion: From the outputs to a scalar; convex for losses like cross-entropy and squared error.

    Example:
        >>> loss = Composite(lambda p: p["w"] * torch.tensor([1.0, 2.0]), lambda z: (z**2).sum())
        >>> loss({"w": torch.tensor(3.0)}).item()
        45.0
    """

    def __init__(self, outputs: Callable[..., Tensor], criterion: Callable[[Tensor], Tensor]) -> None:
        """Keep both parts."""
        self.outputs = outputs
        self.criterion = criterion

    def __call__(self, *variables: Params) -> Tensor:
        """The loss."""
        return self.criterion(self.outputs(*variables))


class GaussNewton:
    """The generalised Gauss-Newton matrix ``J^T H J`` as a map on flat vectors.

    ``J`` is the Jacobian of the outputs and ``H`` the Hessian of the criterion at the outputs (Schraudolph 2002).
    It is positive semi-definite wherever the criterion is convex, so conjugate gradients are well defined on it, and
    equal to the Hessian where the model is linear or fits exactly. The model is linearised once.

    Args:
        loss: The loss in its two parts.
        at: The point.
        name: What the loss belongs to; used in messages.

    Raises:
        ConfigError: If the loss is not a :class:`Composite`.

    Example:
        >>> loss = Composite(lambda p: p["w"] ** 2, lambda z: 0.5 * (z - 9.0) ** 2)
        >>> GaussNewton(loss, {"w": torch.tensor(3.0)})(torch.tensor([1.0])).tolist()
        [36.0]
    """

    def __init__(self, loss: LossFn, at: Params, name: str = "loss") -> None:
        """Keep the loss and the point; nothing is evaluated yet."""
        if not isinstance(loss, Composite):
            raise ConfigError(
                f"{name}: Gauss-Newton curvature needs a loss in two parts, mlo.Composite(outputs, criterion), "
                f"got {type(loss).__name__}. Use curvature='hessian' otherwise."
            )
        self._loss = loss
        self._name = name
        self.point = attach(at)
        self.layout = Layout.of(at)
        self.products = 0

    @cached_property
    def _forward(self) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
        """Outputs; criterion's gradient over a leaf copy of them; a dummy ``u``; ``J^T u`` with its graph."""
        with torch.enable_grad():
            outputs = self._loss.outputs(self.point)
            # A leaf copy cuts the criterion off from the model: its Hessian is then taken over the outputs alone, and
            # the model's own second derivative, which makes the Hessian indefinite, never enters.
            leaf = outputs.detach().requires_grad_()
            slope = torch.autograd.grad(check_scalar(self._name, self._loss.criterion(leaf)), leaf, create_graph=True)
            # J v by two reverse passes: u -> J^T u is linear, so that its derivative in direction v is J v whatever u
            # is. Forward mode would be one pass, but message passing has operators without it.
            dummy = torch.zeros_like(outputs, requires_grad=True)
            inputs = list(self.point.values())
            pulled = torch.autograd.grad(outputs, inputs, dummy, create_graph=True, materialize_grads=True)
        # Kept with the rest: every product differentiates `slope` with respect to this very leaf.
        self._leaf = leaf
        return outputs, slope[0], dummy, list(pulled)

    def __call__(self, vector: Tensor) -> Tensor:
        """The product ``J^T H J v`` for a flat ``v``."""
        self.products += 1
        outputs, slope, dummy, pulled = self._forward
        pushed = pull_back(pulled, [dummy], self.layout.split(vector))[0]
        weighted = pull_back([slope], [self._leaf], [pushed])
        return self.layout.join(pull_back([outputs], list(self.point.values()), weighted)).detach()


def curvature_of(kind: CurvatureName, loss: LossFn, at: Params, name: str) -> Hessian | GaussNewton:
    """The curvature of ``loss`` at a point, of the named kind."""
    return Hessian(loss, at, name) if kind == "hessian" else GaussNewton(loss, at, name)


def bind(loss: Callable[[Params, Params], Tensor], upper: Params) -> LossFn:
    """A two-level loss at fixed upper variables; a :class:`Composite` stays one."""
    # The parts have to stay apart, or Gauss-Newton curvature would be refused for a level that has it.
    if isinstance(loss, Composite):
        outputs = loss.outputs
        return Composite(lambda own: outputs(own, upper), loss.criterion)
    return lambda own: loss(own, upper)


def check_curvature(level: str, kind: Any) -> None:
    """Refuse a kind of curvature that does not exist.

    Raises:
        ConfigError: With the level's name and the kinds there are.
    """
    if kind not in {"hessian", "gauss_newton"}:
        raise ConfigError(f"{level}: curvature must be 'hessian' or 'gauss_newton', got {kind!r}.")
