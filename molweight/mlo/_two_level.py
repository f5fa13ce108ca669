"""The two-level ablation: one encoder trained on the objectives and the task together."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from molweight.errors import ConfigError
from molweight.mlo._curvature import Hessian
from molweight.mlo._passes import check_objectives, mean_gradient, weighted_sum
from molweight.mlo._setup import as_list, descend, tensors
from molweight.mlo._three_level import Answer, ThreeLevel
from molweight.mlo._vectors import LossFn, Params, value_and_gradient
from molweight.mlo.weightings import Needs, Weighting

__all__ = ["TwoLevel", "loop_for"]


class TwoLevel(ThreeLevel):
    """Joint finetuning and pretraining with learned weights: what is left when the levels 1 and 2 are merged.

    ::

        level 1   theta*, phi*, h*  =  argmin  sum_k w_k loss_k(theta, phi) + train(theta, h)
        level 2   min over w           meta(theta*, h*)

    There is one encoder: ``finetuned``'s copy only follows ``pretrained``'s, so that it can be evaluated the same way,
    and ``gamma`` has no effect. Everything else is as in :class:`ThreeLevel`; of a pair of solvers the second is used.
    """

    joint = True
    _pull: Tensor | None = None

    @property
    def _joint(self) -> Params:
        """The task's view of the one encoder: theta and h."""
        return self.finetuned | {name: self.pretrained[name] for name in self.shared}

    def _move_finetuned(self, train: LossFn | Sequence[LossFn] | None) -> Tensor:
        """The task's gradient: its head moves at once, the encoder together with the objectives."""
        if self.finetune_optimizer is None:
            raise ConfigError("level 'finetune' has no variables, and the weighting learns from the task.")
        losses, values = as_list(train, "train"), []
        self._pull = torch.zeros_like(self._layouts[0].ravel(self.pretrained).detach())
        for loss in losses:
            value, gradient = value_and_gradient(loss, self._joint, "level 'finetune'")
            values.append(value)
            pull = self._layouts[1].join(gradient)[: self._block]
            self._pull[: self._block].add_(pull, alpha=1 / len(losses))
            heads = [None] * len(self.shared) + gradient[len(self.shared) :]
            descend(self.finetune_optimizer, tensors(self.finetuned), heads)
        return values[0]

    def _answer(self, meta: list[LossFn], train: LossFn, objectives: Mapping[str, LossFn]) -> Answer:
        """``v`` and ``q``; the joint problem has no cross term of its own."""
        meta_loss, v = mean_gradient(meta, self._joint, "level 'meta'")
        direction = self._pad(v[: self._block])
        if self.weighting.needs is Needs.ALIGNMENT:
            return Answer(direction, meta_loss, {})
        b = torch.cat([direction, v[self._block :]])
        q, stats = self._solve(1, "pretrain", self._joint_curvature(train, objectives), b)
        return Answer(q[: self._layouts[0].size], meta_loss, {"pretrain": stats})

    def _joint_curvature(self, train: LossFn, objectives: Mapping[str, LossFn]) -> Hessian:
        """``H`` of ``sum_k w_k loss_k + train`` over theta, phi and h."""
        check_objectives(self.weighting.names, objectives)
        weighted = weighted_sum({name: objectives[name] for name in self.weighting.names}, self._factors())
        heads = {name: tensor for name, tensor in self.finetuned.items() if name not in self.shared}
        own, task = list(self.pretrained), list(self.finetuned)

        def loss(params: Params) -> Tensor:
            return weighted({name: params[name] for name in own}) + train({name: params[name] for name in task})

        return Hessian(loss, self.pretrained | heads, "level 'pretrain'")

    def _descend_pretrained(self, total: Tensor) -> None:
        """Level 1, with the task's pull on the encoder; then the copy follows."""
        if self._pull is not None:
            total = total + self._pull
        super()._descend_pretrained(total)
        with torch.no_grad():
            for name in self.shared:
                self.finetuned[name].copy_(self.pretrained[name])


def loop_for(weighting: Weighting) -> type[ThreeLevel]:
    """The loop a weighting is made for.

    Args:
        weighting: Any weighting.

    Returns:
        :class:`TwoLevel` for weightings that train one encoder jointly, else :class:`ThreeLevel`.

    Example:
        >>> from molweight.mlo.weightings import Equal
        >>> loop_for(Equal(["one", "two"])).__name__
        'ThreeLevel'
    """
    return TwoLevel if weighting.joint else ThreeLevel
