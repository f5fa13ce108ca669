"""Continuous options of objectives that are learned with the weights, by the same hypergradient."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from torch import Tensor

from molweight.errors import OptionError
from molweight.mlo._level import Level
from molweight.mlo._loop import Loop
from molweight.mlo._record import Record
from molweight.mlo._vectors import LossFn, Params

__all__ = ["LearnedOption", "LearningLoop", "OptionLearner"]

_WARMUP: Final = 20
"""Number of first hypergradients with a smaller step, as heads are random and level 2 is far from convergence."""


@dataclass(frozen=True)
class LearnedOption:
    """An option of which a loss is a differentiable function.

    Args:
        objective: Name of the objective.
        variable: Name under which the loss receives the option, in addition to its variables.
        value: Its value, positive, 0-dim; overwritten in place.
        bounds: Smallest and largest value, positive.
    """

    objective: str
    variable: str
    value: Tensor
    bounds: tuple[float, float]


class OptionLearner:
    """Learns options by their hypergradients, with Adam steps on their logarithms.

    With ``q1`` the solved direction of level 1, ``w_k`` the factor of objective ``k`` and ``tau`` one of its options::

        dF/dtau = -w_k d/dtau <grad loss_k(theta, phi; tau), q1>

    which is the general mixed derivative (:class:`VJP`) of level 1. Only relative changes are learned, and Adam divides
    by the size of the gradient, so that neither the unit of an option nor the scale of the hypergradient matters.

    Args:
        options: By name.
        lr: Approximate relative change per hypergradient.

    Raises:
        OptionError: If the rate is not positive, or a value is not within its bounds.
    """

    def __init__(self, options: Mapping[str, LearnedOption], lr: float) -> None:
        """Start from the current values."""
        if not lr > 0:
            raise OptionError("learn_lr", lr, "must be positive")
        for name, option in options.items():
            low, high = option.bounds
            rounded = option.value.new_tensor(option.bounds)  # a value that equals its bound is rounded like it
            if not rounded[0] <= option.value <= rounded[1]:
                reason = f"starts at {float(option.value):g}, and is learned between {low:g} and {high:g}"
                raise OptionError("learn", name, reason, "Start within these bounds.")
        self.options, self.lr, self.updates = dict(options), lr, 0
        # float64: a step may be smaller than the rounding of a float32 logarithm.
        self._logs = [option.value.detach().double().log().requires_grad_() for option in self.options.values()]
        self._optimizer = torch.optim.Adam(self._logs, lr)

    def values(self) -> dict[str, Tensor]:
        """Copies of the current values."""
        return {name: option.value.detach().clone() for name, option in self.options.items()}

    def slopes(
        self, objectives: Mapping[str, LossFn], factors: Mapping[str, Tensor], own: Params, direction: Tensor
    ) -> dict[str, Tensor]:
        """The derivative of the meta loss with respect to each option.

        Args:
            objectives: Loss per name.
            factors: Factor of each loss at level 1.
            own: Variables of level 1.
            direction: ``q1``, flat over these.
        """
        found: dict[str, Tensor] = {}
        for objective in dict.fromkeys(option.objective for option in self.options.values()):
            asked = {name: option for name, option in self.options.items() if option.objective == objective}
            upper = {option.variable: option.value.detach() for option in asked.values()}
            level = Level("pretrain", _weighted(objectives[objective], factors[objective].detach()))
            passed = level.vjp(level.at(own, upper), direction)
            found |= {name: passed[option.variable] for name, option in asked.items()}
        return found

    @torch.no_grad()
    def move(self, slopes: Mapping[str, Tensor]) -> None:
        """Take one step; slopes that are not finite are ignored.

        Args:
            slopes: The result of :meth:`slopes`; without any, nothing changes.
        """
        if not slopes:
            return
        self.updates += 1
        for group in self._optimizer.param_groups:
            group["lr"] = self.lr * min(1.0, self.updates / _WARMUP)
        for log, (name, option) in zip(self._logs, self.options.items(), strict=True):
            # d/d log tau = tau d/dtau
            slope = (option.value * slopes[name]).to(log)
            log.grad = torch.where(slope.isfinite(), slope, torch.zeros_like(slope))
        self._optimizer.step()
        for log, option in zip(self._logs, self.options.values(), strict=True):
            low, high = option.bounds
            log.grad = None
            option.value.copy_(log.exp().clamp(low, high))
            log.copy_(option.value.double().log())

    def state_dict(self) -> dict[str, Any]:
        """Everything an exact resume needs."""
        return {
            "logs": [log.detach() for log in self._logs],
            "values": self.values(),
            "optimizer": self._optimizer.state_dict(),
            "updates": self.updates,
        }

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state saved by :meth:`state_dict`.

        Args:
            state: A result of :meth:`state_dict`.
        """
        for log, saved in zip(self._logs, state["logs"], strict=True):
            log.copy_(saved)
        for name, option in self.options.items():
            option.value.copy_(state["values"][name])
        self._optimizer.load_state_dict(state["optimizer"])
        self.updates = int(state["updates"])


def _weighted(objective: LossFn, factor: Tensor) -> Any:
    return lambda own, upper: factor * objective({**own, **upper})


class LearningLoop(Loop):
    """A loop that also learns options of its objectives; see :class:`OptionLearner`.

    The derivatives of the options are taken with the molecules and random numbers of level 1's step, at the weights of
    that step.

    Args:
        learner: The options.
        *given: As for :class:`Loop`.
        **options: As for :class:`Loop`.
    """

    def __init__(self, learner: OptionLearner, *given: Any, **options: Any) -> None:
        """Store the learner of the options."""
        super().__init__(*given, **options)
        self.learner = learner

    def _move_pretrained(self, objectives: Mapping[str, LossFn], task: Any, solved: Any, mixed: Any) -> Record:
        """Compute the slopes of the options before level 1's step, and update the options after it."""
        values, slopes = self.learner.values(), dict[str, Tensor]()
        if solved.direction is not None:
            factors = dict(zip(self.weighting.names, self._factors(), strict=True))
            slopes = self.learner.slopes(objectives, factors, self.pretrained, solved.direction)
        record = super()._move_pretrained(objectives, task, solved, mixed)
        self.learner.move(slopes)
        return replace(record, learned=values, learned_slopes=slopes, next_learned=self.learner.values())

    def state_dict(self) -> dict[str, Any]:
        """State of the loop and of the options."""
        return {**super().state_dict(), "learned": self.learner.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state."""
        super().load_state_dict(state)
        self.learner.load_state_dict(state["learned"])
