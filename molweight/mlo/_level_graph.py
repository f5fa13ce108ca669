"""How encoder, objectives and task are arranged in levels: the part of the loop that differs between arrangements."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from molweight.errors import ConfigError
from molweight.mlo._average import OffsetAverage
from molweight.mlo._checks import check_levels
from molweight.mlo._gauss_newton import CurvatureName, check_curvature
from molweight.mlo._gradients import mean_gradient
from molweight.mlo._level import Level
from molweight.mlo._vectors import Layout, LossFn, Params

__all__ = ["GraphOptions", "LevelGraph", "TaskStep", "descend", "tensors"]


@dataclass(frozen=True)
class GraphOptions:
    """What :class:`Loop` hands on to its graph; explained there.

    Raises:
        ConfigError: If an option is out of range.
    """

    proximal_strength: float = 1.0
    curvature: CurvatureName = "hessian"
    recompute_graphs: bool = False
    track_encoder: bool = True
    finetune_ema: float = 0.95

    def __post_init__(self) -> None:
        """Refuse options out of range."""
        if not self.proximal_strength >= 0:
            raise ConfigError(f"proximal_strength must not be negative, got {self.proximal_strength}.")
        check_curvature("Loop", self.curvature)


@dataclass(frozen=True)
class TaskStep:
    """What moving the task's variables gave.

    Args:
        loss: Task loss before the first step, 0-dim.
        encoder_gradient: What the task adds to level 1's gradient, flat over its variables; ``None`` for nothing.
    """

    loss: Tensor
    encoder_gradient: Tensor | None = None


class LevelGraph(ABC):
    """The variables of pretraining and of the task, how they move, and the chain of levels they are minima of.

    Args:
        pretrained: Variables of level 1: encoder and objectives' heads.
        finetuned: Variables of the task: an encoder of the same names, and the task's head. May be empty.
        options: See :class:`GraphOptions`.
        task: Whether the task will be used.

    Raises:
        ConfigError: If the variables or options cannot be used.
    """

    proximal: ClassVar[bool]
    """Whether the proximal term is what ties the task to the objectives; its strength must then be positive."""

    moves_task: ClassVar[bool] = True
    """Whether the task moves at every step, or only where a hypergradient is taken."""

    def __init__(self, pretrained: Params, finetuned: Params, options: GraphOptions, *, task: bool) -> None:
        """Check the variables."""
        if task and self.proximal and not options.proximal_strength > 0:
            raise ConfigError(
                f"proximal_strength must be positive, got {options.proximal_strength}: without it the finetuned "
                "encoder is not tied to level 1."
            )
        self.options = options
        self.shared = check_levels(pretrained, finetuned, task=task)
        # Shared names in front: the encoder is then one leading block of every flat vector, at both levels.
        self.pretrained, self.finetuned = _front(pretrained, self.shared), _front(finetuned, self.shared)
        self.layout = Layout.of(self.pretrained)
        self.block = sum(self.pretrained[name].numel() for name in self.shared)
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
        """Move level 1, and what of the task goes with it.

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
    def task_loss(self, loss: LossFn) -> LossFn:
        """A task loss as a function of the last level's variables.

        Args:
            loss: A function of :attr:`finetuned`.
        """

    def meta_gradient(self, meta: Sequence[LossFn], train: LossFn, at: Params) -> tuple[Tensor, Tensor]:
        """What arrives at the last level: the mean meta loss with its gradient, flat over the last level's variables.

        Args:
            meta: At least one meta loss, a function of :attr:`finetuned`.
            train: Task loss, where the meta loss depends on what is trained on it.
            at: The last level's variables.
        """
        del train
        return mean_gradient([self.task_loss(loss) for loss in meta], at, "level 'meta'")

    @abstractmethod
    def encoder_direction(self, gradient: Tensor) -> Tensor:
        """The encoder's part of a gradient over the last level's variables, as a direction over :attr:`pretrained`.

        Args:
            gradient: Flat over the last level's variables.
        """


def _front(params: Params, shared: Sequence[str]) -> Params:
    front = {name: params[name] for name in shared}
    return front | {name: tensor for name, tensor in params.items() if name not in front}


def descend(optimizer: torch.optim.Optimizer, variables: list[Tensor], gradient: Sequence[Tensor | None]) -> None:
    """One optimiser step along a given gradient; the gradients are not kept.

    Args:
        optimizer: Optimiser of the variables.
        variables: Leaves.
        gradient: One tensor per variable, or ``None`` to leave it.
    """
    for variable, part in zip(variables, gradient, strict=True):
        variable.grad = part
    optimizer.step()
    # The parts are views of one flat vector: a `.grad` left behind would keep all of it alive until the next step.
    for variable in variables:
        variable.grad = None


def tensors(params: Params) -> list[Tensor]:
    """The values of ``params`` as a list."""
    return list(params.values())
