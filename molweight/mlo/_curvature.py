"""Curvature of a loss as a linear operator on flat vectors: the Hessian, and the generalised Gauss-Newton matrix."""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, Literal, Protocol, TypeAlias

import torch
from torch import Tensor

from molweight.errors import ConfigError, OptionError
from molweight.mlo._vectors import Layout, LossFn, Params, attach, check_scalar, value_and_gradient

__all__ = [
    "Composite",
    "Curvature",
    "CurvatureName",
    "GaussNewton",
    "Hessian",
    "ShiftedCurvature",
    "bind",
    "check_curvature",
    "curvature_of",
    "pull_back",
]


CurvatureName: TypeAlias = Literal["hessian", "gauss_newton"]
"""The matrix used as second derivative of a loss."""


class Curvature(Protocol):
    """A symmetric matrix over a level's variables, given by its products with vectors."""

    @property
    def layout(self) -> Layout:
        """Layout of the variables in flat vectors."""

    @property
    def products(self) -> int:
        """Products computed so far."""

    def __call__(self, vector: Tensor, /) -> Tensor:
        """The product with a flat vector, as a new tensor."""


class Hessian:
    """The Hessian of ``loss`` at a point, as the map ``v -> H v`` on flat vectors.

    The loss is linearised once, on the first product: one gradient that keeps its graph. Each product is then one
    backward pass through that gradient (Pearlmutter 1994), without finite differences. The identity solver needs no
    product and therefore costs nothing.

    Args:
        loss: Pure function of the named tensors, returning a scalar.
        at: The point; must not be modified as long as products are needed.
        name: Name of the loss in messages.

    Example:
        >>> hessian = Hessian(lambda p: 0.5 * (p["x"] ** 2 * torch.tensor([1.0, 3.0])).sum(), {"x": torch.ones(2)})
        >>> hessian(torch.tensor([1.0, 1.0])).tolist(), hessian.products
        ([1.0, 3.0], 1)
    """

    def __init__(self, loss: LossFn, at: Params, name: str = "loss") -> None:
        """Keep the loss and the point; nothing is evaluated yet."""
        self._loss = loss
        self._name = name
        # Fresh leaves: products must not write into `.grad` of the model, nor reach the graph of the point.
        self.point = attach(at)
        self.layout = Layout.of(at)
        self.products = 0

    @cached_property
    def gradient(self) -> list[Tensor]:
        """Gradient of the loss at the point, with its graph."""
        # The linearisation needs a graph even if the caller disabled gradients for the outer step.
        with torch.enable_grad():
            return value_and_gradient(self._loss, self.point, self._name, create_graph=True)[1]

    def __call__(self, vector: Tensor) -> Tensor:
        """The product ``H v`` for a flat ``v``."""
        self.products += 1
        # H is symmetric, so the reverse-mode product v^T H is H v: no forward-mode pass, which some operators lack.
        return self.layout.join(
            pull_back(self.gradient, list(self.point.values()), self.layout.split(vector)),
        ).detach()


class ShiftedCurvature:
    """``A + shift P``: a curvature plus a multiple of the identity on the variables of the given names.

    A proximal term ``strength * |x - y|^2`` has the curvature ``2 strength I`` on the tied names. Adding it in closed
    form costs one vector addition per product; differentiating the term twice would cost a pass through its graph.

    Args:
        curvature: ``A``.
        names: Variables that ``P`` selects.
        shift: The multiple.

    Example:
        >>> hessian = Hessian(lambda p: (p["x"] ** 2 + p["y"] ** 2).sum(), {"x": torch.ones(1), "y": torch.ones(1)})
        >>> ShiftedCurvature(hessian, ["y"], 10.0)(torch.ones(2)).tolist()
        [2.0, 12.0]
    """

    def __init__(self, curvature: Curvature, names: Iterable[str], shift: float) -> None:
        """Keep the parts."""
        self._curvature, self._shift = curvature, shift
        self._spans = curvature.layout.spans(names)

    @property
    def layout(self) -> Layout:
        """Layout of the curvature."""
        return self._curvature.layout

    @property
    def products(self) -> int:
        """Products of the curvature; the shift does not count."""
        return self._curvature.products

    def __call__(self, vector: Tensor) -> Tensor:
        """The product for a flat vector."""
        result = self._curvature(vector)
        for span in self._spans:
            # In place, because a product is a new tensor without other references; this saves a second full vector.
            result[span].add_(vector[span], alpha=self._shift)
        return result


