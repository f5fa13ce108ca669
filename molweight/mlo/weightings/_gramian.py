"""Conflict-averse weightings, by TorchJD: weights from the inner products of the objectives' gradients."""

import importlib
from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from molweight.errors import ConfigError
from molweight.mlo.weightings._base import Needs, Signals, Weighting, check_options
from molweight.mlo.weightings._registry import weightings
from molweight.seeding import seeded, step_seed

__all__ = ["MGDA", "GramianWeighting", "PCGrad", "UPGrad"]


class GramianWeighting(Weighting):
    """Weights of the current step from its ``K x K`` matrix of gradient inner products, normalised to sum to one.

    The inner products are over the shared encoder, as in the papers: a head is moved by one objective alone, so heads
    cannot be in conflict. The rule is TorchJD's, on the CPU in float64. Reading the matrix synchronises with an
    accelerator once per step, and the K gradients are in memory at the same time. The normalisation keeps the direction
    of the combined gradient.

    Args:
        names: Names of the objectives.
        seed: For randomised rules: seed of the random numbers, together with the number of the step. A job passes one
            that follows from its own seed.

    Raises:
        ConfigError: If TorchJD is not installed.
    """

    needs = Needs.GRADIENTS
    rule: ClassVar[str]
    _weights: Tensor

    def __init__(self, names: Sequence[str], *, seed: int = 0) -> None:
        """Build TorchJD's rule."""
        super().__init__(names)
        self.seed, self._step = seed, 0
        self._rule: Callable[[Tensor], Tensor] = _torchjd(self.rule)()
        self.register_buffer("_weights", self._uniform())

    @property
    def weights(self) -> Tensor:
        """The K weights of the last step; equal before the first."""
        return self._weights

    def update(self, signals: Signals) -> None:
        """Apply the rule; the last weights stay if the matrix is zero or not finite."""
        if signals.gramian is None:
            return
        self._step += 1
        # On the CPU in float64: the quadratic programs are of size K, where an accelerator only adds latency, and their
        # conditioning is the square of the gradients'.
        gramian = signals.gramian.detach().to("cpu", torch.float64)
        if not bool(gramian.isfinite().all()) or not bool(gramian.diagonal().max() > 0):
            return
        # PCGrad uses a random order of the objectives. It is seeded by the step, so that a resumed run uses the same
        # one.
        with seeded(step_seed(self.seed, self._step)):
            weights = self._rule(gramian / gramian.diagonal().max()).clamp_min(0.0)
        if bool(weights.sum() > 0):
            self._weights.copy_(weights / weights.sum())

    def get_extra_state(self) -> Tensor:
        """Number of the step."""
        return torch.tensor(self._step)

    def set_extra_state(self, state: Tensor) -> None:
        """Restore the number of the step."""
        self._step = int(state)


@weightings.register("pcgrad")
class PCGrad(GramianWeighting):
    """Removes conflicting components from each gradient (Yu et al., NeurIPS 2020); see :class:`GramianWeighting`."""

    rule = "PCGradWeighting"


@weightings.register("mgda")
class MGDA(GramianWeighting):
    """The shortest convex combination of the gradients (Desideri 2012; Sener & Koltun 2018).

    Args:
        names: Names of the objectives.
        seed: Not used: the rule is deterministic.
        epsilon: The Frank-Wolfe iteration stops once its step is smaller than this.
        max_iters: Maximum number of iterations.

    Raises:
        ConfigError: If TorchJD is not installed.
    """

    rule = "MGDAWeighting"

    def __init__(self, names: Sequence[str], *, seed: int = 0, epsilon: float = 0.001, max_iters: int = 100) -> None:
        """Build TorchJD's rule."""
        super().__init__(names, seed=seed)
        check_options(
            (epsilon > 0, "epsilon", epsilon, "must be positive"),
            (max_iters >= 1, "max_iters", max_iters, "must be at least 1"),
        )
        self._rule = _torchjd(self.rule)(epsilon=epsilon, max_iters=max_iters)


@weightings.register("upgrad")
class UPGrad(GramianWeighting):
    """The mean of the gradients' projections on the dual cone (Quinton & Rey 2024); see :class:`GramianWeighting`."""

    rule = "UPGradWeighting"


def _torchjd(name: str) -> Callable[..., Callable[[Tensor], Tensor]]:
    try:
        module = importlib.import_module("torchjd.aggregation")
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"this weighting needs {error.name}, which is not installed: pip install 'torchjd[quadprog-projector]'."
        ) from error
    rule: Callable[..., Callable[[Tensor], Tensor]] = getattr(module, name)
    return rule
