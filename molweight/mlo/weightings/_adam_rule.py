"""Logits that descend by steps of Adam."""

from typing import Literal

import torch
from torch import Tensor

from molweight.errors import ConfigError
from molweight.mlo.weightings._logit_rule import LogitRule, keep_if

__all__ = ["AdamRule", "through_softmax"]


class AdamRule(LogitRule):
    """A step along the running mean of the gradient over its running root mean square (Kingma & Ba 2015).

    With ``confidence = z > 0`` an entry only moves while its running mean ``m`` exceeds ``z`` times its standard error
    ``e``, the latter from the running variance and the effective number of averaged updates; it then moves by the share
    ``1 - (z e / m)^2`` of the full step (positive-part shrinkage).

    Args:
        count: Number K of objectives.
        lr: About how far a logit moves per update.
        betas: Decay of the running mean and of the running mean square.
        size: Divide all means by their common root mean square (``"joint"``: keeps the relative sizes, so an entry
            that hardly matters hardly moves) or each logit's by its own (``"entry"``: Adam).
        confidence: ``z`` above; 0 moves always.
        pull: Share of the distance to the prior's logits that is undone per update, in units of ``lr``.

    Raises:
        ConfigError: If an option is out of range.
    """

    _mean: Tensor
    _square: Tensor
    _updates: Tensor

    def __init__(
        self,
        count: int,
        *,
        lr: float = 0.02,
        betas: tuple[float, float] = (0.9, 0.99),
        size: Literal["entry", "joint"] = "joint",
        confidence: float = 0.0,
        pull: float = 0.0,
    ) -> None:
        """Start without a mean."""
        super().__init__()
        _check(lr, betas, size, confidence=confidence, pull=pull)
        self.lr, self.betas, self.size, self.confidence, self.pull = lr, betas, size, confidence, pull
        for name in ("_mean", "_square"):
            self.register_buffer(name, torch.zeros(count))
        self.register_buffer("_updates", torch.zeros(()))

    def move(self, alpha: Tensor, origin: Tensor, estimate: Tensor, finite: Tensor) -> Tensor:
        """One step of the logits."""
        # The gradient in the logits: an objective of weight near zero hardly moves. (The rule "evidence" takes the one
        # in the weights for that reason.)
        gradient = through_softmax(torch.softmax(alpha, 0), estimate)
        mean = self._mean.lerp(gradient, 1 - self.betas[0])
        square = self._square.lerp(gradient**2, 1 - self.betas[1])
        updates = self._updates + 1
        keep_if(finite, [(self._mean, mean), (self._square, square), (self._updates, updates)])
        # The pull is inside the learning rate, as decoupled weight decay: scaling all gradients then leaves its share
        # alone.
        return alpha - self.lr * (self._step(mean, square, updates) + self.pull * (alpha - origin))

    def _step(self, mean: Tensor, square: Tensor, updates: Tensor) -> Tensor:
        """The running mean, shrunk where it is not significant, in units of the running size."""
        tiny = torch.finfo(mean.dtype).tiny
        # Both means start at zero; without the correction the first steps would be too small by different factors.
        average = mean / (1 - self.betas[0] ** updates)
        second = square / (1 - self.betas[1] ** updates)
        if self.confidence:
            average = average * _significance(average, second, self.betas[0] ** updates, self.betas[0], self.confidence)
        size = second if self.size == "entry" else second.mean()
        return average / size.sqrt().clamp_min(tiny)


def _significance(mean: Tensor, second: Tensor, faded: Tensor, beta: float, confidence: float) -> Tensor:
    """Share of the step that is significant: ``max(0, 1 - (z e / m)^2)``.

    An exponential mean with decay ``beta`` averages ``(1 + beta)(1 - beta^t) / ((1 - beta)(1 + beta^t))`` updates.
    """
    count = (1 + beta) * (1 - faded) / ((1 - beta) * (1 + faded))
    # The variance of one update over the updates averaged, less one for the mean that is estimated too. A single update
    # has no variance: its error is made large, and it does not count.
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


def _check(lr: float, betas: tuple[float, float], size: str, **least_zero: float) -> None:
    if not lr > 0 or not all(0 <= beta < 1 for beta in betas):
        raise ConfigError(f"lr must be positive and betas in [0, 1), got lr={lr}, betas={betas}.")
    if size not in {"entry", "joint"}:
        raise ConfigError(f"size must be 'entry' or 'joint', got {size!r}.")
    for name, value in least_zero.items():
        if not value >= 0:
            raise ConfigError(f"{name} must be at least 0, got {value}.")
