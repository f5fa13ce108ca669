"""Gradient normalisation."""

from collections.abc import Sequence

import torch
from torch import Tensor

from molweight.mlo.weightings._base import Needs, Signals, Weighting, check_options, keep_if
from molweight.mlo.weightings._registry import weightings

__all__ = ["GradNorm"]


@weightings.register("gradnorm")
class GradNorm(Weighting):
    """Moves ``weights_k |g_k|`` towards its mean over objectives times ``rate_k ** asymmetry``.

    ``rate_k`` is the loss relative to its first value, over the mean of these ratios: objectives that train slowly get
    more weight. Source: Chen, Badrinarayanan, Lee, Rabinovich, ICML 2018. The norms are over the whole shared encoder,
    and the logarithms of the weights move by ``lr`` times the sign of the difference, so that the step does not depend
    on the losses' units.

    Args:
        names: Names of the objectives.
        lr: Step of the log-weights.
        asymmetry: The paper's alpha.

    Example:
        >>> weighting = GradNorm(["loud", "quiet"])
        >>> for _ in range(100):
        ...     weighting.update(Signals(torch.ones(2), torch.tensor([4.0, 1.0])))
        >>> [round(weight, 1) for weight in weighting.weights.tolist()]
        [0.2, 0.8]
    """

    needs = Needs.NORMS
    _logs: Tensor
    _first: Tensor
    _updates: Tensor

    def __init__(self, names: Sequence[str], *, lr: float = 0.02, asymmetry: float = 1.5) -> None:
        """Start from equal weights."""
        super().__init__(names)
        check_options(
            (lr > 0, "lr", lr, "must be positive"),
            (asymmetry >= 0, "asymmetry", asymmetry, "must be at least 0"),
        )
        self.lr, self.asymmetry = lr, asymmetry
        self.register_buffer("_logs", torch.zeros(len(self.names)))
        self.register_buffer("_first", torch.ones(len(self.names)))
        self.register_buffer("_updates", torch.zeros(()))

    @property
    def weights(self) -> Tensor:
        """The K weights."""
        return torch.softmax(self._logs, 0)

    def update(self, signals: Signals) -> None:
        """One step of the log-weights; nothing if a loss or norm is not finite, or there are no norms."""
        if signals.norms is None:
            return
        losses, norms = signals.losses.to(self._logs), signals.norms.to(self._logs)
        finite = losses.isfinite().all() & norms.isfinite().all()
        tiny = torch.finfo(losses.dtype).tiny
        first = torch.where(self._updates == 0, losses.abs().clamp_min(tiny), self._first)
        ratio = losses.abs() / first
        rate = ratio / ratio.mean().clamp_min(tiny)
        sizes = self.weights * norms
        # The sign of the L1 loss's gradient, applied to logarithms: weights stay positive, independent of the losses'
        # units.
        moved = self._logs - self.lr * torch.sign(sizes - sizes.mean() * rate**self.asymmetry)
        # A common shift does not change the weights; removing it prevents a drift of the logarithms over a long run.
        moved = moved - moved.mean()
        keep_if(finite, [(self._logs, moved), (self._first, first), (self._updates, self._updates + 1)])
