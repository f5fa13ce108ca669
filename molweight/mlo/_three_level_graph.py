"""Pretraining, finetuning of a tied copy of the encoder, and the weights above: three levels."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from molweight.mlo._chains import three_levels
from molweight.mlo._level import Level
from molweight.mlo._level_graph import LevelGraph, TaskStep, descend, tensors
from molweight.mlo._vectors import LossFn, Params, value_and_gradient

__all__ = ["ThreeLevelGraph"]


class ThreeLevelGraph(LevelGraph):
    """The task finetunes an encoder of its own, which a proximal term ties to the pretrained one.

    ::

        level 1 "pretrain"   theta*, phi*  =  argmin  sum_k w_k loss_k(theta, phi)
        level 2 "finetune"   omega*, h*    =  argmin  train(omega, h) + proximal_strength |omega - theta*|^2
        level 3 weighting    min over w       meta(omega*, h*)
    """

    proximal = True

    def move_task(self, losses: Sequence[LossFn], optimizer: torch.optim.Optimizer) -> TaskStep:
        """Level 2: descend ``train + proximal_strength |omega - theta|^2``, one step per loss."""
        values = []
        for loss in losses:
            value, gradient = value_and_gradient(loss, self.finetuned, "level 'finetune'")
            values.append(value)
            self._add_proximal(gradient)
            descend(optimizer, tensors(self.finetuned), gradient)
            if self.average.decay:
                self.average.update(self.finetuned, self.pretrained)
        return TaskStep(values[0])

    @torch.no_grad()
    def _add_proximal(self, gradient: list[Tensor]) -> None:
        """Add ``2 strength (omega - theta)`` on the shared names."""
        for i, name in enumerate(self.shared):
            distance = self.finetuned[name] - self.pretrained[name]
            # Not in place: autograd may return the same tensor for two variables, or one that a graph still holds.
            gradient[i] = torch.add(gradient[i], distance, alpha=2 * self.options.proximal_strength)

    def move_encoder(self, gradient: Tensor, optimizer: torch.optim.Optimizer, *, task: bool) -> None:
        """Level 1 moves; with ``track_encoder`` the finetuned encoder keeps its offset to it."""
        offsets = self._offsets() if self.options.track_encoder and task else []
        descend(optimizer, tensors(self.pretrained), self.layout.split(gradient))
        self._restore(offsets)

    @torch.no_grad()
    def _offsets(self) -> list[Tensor]:
        """``omega - theta`` on the shared names."""
        return [self.finetuned[name] - self.pretrained[name] for name in self.shared]

    @torch.no_grad()
    def _restore(self, offsets: list[Tensor]) -> None:
        """``omega = theta + offset``."""
        for name, offset in zip(self.shared, offsets, strict=False):
            # Written into `.data`: `out=` refuses leaves that require gradients, even where none are recorded.
            torch.add(self.pretrained[name], offset, out=self.finetuned[name].data)

    def variables(self) -> list[Params]:
        """Level 1 as it is, level 2 at the average of its iterates if there is one."""
        # The implicit function theorem holds at level 2's minimum. The average of the iterates is nearer to it than the
        # last one, which fluctuates most along the directions of large curvature.
        omega = self.average.point(self.pretrained) if self.average.count else self.finetuned
        return [self.pretrained, omega]

    def levels(self, objectives: Mapping[str, LossFn], train: LossFn) -> list[Level]:
        """See :func:`three_levels`."""
        return three_levels(
            objectives,
            train,
            self.options.proximal_strength,
            curvature=self.options.curvature,
            recompute_graphs=self.options.recompute_graphs,
        )

    def task_loss(self, loss: LossFn) -> LossFn:
        """The loss itself: the last level's variables are the task's."""
        return loss

    def encoder_direction(self, gradient: Tensor) -> Tensor:
        """The encoder's block, continued with zeros over the objectives' heads."""
        return torch.cat([gradient[: self.block], gradient.new_zeros(self.layout.size - self.block)])
