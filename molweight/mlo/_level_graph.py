"""Arrangements of encoder, objectives and task in levels: the part of the loop that differs between them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from molweight.errors import OptionError
from molweight.mlo._chains import three_levels
from molweight.mlo._curvature import CurvatureName, check_curvature
from molweight.mlo._gradients import mean_gradient
from molweight.mlo._level import Level
from molweight.mlo._vectors import Layout, LossFn, Params, check_levels, value_and_gradient
from molweight.mlo.solvers import Stats

__all__ = ["GraphOptions", "LevelGraph", "OffsetAverage", "TaskStep", "ThreeLevelGraph", "descend"]


@dataclass(frozen=True)
class GraphOptions:
    """Options that :class:`Loop` passes to its graph; see there.

    Raises:
        ConfigError: If an option is out of range.
    """

    proximal_strength: float = 1.0
    curvature: CurvatureName = "hessian"
    recompute_graphs: bool = False
    track_encoder: bool = True
    finetune_ema: float = 0.95
    encoder: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse options out of range."""
        if not self.proximal_strength >= 0:
            raise OptionError("proximal_strength", self.proximal_strength, "must not be negative")
        check_curvature("Loop", self.curvature)


@dataclass(frozen=True)
class TaskStep:
    """Results of a step of the task's variables.

    Args:
        loss: Task loss before the first step, 0-dim.
        encoder_gradient: The task's contribution to level 1's gradient, flat over its variables; ``None`` for none.
        solves: Statistics of solves for the task's variables, by level name.
    """

    loss: Tensor
    encoder_gradient: Tensor | None = None
    solves: Mapping[str, Stats] = field(default_factory=dict)


class LevelGraph(ABC):
    """The variables of pretraining and of the task, their updates, and the chain of levels that they minimise.

    Args:
        pretrained: Variables of level 1: encoder and objectives' heads.
        finetuned: Variables of the task: an encoder of the same names, and the task's head. May be empty.
        options: See :class:`GraphOptions`.
        task: Whether the task will be used.

    Raises:
        ConfigError: If the variables or options cannot be used.
    """

    proximal: ClassVar[bool]
    """Whether the proximal term ties the task to the objectives; its strength must then be positive."""

    moves_task: ClassVar[bool] = True
    """Whether the task moves at every step, or only at hypergradients."""

    def __init__(self, pretrained: Params, finetuned: Params, options: GraphOptions, *, task: bool) -> None:
        """Check the variables."""
        if task and self.proximal and not options.proximal_strength > 0:
            reason = "must be positive: without it the finetuned encoder is not tied to level 1"
            raise OptionError("proximal_strength", options.proximal_strength, reason)
        self.options = options
        self.shared = check_levels(pretrained, finetuned, task=task)
        leading = self.shared or options.encoder
        if unknown := [name for name in leading if name not in pretrained]:
            raise OptionError(
                "encoder", list(options.encoder), f"names no variable of level 'pretrain': {unknown[0]!r}"
            )
        # The encoder comes first, so that it is a leading block of every flat vector at both levels.
        self.pretrained = {name: pretrained[name] for name in leading} | pretrained
        self.finetuned = {name: finetuned[name] for name in self.shared} | finetuned
        self.layout = Layout.of(self.pretrained)
        self.block = sum(self.pretrained[name].numel() for name in leading)
        self.average = OffsetAverage(options.finetune_ema, self.shared)

    @abstractmethod
    def move_task(self, losses: Sequence[LossFn], optimizer: torch.optim.Optimizer) -> TaskStep:
        """Move the task's variables, one step per loss.

        Args:
            losses: Task losses, functions of :attr:`finetuned`.
            optimizer: Optimiser of :attr:`finetuned`.
        """

    @abstractmethod
    def move_encoder(self, gradient: Tensor, optimizer: torch.optim.Optimizer, *, task: bool) -> None:
        """Move level 1, and the task's variables that follow it.

        Args:
            gradient: Flat over :attr:`pretrained`.
            optimizer: Optimiser of :attr:`pretrained`.
            task: Whether the task is used.
        """

    @abstractmethod
    def variables(self) -> list[Params]:
        """Each level's variables at the point where the hypergradient is taken, as leaves."""

    @abstractmethod
    def levels(self, objectives: Mapping[str, LossFn], train: LossFn) -> list[Level]:
        """The chain for :func:`implicit_adjoint`; pure, so that it can also be taken at another point.

        Args:
            objectives: Losses of level 1, functions of :attr:`pretrained`.
            train: Task loss, a function of :attr:`finetuned`.
        """

    @abstractmethod
    def meta_gradient(self, meta: Sequence[LossFn], train: LossFn, at: Params) -> tuple[Tensor, Tensor]:
        """Start of the backward chain: the mean meta loss and its gradient, flat over the last level's variables.

        Args:
            meta: At least one meta loss, a function of :attr:`finetuned`.
            train: Task loss, if the meta loss depends on a head that is solved on it.
            at: The last level's variables.
        """

    def encoder_direction(self, gradient: Tensor) -> Tensor:
        """The encoder's part of a gradient over the last level's variables, as a direction over :attr:`pretrained`.

        The entries of the objectives' heads are zero.

        Args:
            gradient: Flat over the last level's variables, the encoder's first.
        """
        return torch.cat([gradient[: self.block], gradient.new_zeros(self.layout.size - self.block)])

    @torch.no_grad()
    def _copy_encoder(self) -> None:
        """Overwrite the task's copy of the encoder."""
        for name in self.shared:
            self.finetuned[name].copy_(self.pretrained[name])


