"""Two levels: pretraining and the task on one encoder, and the weights above."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from molweight.errors import ConfigError
from molweight.mlo._chains import two_levels
from molweight.mlo._gradients import SharedObjectives, mean_gradient
from molweight.mlo._level import Level
from molweight.mlo._level_graph import GraphOptions, LevelGraph, TaskStep, descend
from molweight.mlo._vectors import Layout, LossFn, Params, value_and_gradient

__all__ = ["TwoLevelGraph"]


class TwoLevelGraph(LevelGraph):
    """Levels 1 and 2 merged: one encoder is trained on the objectives and the task together.

    ::

        level 1 "pretrain"   theta*, phi*, h*  =  argmin  sum_k w_k loss_k(theta, phi) + train(theta, h)
        level 2 weighting    min over w           meta(theta*, h*)

    The encoder of ``finetuned`` is a copy that follows that of ``pretrained``, so that it can be evaluated in the same
    way. ``proximal_strength``, ``track_encoder`` and ``finetune_ema`` have no effect.

    Raises:
        ConfigError: If another curvature than the Hessian, or recomputed graphs, are requested.
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
        """Move the task's head; its encoder gradient is added to level 1's own step."""
        layout, values = Layout.of(self.finetuned), []
        pull = torch.zeros_like(self.layout.ravel(self.pretrained).detach())
        for loss in losses:
            value, gradient = value_and_gradient(loss, self._view(), "level 'finetune'")
            values.append(value)
            pull[: self.block].add_(layout.join(gradient)[: self.block], alpha=1 / len(losses))
            # No gradient for the encoder's copy: it is overwritten, so its optimiser state must not change.
            heads = [None] * len(self.shared) + gradient[len(self.shared) :]
            descend(optimizer, list(self.finetuned.values()), heads)
        return TaskStep(values[0], pull)

    def _view(self) -> Params:
        """The task's variables, with the shared encoder."""
        return self.finetuned | {name: self.pretrained[name] for name in self.shared}

    def move_encoder(self, gradient: Tensor, optimizer: torch.optim.Optimizer, *, task: bool) -> None:  # noqa: ARG002 (always)
        """Move level 1, then update the copy."""
        descend(optimizer, list(self.pretrained.values()), self.layout.split(gradient))
        self._copy_encoder()

    def variables(self) -> list[Params]:
        """The variables of the single level: encoder, objectives' heads, task's head."""
        return [self.pretrained | {name: t for name, t in self.finetuned.items() if name not in self.shared}]

    def levels(self, objectives: Mapping[str, LossFn], train: LossFn) -> list[Level]:
        """See :func:`two_levels`."""
        names = tuple(self.pretrained)
        if isinstance(objectives, SharedObjectives):
            return two_levels(objectives.restricted(names), self._task_loss(train))
        restricted = {name: _restricted(loss, names) for name, loss in objectives.items()}
        return two_levels(restricted, self._task_loss(train))

    def meta_gradient(self, meta: Sequence[LossFn], train: LossFn, at: Params) -> tuple[Tensor, Tensor]:
        """The mean meta loss and its gradient over the variables of the single level."""
        del train
        return mean_gradient([self._task_loss(loss) for loss in meta], at, "level 'meta'")

    def _task_loss(self, loss: LossFn) -> LossFn:
        """The task loss as a function of the level's variables."""
        return _restricted(loss, tuple(self.finetuned))

    def encoder_direction(self, gradient: Tensor) -> Tensor:
        """The leading part, over encoder and objectives' heads; a task loss has no gradient on the latter."""
        return gradient[: self.layout.size]


def _restricted(loss: LossFn, names: Sequence[str]) -> LossFn:
    # A loss gets only its own names: `torch.func.functional_call` refuses parameters that a module does not have.
    return lambda params: loss({name: params[name] for name in names})