class Composite:
    """A loss split into its parts, ``criterion(outputs(variables))``; it can be called like any other loss.

    Args:
        outputs: Maps the variables to the model's outputs, one tensor.
        criterion: Maps the outputs to a scalar; convex for losses like cross-entropy and squared error.

    Example:
        >>> loss = Composite(lambda p: p["w"] * torch.tensor([1.0, 2.0]), lambda z: (z**2).sum())
        >>> loss({"w": torch.tensor(3.0)}).item()
        45.0
    """

    def __init__(self, outputs: Callable[..., Tensor], criterion: Callable[[Tensor], Tensor]) -> None:
        """Store both parts."""
        self.outputs = outputs
        self.criterion = criterion

    def __call__(self, *variables: Params) -> Tensor:
        """The loss."""
        return self.criterion(self.outputs(*variables))


class GaussNewton:
    """The generalised Gauss-Newton matrix ``J^T H J`` as a map on flat vectors.

    ``J`` is the Jacobian of the outputs and ``H`` the Hessian of the criterion at the outputs (Schraudolph 2002).
    It is positive semi-definite if the criterion is convex, so conjugate gradients are well defined, and equal to the
    Hessian if the model is linear or fits exactly. The model is linearised once.

    Args:
        loss: The loss in its two parts.
        at: The point.
        name: Name of the owner of the loss; used in messages.

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
            # A leaf copy separates the criterion from the model: its Hessian is then with respect to the outputs alone,
            # without the model's own second derivative, which makes the full Hessian indefinite.
            leaf = outputs.detach().requires_grad_()
            slope = torch.autograd.grad(check_scalar(self._name, self._loss.criterion(leaf)), leaf, create_graph=True)
            # J v by two reverse passes: u -> J^T u is linear, so its derivative in direction v is J v for any u.
            # Forward mode would need one pass, but message passing has operators that do not support it.
            dummy = torch.zeros_like(outputs, requires_grad=True)
            inputs = list(self.point.values())
            pulled = torch.autograd.grad(outputs, inputs, dummy, create_graph=True, materialize_grads=True)
        # Stored as well, because every product differentiates `slope` with respect to this leaf.
        self._leaf = leaf
        return outputs, slope[0], dummy, list(pulled)

    def __call__(self, vector: Tensor) -> Tensor:
        """The product ``J^T H J v`` for a flat ``v``."""
        self.products += 1
        outputs, slope, dummy, pulled = self._forward
        pushed = pull_back(pulled, [dummy], self.layout.split(vector))[0]
        weighted = pull_back([slope], [self._leaf], [pushed])
        return self.layout.join(pull_back([outputs], list(self.point.values()), weighted)).detach()


def pull_back(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], cotangents: Sequence[Tensor], *, again: bool = True
) -> list[Tensor]:
    """Vector-Jacobian product ``cotangents^T d outputs / d inputs``.

    Args:
        outputs: Differentiable tensors; constant ones are skipped.
        inputs: Tensors to differentiate with respect to; the derivative is zero if nothing depends on one.
        cotangents: One tensor per output, of its shape.
        again: Whether the graph is kept for further products.

    Returns:
        One tensor per input.
    """
    # autograd.grad refuses outputs without a graph. A gradient entry that is constant has zero rows in the Hessian.
    pairs = [(output, seed) for output, seed in zip(outputs, cotangents, strict=True) if output.requires_grad]
    if not pairs:
        return [torch.zeros_like(tensor) for tensor in inputs]
    live, seeds = zip(*pairs, strict=True)
    return list(torch.autograd.grad(live, list(inputs), seeds, retain_graph=again, materialize_grads=True))


def curvature_of(kind: CurvatureName, loss: LossFn, at: Params, name: str) -> Hessian | GaussNewton:
    """The curvature of ``loss`` at a point, of the named kind."""
    return Hessian(loss, at, name) if kind == "hessian" else GaussNewton(loss, at, name)


def bind(loss: Callable[[Params, Params], Tensor], upper: Params) -> LossFn:
    """A two-level loss at fixed upper variables; a :class:`Composite` remains a :class:`Composite`."""
    # The parts must remain separate for Gauss-Newton curvature.
    if isinstance(loss, Composite):
        outputs = loss.outputs
        return Composite(lambda own: outputs(own, upper), loss.criterion)
    return lambda own: loss(own, upper)


def check_curvature(level: str, kind: Any) -> None:
    """Refuse a kind of curvature that does not exist.

    Raises:
        OptionError: With the level's name and the existing kinds.
    """
    if kind not in {"hessian", "gauss_newton"}:
        raise OptionError("curvature", kind, f"must be 'hessian' or 'gauss_newton' ({level})")
