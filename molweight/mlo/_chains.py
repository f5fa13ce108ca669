"""The chains of levels that the loop is differentiated through."""

from collections.abc import Mapping

import torch
from torch import Tensor

from molweight.deprecation import renamed_options
from molweight.mlo._curvature import Curvature, CurvatureName, Hessian, ShiftedCurvature, curvature_of
from molweight.mlo._gradients import losses_of
from molweight.mlo._level import Level, LinearWeightsCross, ProximalCross
from molweight.mlo._vectors import Layout, LossFn, Params

__all__ = ["WeightedCurvature", "three_levels", "two_levels", "weighted_curvature", "weighted_sum"]


@renamed_options(gamma="proximal_strength")
def three_levels(
    objectives: Mapping[str, LossFn],
    train: LossFn,
    proximal_strength: float,
    *,
    curvature: CurvatureName = "hessian",
    recompute_graphs: bool = False,
) -> list[Level]:
    """Pretraining and finetuning as a chain for :func:`hypergradient`, over the upper variable ``"weights"``.

    ::

        "pretrain"   theta*, phi*  =  argmin  sum_k weights_k loss_k(theta, phi)
        "finetune"   omega*, h*    =  argmin  train(omega, h) + proximal_strength |omega - theta*|^2

    Both mixed derivatives and the curvature of the proximal term are in closed form.

    Args:
        objectives: The K losses of level 1.
        train: The finetuning loss of level 2, without the proximal term.
        proximal_strength: Strength of the proximal term over the names both levels share.
        curvature: Of both levels; ``"gauss_newton"`` needs every loss to be a :class:`Composite`.
        recompute_graphs: Build each objective's graph again for every curvature product of level 1.

    Example:
        >>> objectives = {"one": lambda p: (p["w"] ** 2).sum(), "two": lambda p: ((p["w"] - 1) ** 2).sum()}
        >>> [level.name for level in three_levels(objectives, lambda p: (p["w"] - 3).square().sum(), 0.5)]
        ['pretrain', 'finetune']
    """

    def pretrain_loss(own: Params, upper: Params) -> Tensor:
        return weighted_sum(objectives, upper["weights"])(own)

    def pretrain_curvature(own: Params, upper: Params) -> Curvature:
        # Detached: products are not differentiated with respect to the weights, whose derivative has a closed form.
        weights = upper["weights"].detach()
        return weighted_curvature(curvature, objectives, weights, own, recompute_graphs=recompute_graphs)

    def finetune_loss(own: Params, upper: Params) -> Tensor:
        tied = torch.stack([((own[name] - upper[name]) ** 2).sum() for name in own if name in upper])
        return train(own) + proximal_strength * tied.sum()

    def finetune_curvature(own: Params, upper: Params) -> Curvature:
        # d^2/d omega^2 of strength * |omega - theta|^2 is 2 strength I on the shared names.
        matrix = curvature_of(curvature, train, own, "level 'finetune'")
        return ShiftedCurvature(matrix, own.keys() & upper.keys(), 2 * proximal_strength)

    return [
        Level("pretrain", pretrain_loss, LinearWeightsCross(objectives), pretrain_curvature),
        Level("finetune", finetune_loss, ProximalCross(proximal_strength), finetune_curvature),
    ]


def two_levels(objectives: Mapping[str, LossFn], train: LossFn) -> list[Level]:
    """Pretraining and finetuning merged into one level, over the upper variable ``"weights"``.

    ::

        "pretrain"   theta*, phi*, h*  =  argmin  sum_k weights_k loss_k(theta, phi) + train(theta, h)

    Args:
        objectives: The K losses; functions of all variables of the level.
        train: The task's loss; likewise.

    Example:
        >>> [level.name for level in two_levels({"one": lambda p: p["w"].sum()}, lambda p: p["w"].sum())]
        ['pretrain']
    """

    def loss(own: Params, upper: Params) -> Tensor:
        return weighted_sum(objectives, upper["weights"])(own) + train(own)

    def curvature(own: Params, upper: Params) -> Curvature:
        fixed = {name: tensor.detach() for name, tensor in upper.items()}
        return Hessian(lambda point: loss(point, fixed), own, "level 'pretrain'")

    return [Level("pretrain", loss, LinearWeightsCross(objectives), curvature)]


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
