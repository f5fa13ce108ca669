"""The weighted sum of objectives: as one loss, and its curvature."""

from collections.abc import Mapping

import torch
from torch import Tensor

from molweight.mlo._curvature import Curvature, Hessian
from molweight.mlo._gauss_newton import CurvatureName, curvature_of
from molweight.mlo._shared import losses_of
from molweight.mlo._vectors import Layout, LossFn, Params

__all__ = ["WeightedCurvature", "weighted_curvature", "weighted_sum"]


def weighted_sum(objectives: Mapping[str, LossFn], weights: Tensor) -> LossFn:
    """``sum_k weights_k loss_k`` as one loss: what level 1 minimises.

    Args:
        objectives: Loss per name.
        weights: K weights, in the order of the objectives.
    """

    def loss(params: Params) -> Tensor:
        total = weights.new_zeros(())
        for value, weight in zip(losses_of(objectives, params), weights, strict=True):
            total = total + weight * value
        return total

    return loss


def weighted_curvature(
    kind: CurvatureName,
    objectives: Mapping[str, LossFn],
    weights: Tensor,
    at: Params,
    *,
    recompute_graphs: bool = False,
) -> Curvature:
    """Curvature of the weighted sum at a point: its Hessian, or the weighted sum of the Gauss-Newton matrices.

    Args:
        kind: Which of the two.
        objectives: Loss per name.
        weights: K weights.
        at: The point.
        recompute_graphs: Build each objective's graph again for every product; see :class:`WeightedCurvature`.
    """
    # One Hessian of the sum costs one backward pass per product where K Hessians cost K: the default where memory
    # allows. Gauss-Newton has no such form, as the objectives' outputs are different tensors.
    if kind == "hessian" and not recompute_graphs:
        return Hessian(weighted_sum(objectives, weights), at, "level 'pretrain'")
    return WeightedCurvature(kind, objectives, weights, at, recompute_graphs=recompute_graphs)


class WeightedCurvature:
    """``sum_k weights_k A_k``, with one curvature ``A_k`` per objective.

    Args:
        kind: Kind of the ``A_k``.
        objectives: Loss per name.
        weights: K weights.
        at: The point.
        recompute_graphs: Build each ``A_k`` for one product and drop it, so that of the K graphs only one is alive.
    """

    def __init__(
        self,
        kind: CurvatureName,
        objectives: Mapping[str, LossFn],
        weights: Tensor,
        at: Params,
        *,
        recompute_graphs: bool = False,
    ) -> None:
        """Keep the parts; nothing is evaluated yet."""
        self._kind, self._objectives, self._weights, self._at = kind, objectives, weights, at
        self.layout = Layout.of(at)
        self.products = 0
        self._kept = {} if recompute_graphs else {name: self._part(name) for name in objectives}

    def __call__(self, vector: Tensor) -> Tensor:
        """The product with a flat vector; it counts as one, whatever K is."""
        self.products += 1
        total = torch.zeros_like(vector)
        for name, weight in zip(self._objectives, self._weights, strict=True):
            # The weight stays a tensor: `float(weight)` would wait for the device at every product.
            total.addcmul_((self._kept.get(name) or self._part(name))(vector), weight)
        return total

    def _part(self, name: str) -> Curvature:
        return curvature_of(self._kind, self._objectives[name], self._at, f"level 'pretrain', objective {name!r}")
