"""Curvature of a loss as a linear operator on flat vectors."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from molweight.mlo._vectors import Layout, LossFn, Params, attach, value_and_gradient

__all__ = ["Curvature", "Hessian", "ShiftedCurvature", "pull_back"]


class Curvature(Protocol):
    """A symmetric matrix over a level's variables, known through its products."""

    @property
    def layout(self) -> Layout:
        """How the variables lie in the flat vectors."""

    @property
    def products(self) -> int:
        """Products computed so far."""

    def __call__(self, vector: Tensor, /) -> Tensor:
        """The product with a flat vector, as a new tensor."""


class Hessian:
    """The Hessian of ``loss`` at a point, as the map ``v -> H v`` on flat vectors.

    The loss is linearised once, on the first product: one gradient that keeps its graph. Each product is then one
    backward pass through that gradient (Pearlmutter 1994), with no finite differences. A solver that never asks for
    a product, the identity, costs nothing.

    Args:
        loss: Pure function of the named tensors, returning a scalar.
        at: The point; not modified, and not to be modified while products are still asked for.
        name: What the loss belongs to; used in messages.

    Example:
        >>> hessian = Hessian(lambda p: 0.5 * (p["x"] ** 2 * torch.tensor([1.0, 3.0])).sum(), {"x": torch.ones(2)})
        >>> hessian(torch.tensor([1.0, 1.0])).tolist(), hessian.products
        ([1.0, 3.0], 1)
    """

    def __init__(self, loss: LossFn, at: Params, name: str = "loss") -> None:
        """Keep the loss and the point; nothing is evaluated yet."""
        self._loss = loss
        self._name = name
        # Fresh leaves: products must not write into `.grad` of the model, nor reach the graph the point came from.
        self.point = attach(at)
        self.layout = Layout.of(at)
        self.products = 0

    @cached_property
    def gradient(self) -> list[Tensor]:
        """Gradient of the loss at the point, with its graph."""
        # A caller may hold no_grad around the whole outer step; the linearisation needs a graph all the same.
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

    A proximal term ``strength * |x - y|^2`` has the curvature ``2 strength I`` on the names it ties. Adding it in
    closed form costs one vector addition per product; differentiating the term twice would cost a pass through its
    graph.

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
        """That of the curvature."""
        return self._curvature.layout

    @property
    def products(self) -> int:
        """Those of the curvature: the shift is not counted."""
        return self._curvature.products

    def __call__(self, vector: Tensor) -> Tensor:
        """The product for a flat vector."""
        result = self._curvature(vector)
        for span in self._spans:
            # In place: a product is a new tensor, so nothing else can hold it, and no second full vector is needed.
            result[span].add_(vector[span], alpha=self._shift)
        return result


def pull_back(outputs: Sequence[Tensor], inputs: Sequence[Tensor], cotangents: Sequence[Tensor]) -> list[Tensor]:
    """Vector-Jacobian product ``cotangents^T d outputs / d inputs`` that can be asked for again.

    Args:
        outputs: Differentiable tensors; those that are constant are skipped.
        inputs: What to differentiate with respect to; zero where nothing depends on it.
        cotangents: One tensor per output, of its shape.

    Returns:
        One tensor per input.
    """
    # autograd.grad refuses outputs without a graph. A gradient entry that is constant has zero rows in the Hessian.
    pairs = [(output, seed) for output, seed in zip(outputs, cotangents, strict=True) if output.requires_grad]
    if not pairs:
        return [torch.zeros_like(tensor) for tensor in inputs]
    live, seeds = zip(*pairs, strict=True)
    # The graph is kept because every further product of the same solve goes through it again.
    return list(torch.autograd.grad(live, list(inputs), seeds, retain_graph=True, materialize_grads=True))
