"""Pretraining, a solved linear head on the encoder, and the weights above."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from molweight.errors import ConfigError
from molweight.mlo._chains import pretrain_level
from molweight.mlo._head_loss import HeadLoss
from molweight.mlo._level import Level
from molweight.mlo._level_graph import LevelGraph, TaskStep, descend
from molweight.mlo._solved_head import solve_head
from molweight.mlo._vectors import LossFn, Params

__all__ = ["ClosedFormGraph"]


class ClosedFormGraph(LevelGraph):
    """Levels in which the task solves a linear head on the pretrained encoder at every hypergradient.

    ::

        level 1 "pretrain"   theta*, phi*  =  argmin  sum_k w_k loss_k(theta, phi)
        level 2              h*            =  argmin  train(h; z(theta*)) + decay |h|^2
        level 3 weighting    min over w       meta(h*; z(theta*))

    Level 2 is ridge or regularised logistic regression (:func:`molweight.mlo._solved_head.solve_head`): it has no
    optimiser, no lag and no noise, and its derivative with respect to the vectors is exact. The solve is in the record
    of the step, as that of level ``"finetune"``; for vectors that are not finite, head and losses are NaN. Train and
    meta losses must be of type :class:`HeadLoss`. The encoder of ``finetuned`` is a copy that follows that of
    ``pretrained``. ``proximal_strength``, ``track_encoder`` and ``finetune_ema`` have no effect.

    Source: Bertinetto et al., *Meta-learning with differentiable closed-form solvers*, ICLR 2019.
    """

    proximal: ClassVar[bool] = False
    moves_task: ClassVar[bool] = False

    def move_task(self, losses: Sequence[LossFn], optimizer: torch.optim.Optimizer) -> TaskStep:
        """Write the solved head into :attr:`finetuned`; the optimiser is not used."""
        del optimizer
        loss = head_loss(losses[-1], "train")
        solved = solve_head(loss.encode(self._encoder(self.pretrained)), loss.labels, loss.decay)
        with torch.no_grad():
            self.finetuned[loss.weight].copy_(solved.head[:, :-1])
            self.finetuned[loss.bias].copy_(solved.head[:, -1])
        return TaskStep(solved.loss.to(self.finetuned[loss.bias]), solves={"finetune": solved.stats})

    def move_encoder(self, gradient: Tensor, optimizer: torch.optim.Optimizer, *, task: bool) -> None:
        """Move level 1, then update the copy."""
        descend(optimizer, list(self.pretrained.values()), self.layout.split(gradient))
        if task:
            self._copy_encoder()

    def variables(self) -> list[Params]:
        """The one level's variables; the head is a function of them."""
        return [self.pretrained]

    def levels(self, objectives: Mapping[str, LossFn], train: LossFn) -> list[Level]:
        """Level 1 alone: the head is part of the outer loss."""
        del train
        options = self.options
        return [pretrain_level(objectives, options.curvature, recompute_graphs=options.recompute_graphs)]

    def meta_gradient(self, meta: Sequence[LossFn], train: LossFn, at: Params) -> tuple[Tensor, Tensor]:
        """The meta loss at the solved head, differentiated through the solve."""
        fit, others = head_loss(train, "train"), [head_loss(loss, "meta") for loss in meta]
        # The vectors are computed twice, first without a graph: their derivatives are known only after the solve, and
        # can then be propagated one part at a time. Otherwise the graphs of all molecules would be in memory at once.
        encoder = self._encoder(at)
        solved = solve_head(fit.encode(encoder), fit.labels, fit.decay)
        values, fitted, parts = [], torch.zeros_like(solved.vectors[:, :-1]), list[list[Tensor]]()
        for loss in others:
            value, through, direct = solved.outer(loss.encode(encoder), loss.labels)
            values.append(value)
            fitted += through / len(others)
            parts.append(loss.pull(encoder, direct / len(others)))
        # All meta losses depend on the fitted rows through one head: one pullback serves all of them.
        parts.append(fit.pull(encoder, fitted))
        gradient = torch.stack([torch.cat([part.flatten() for part in found]) for found in parts]).sum(dim=0)
        return torch.stack(values).mean().to(gradient), self.encoder_direction(gradient)

    def _encoder(self, params: Params) -> Params:
        return {name: params[name] for name in self.shared}


def head_loss(loss: LossFn, which: str) -> HeadLoss:
    """The loss, checked to have a head that can be solved.

    Args:
        loss: The loss.
        which: ``"train"`` or ``"meta"``, for the message.

    Raises:
        ConfigError: If it is not a :class:`HeadLoss`.
    """
    if not isinstance(loss, HeadLoss):
        raise ConfigError(
            f"the closed-form graph solves a linear head, but the {which} loss is a {type(loss).__name__}. "
            "Pass a HeadLoss, or use ThreeLevelGraph."
        )
    return loss
