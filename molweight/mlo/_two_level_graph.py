"""Pretraining and the task on one encoder, and the weights above: two levels."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from molweight.errors import ConfigError
from molweight.mlo._chains import two_levels
from molweight.mlo._gradients import SharedObjectives
from molweight.mlo._level import Level
from molweight.mlo._level_graph import GraphOptions, LevelGraph, TaskStep, descend
from molweight.mlo._vectors import Layout, LossFn, Params, value_and_gradient

__all__ = ["TwoLevelGraph"]


class TwoLevelGraph(LevelGraph):
    """One encoder is trained on the objectives and the task together: what is left when levels 1 and 2 are merged.

    ::

        level 1 "pretrain"   theta*, phi*, h*  =  argmin  sum_k w_k loss_k(theta, phi) + train(theta, h)
        level 2 weighting    min over w           meta(theta*, h*)

    The encoder of ``finetuned`` is a copy that follows the one of ``pretrained``, so that it can be evaluated the same
    way. ``proximal_strength``, ``track_encoder`` and ``finetune_ema`` have no effect.

    Raises:
        ConfigError: If another curvature than the Hessian, or recomputed graphs, are asked for.
    """

    proximal = False

    def __init__(self, pretrained: Params, finetuned: Params, options: GraphOptions, *, task: bool) -> None:
        """Check the variables and options."""
        if options.curvature != "hessian" or options.recompute_graphs:
            raise ConfigError(
                "the two-level graph solves with the Hessian of one joint loss: leave curvature='hessian' and "
                "recompute_graphs=False."
            )
        super().__init__(pretrained, finetuned, options, task=task)

    def move_task(self, losses: Sequence[LossFn], optimizer: torch.optim.Optimizer) -> TaskStep:
        """The task's head moves at once; its gradient on the encoder is left for level 1's own step."""
        layout, values = Layout.of(self.finetuned), []
        pull = torch.zeros_like(self.layout.ravel(self.pretrained).detach())
        for loss in losses:
            value, gradient = value_and_gradient(loss, self._view(), "level 'finetune'")
            values.append(value)
            pull[: self.block].add_(layout.join(gradient)[: self.block], alpha=1 / len(losses))
            # No gradient for the encoder's copy: its optimiser state must not move, as the copy is overwritten.
            heads = [None] * len(self.shared) + gradient[len(self.shared) :]
            descend(optimizer, list(self.finetuned.values()), heads)
        return TaskStep(values[0], pull)

    def _view(self) -> Params:
        """The task's variables on the one encoder."""
        return self.finetuned | {name: self.pretrained[name] for name in self.shared}

    def move_encoder(self, gradient: Tensor, optimizer: torch.optim.Optimizer, *, task: bool) -> None:  # noqa: ARG002 (always)
        """Level 1 moves; then the copy follows."""
        descend(optimizer, list(self.pretrained.values()), self.layout.split(gradient))
        with torch.no_grad():
            for name in self.shared:
                self.finetuned[name].copy_(self.pretrained[name])

    def variables(self) -> list[Params]:
        """The one level's variables: encoder, objectives' heads, task's head."""
        return [self.pretrained | {name: t for name, t in self.finetuned.items() if name not in self.shared}]

    def levels(self, objectives: Mapping[str, LossFn], train: LossFn) -> list[Level]:
        """See :func:`two_levels`."""
        names = tuple(self.pretrained)
        if isinstance(objectives, SharedObjectives):
            return two_levels(objectives.restricted(names), self.task_loss(train))
        restricted = {name: _restricted(loss, names) for name, loss in objectives.items()}
        return two_levels(restricted, self.task_loss(train))

    def task_loss(self, loss: LossFn) -> LossFn:
        """The loss of the task's variables among the level's own."""
        return _restricted(loss, tuple(self.finetuned))

    def encoder_direction(self, gradient: Tensor) -> Tensor:
        """The leading part, over encoder and objectives' heads; a task loss has no gradient on the latter."""
        return gradient[: self.layout.size]


def _restricted(loss: LossFn, names: Sequence[str]) -> LossFn:
    # A loss gets only the names it knows: `torch.func.functional_call` refuses parameters that a module does not have.
    return lambda params: loss({name: params[name] for name in names})
