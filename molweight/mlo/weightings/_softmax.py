"""Weights as a softmax whose logits descend an estimated gradient."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from molweight.errors import ConfigError
from molweight.mlo.weightings._base import Signals, Weighting
from molweight.mlo.weightings._fixed import check_weights

__all__ = ["SoftmaxWeighting", "through_softmax"]


class SoftmaxWeighting(Weighting):
    """``weights = floor + (1 - K floor) softmax(alpha)``; ``alpha`` descends a gradient with a scale-free step.

    The size of a hypergradient depends on the proximal strength, the solver and the losses' units, so a raw learning
    rate would mean nothing. As in Adam (Kingma & Ba 2015) the running mean of the gradient is divided by a running
    root mean square: the step does not change if the hypergradient is multiplied by any number, and ``lr`` is about
    how far a logit moves per update.

    A hypergradient is noisy. With ``confidence = z > 0`` an entry only moves while its running mean ``m`` exceeds
    ``z`` times its standard error ``e``, the latter from the running variance and the effective number of averaged
    updates; it then moves by the share ``1 - (z e / m)^2`` of the full step (positive-part shrinkage).

    Args:
        names: Names of the objectives.
        lr: Step of the logits per update.
        betas: Decay of the running mean and of the running mean square.
        size: Divide all means by their common root mean square (``"joint"``: keeps the relative sizes, so an entry
            that hardly matters hardly moves) or each logit's by its own (``"entry"``: Adam).
        confidence: ``z`` above; 0 moves always.
        floor: Least weight of an objective, below ``1 / K``, so that none dies by accident.
        prior: Weights to start from, by name or in order; equal if not given.
        pull: Share of the distance to the prior's logits that is undone per update, in units of ``lr``.

    Raises:
        ConfigError: If an option is out of range.
    """

    alpha: Tensor
    _origin: Tensor
    _mean: Tensor
    _square: Tensor
    _updates: Tensor

    def __init__(
        self,
        names: Sequence[str],
        *,
        lr: float = 0.02,
        betas: tuple[float, float] = (0.9, 0.99),
        size: Literal["entry", "joint"] = "joint",
        confidence: float = 0.0,
        floor: float = 0.0,
        prior: Mapping[str, float] | Sequence[float] | None = None,
        pull: float = 0.0,
    ) -> None:
        """Start from the prior."""
        super().__init__(names)
        _check(lr, betas, size, confidence=confidence, pull=pull)
        if not 0 <= floor * len(self.names) < 1:
            raise ConfigError(f"floor must be at least 0 and below 1/K = {1 / len(self.names):.3g}, got {floor}.")
        self.lr, self.betas, self.size = lr, betas, size
        self.confidence, self.floor, self.pull = confidence, floor, pull
        origin = _logits(self.names, prior, floor)
        self.register_buffer("alpha", origin)
        self.register_buffer("_origin", origin.clone())
        for name in ("_mean", "_square"):
            self.register_buffer(name, torch.zeros(len(self.names)))
        self.register_buffer("_updates", torch.zeros(()))

    @property
    def weights(self) -> Tensor:
        """The K weights."""
        return self.floor + (1 - self.floor * len(self.names)) * torch.softmax(self.alpha, 0)

    @abstractmethod
    def estimate(self, signals: Signals) -> Tensor | None:
        """The derivative of what is minimised with respect to the weights, or ``None`` if this step gives none.

        Args:
            signals: What the step measured.
        """

    def update(self, signals: Signals) -> None:
        """One step of the logits; nothing where the gradient is absent or not finite."""
        estimate = self.estimate(signals)
        if estimate is None:
            return
        gradient = through_softmax(torch.softmax(self.alpha, 0), estimate.to(self.alpha))
        finite = gradient.isfinite().all()
        gradient = torch.where(finite, gradient, 0.0)
        mean = self._mean.lerp(gradient, 1 - self.betas[0])
        square = self._square.lerp(gradient**2, 1 - self.betas[1])
        updates = self._updates + 1
        alpha = self.alpha - self.lr * (self._step(mean, square, updates) + self.pull * (self.alpha - self._origin))
        pairs = [(self.alpha, alpha), (self._mean, mean), (self._square, square), (self._updates, updates)]
        for old, new in pairs:
            old.copy_(torch.where(finite, new, old))

    def _step(self, mean: Tensor, square: Tensor, updates: Tensor) -> Tensor:
        """The running mean, shrunk where it is not significant, in units of the running size."""
        tiny = torch.finfo(mean.dtype).tiny
        average = mean / (1 - self.betas[0] ** updates)
        second = square / (1 - self.betas[1] ** updates)
        if self.confidence:
            average = average * _significance(average, second, self.betas[0] ** updates, self.betas[0], self.confidence)
        size = second if self.size == "entry" else second.mean()
        return average / size.sqrt().clamp_min(tiny)


def _significance(mean: Tensor, second: Tensor, faded: Tensor, beta: float, confidence: float) -> Tensor:
    """Share of the step that stands out of the noise: ``max(0, 1 - (z e / m)^2)``.

    An exponential mean with decay ``beta`` averages ``(1 + beta)(1 - beta^t) / ((1 - beta)(1 + beta^t))`` updates.
    """
    count = (1 + beta) * (1 - faded) / ((1 - beta) * (1 + faded))
    error = (second - mean**2).clamp_min(0.0) / (count - 1).clamp_min(1e-3)
    return (1 - confidence**2 * error / (mean**2).clamp_min(torch.finfo(mean.dtype).tiny)).clamp_min(0.0)


def through_softmax(weights: Tensor, gradient: Tensor) -> Tensor:
    """``dF/dalpha = (diag(w) - w w^T) dF/dw`` for ``w = softmax(alpha)``.

    Args:
        weights: ``w``, K numbers.
        gradient: ``dF/dw``, K numbers.

    Returns:
        ``dF/dalpha``, K numbers that sum to zero.

    Example:
        >>> through_softmax(torch.tensor([0.5, 0.5]), torch.tensor([2.0, 0.0])).tolist()
        [0.5, -0.5]
    """
    return weights * (gradient - weights @ gradient)


def _logits(names: Sequence[str], prior: Mapping[str, float] | Sequence[float] | None, floor: float) -> Tensor:
    if prior is None:
        return torch.zeros(len(names))
    values = torch.tensor(check_weights(names, prior))
    free = values / values.sum() - floor
    if not bool((free > 0).all()):
        raise ConfigError(f"prior: every weight must be above the floor, {floor:g}; an objective cannot start at zero.")
    return (free / free.sum()).log()


def _check(lr: float, betas: tuple[float, float], size: str, **least_zero: float) -> None:
    if not lr > 0 or not all(0 <= beta < 1 for beta in betas):
        raise ConfigError(f"lr must be positive and betas in [0, 1), got lr={lr}, betas={betas}.")
    if size not in {"entry", "joint"}:
        raise ConfigError(f"size must be 'entry' or 'joint', got {size!r}.")
    for name, value in least_zero.items():
        if not value >= 0:
            raise ConfigError(f"{name} must be at least 0, got {value}.")
