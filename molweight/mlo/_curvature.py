"""Curvature of a loss as a linear operator on flat vectors."""

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from molweight.mlo._vectors import Layout, LossFn, Params, attach, value_and_gradient

__all__ = ["Hessian", "pull_back"]


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
        self.point = attach(at)
        self.layout = Layout.of(at)
        self.products = 0

    @cached_property
    def gradient(self) -> list[Tensor]:
        """Gradient of the loss at the point, with its graph."""
        with torch.enable_grad():
            return value_and_gradient(self._loss, self.point, self._name, create_graph=True)[1]

    def __call__(self, vector: Tensor) -> Tensor:
        """The product ``H v`` for a flat ``v``."""
        self.products += 1
        return self.layout.join(
            pull_back(self.gradient, list(self.point.values()), self.layout.split(vector)),
        ).detach()


def pull_back(outputs: Sequence[Tensor], inputs: Sequence[Tensor], cotangents: Sequence[Tensor]) -> list[Tensor]:
    """Vector-Jacobian product ``cotangents^T d outputs / d inputs`` that can be asked for again.

    Args:
        outputs: Differentiable tensors; those that are constant are skipped.
        inputs: What to differentiate with respect to; zero where nothing depends on it.
        cotangents: One tensor per output, of its shape.

    Returns:
        One tensor per input.
    """
    pairs = [(output, seed) for output, seed in zip(outputs, cotangents, strict=True) if output.requires_grad]
    if not pairs:
        return [torch.zeros_like(tensor) for tensor in inputs]
    live, seeds = zip(*pairs, strict=True)
    return list(torch.autograd.grad(live, list(inputs), seeds, retain_graph=True, materialize_grads=True))