class ThreeLevelGraph(LevelGraph):
    """Levels in which the task finetunes its own encoder, tied to the pretrained one by a proximal term.

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
            with torch.no_grad():
                # The proximal term's 2 strength (omega - theta). Not in place: autograd may return the same tensor for
                # two variables, or one that a graph still holds.
                for i, name in enumerate(self.shared):
                    distance = self.finetuned[name] - self.pretrained[name]
                    gradient[i] = torch.add(gradient[i], distance, alpha=2 * self.options.proximal_strength)
            descend(optimizer, list(self.finetuned.values()), gradient)
            if self.average.decay:
                self.average.update(self.finetuned, self.pretrained)
        return TaskStep(values[0])

    def move_encoder(self, gradient: Tensor, optimizer: torch.optim.Optimizer, *, task: bool) -> None:
        """Move level 1; with ``track_encoder`` the finetuned encoder keeps its offset from it."""
        offsets = self._offsets() if self.options.track_encoder and task else []
        descend(optimizer, list(self.pretrained.values()), self.layout.split(gradient))
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
        """Level 1's current variables, and level 2's at the average of its iterates, if there is one."""
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

    def meta_gradient(self, meta: Sequence[LossFn], train: LossFn, at: Params) -> tuple[Tensor, Tensor]:
        """The mean meta loss and its gradient; the last level's variables are the task's."""
        del train
        return mean_gradient(meta, at, "level 'meta'")


class OffsetAverage:
    """Exponential average of ``omega - theta`` on the shared names and of the other variables of level 2.

    The iterates of a stochastic optimiser fluctuate around the minimum, most along the directions of large curvature,
    and a meta gradient at the last iterate mostly reflects this fluctuation. Their average is much closer to the
    minimum (Polyak & Juditsky, SIAM J. Control Optim. 1992), which is where the implicit function theorem holds.

    Args:
        decay: Decay of an iterate's weight per later iterate, in [0, 1); 0 is the last iterate itself.
        shared: Names that are averaged relative to level 1.

    Raises:
        ConfigError: If ``decay`` is out of range.

    Example:
        >>> average = OffsetAverage(0.5, ["w"])
        >>> for omega in (1.0, 3.0):
        ...     average.update({"w": torch.tensor(omega)}, {"w": torch.tensor(0.0)})
        >>> round(average.point({"w": torch.tensor(10.0)})["w"].item(), 4)  # 10 + (0.5 * 1 + 1 * 3) / 1.5
        12.3333
    """

    def __init__(self, decay: float, shared: Sequence[str]) -> None:
        """Start without an iterate."""
        if not 0 <= decay < 1:
            raise OptionError("finetune_ema", decay, "must be at least 0 and below 1")
        self.decay, self.shared = decay, frozenset(shared)
        self.count = 0
        self._means: Params = {}

    @torch.no_grad()
    def update(self, finetuned: Params, pretrained: Params) -> None:
        """Add an iterate of level 2 to the average.

        Args:
            finetuned: Variables of level 2.
            pretrained: Variables of level 1 in the same step.
        """
        self.count += 1
        # The weight of the newest iterate is chosen so that all weights form a geometric series with sum one.
        newest = (1 - self.decay) / (1 - self.decay**self.count)
        for name, tensor in finetuned.items():
            # The offset is averaged, not the encoder: an average of omega itself would lag behind theta, and the point
            # would be the minimum for a past theta.
            value = tensor - pretrained[name] if name in self.shared else tensor.detach().clone()
            # In place, as the means are not shared: `point` returns copies.
            self._means[name] = self._means[name].lerp_(value, newest) if name in self._means else value

    def point(self, pretrained: Params) -> Params:
        """The average of level 2 at ``pretrained``, as leaves that require gradients.

        Args:
            pretrained: Variables of level 1.
        """
        return {
            name: (pretrained[name].detach() + mean if name in self.shared else mean.clone()).requires_grad_()
            for name, mean in self._means.items()
        }

    def state_dict(self) -> dict[str, Any]:
        """The running averages, as live tensors."""
        return {"count": self.count, "means": dict(self._means)}

    def load_state_dict(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Restore a state of :meth:`state_dict` on a device."""
        self.count = int(state["count"])
        self._means = {name: tensor.to(device, copy=True) for name, tensor in state["means"].items()}


def descend(optimizer: torch.optim.Optimizer, variables: list[Tensor], gradient: Sequence[Tensor | None]) -> None:
    """One optimiser step along a given gradient; `.grad` is cleared afterwards.

    Args:
        optimizer: Optimiser of the variables.
        variables: Leaves.
        gradient: One tensor per variable, or ``None`` to skip it.
    """
    for variable, part in zip(variables, gradient, strict=True):
        variable.grad = part
    optimizer.step()
    # The parts are views of one flat vector, which a remaining `.grad` would keep in memory until the next step.
    for variable in variables:
        variable.grad = None
