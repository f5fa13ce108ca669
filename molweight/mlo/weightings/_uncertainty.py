"""Weights from learned noise levels."""

from collections.abc import Sequence

import torch
from torch import Tensor

from molweight.mlo.weightings._base import Needs, Signals, Weighting, check_options, keep_if
from molweight.mlo.weightings._registry import weightings

__all__ = ["Uncertainty"]


@weightings.register("uncertainty")
class Uncertainty(Weighting):
    """``weights_k`` proportional to ``exp(-s_k)``, where the log-variances minimise ``sum_k exp(-s_k) loss_k + s_k``.

    Source: Kendall, Gal, Cipolla, CVPR 2018, in its log-variance form. The weights are normalised to sum to one, which
    changes only the effective learning rate of level 1. Losses must be non-negative.

    Args:
        names: Names of the objectives.
        lr: Step size of the log-variances (the gradient is divided by its running root mean square if that exceeds
            one).
        decay: Decay of that running mean square.

    Example:
        >>> weighting = Uncertainty(["loud", "quiet"], lr=0.1)
        >>> for _ in range(100):
        ...     weighting.update(Signals(torch.tensor([4.0, 1.0]), torch.ones(2)))
        >>> [round(weight, 1) for weight in weighting.weights.tolist()]
        [0.2, 0.8]
    """

    needs = Needs.LOSSES
    _log_variances: Tensor
    _square: Tensor
    _updates: Tensor

    def __init__(self, names: Sequence[str], *, lr: float = 0.02, decay: float = 0.9) -> None:
        """Start from equal weights."""
        super().__init__(names)
        check_options(
            (lr > 0, "lr", lr, "must be positive"),
            (0 <= decay < 1, "decay", decay, "must be at least 0 and below 1"),
        )
        self.lr, self.decay = lr, decay
        self.register_buffer("_log_variances", torch.zeros(len(self.names)))
        self.register_buffer("_square", torch.zeros(len(self.names)))
        self.register_buffer("_updates", torch.zeros(()))

    @property
    def weights(self) -> Tensor:
        """The K weights."""
        return torch.softmax(-self._log_variances, 0)

    def update(self, signals: Signals) -> None:
        """One step of the log-variances; skipped if a loss is not finite."""
        finite = signals.losses.isfinite().all()
        losses = torch.where(finite, signals.losses.to(self._log_variances), 0.0)
        gradient = 1 - torch.exp(-self._log_variances) * losses
        square = self._square.lerp(gradient**2, 1 - self.decay)
        updates = self._updates + 1
        # Only large gradients are normalised: near the optimum the gradient vanishes, and steps of constant length
        # would oscillate around it.
        size = (square / (1 - self.decay**updates)).sqrt().clamp_min(torch.finfo(square.dtype).eps)
        moved = self._log_variances - self.lr * gradient / size.clamp_min(1.0)
        keep_if(finite, [(self._log_variances, moved), (self._square, square), (self._updates, updates)])
