"""Logits that are the evidence so far: scale-free exponentiated gradient over the whole run."""

import torch
from torch import Tensor

from molweight.errors import ConfigError
from molweight.mlo.weightings._logit_rule import LogitRule, keep_if

__all__ = ["EvidenceRule"]


class EvidenceRule(LogitRule):
    """``alpha = origin - lr * S / sqrt(Q)``, with ``S`` the sum of all gradients and ``Q`` that of their squares.

    With ``c_t`` the centred derivative of step ``t``, ``S = sum_t c_t`` and ``Q = sum_t mean_k c_tk^2``: a logit is
    ``lr`` times the number of standard errors by which its objective has helped or hurt so far. Under noise of zero
    mean it stays of the order of ``lr`` however long the run is; under a signal it grows with the square root of the
    number of updates. Multiplying all gradients by any number changes nothing.

    This is follow-the-regularised-leader with an entropic regulariser and a scale-free rate (Orabona & Pal, *Scale-free
    online learning*, TCS 2018), that is, exponentiated gradient (Kivinen & Warmuth 1997) whose rate needs no tuning to
    the size of a hypergradient. It takes the derivative with respect to the weights themselves, so that an objective
    with little weight can come back as fast as any other.

    With ``confidence = z > 0`` an entry keeps its origin unless ``|S_k|`` exceeds ``z`` times its own standard error
    ``e_k = sqrt(sum_t c_tk^2)``; it then has the share ``1 - (z e_k / S_k)^2`` of its logit (positive-part shrinkage).

    The first gradients of a run are the largest and say the least: heads are random, and level 2 is far from its end.
    With ``warmup = n`` the first ``n`` therefore count for ``1/n, 2/n, ...`` of their size.

    Args:
        count: Number K of objectives.
        lr: Logit per standard error.
        confidence: ``z`` above; 0 for none.
        memory: What a gradient counts for after each later one; 1 never forgets.
        warmup: ``n`` above; 0 for none.

    Raises:
        ConfigError: If an option is out of range.
    """

    _sum: Tensor
    _squares: Tensor

    _updates: Tensor

    def __init__(
        self, count: int, *, lr: float = 0.5, confidence: float = 1.0, memory: float = 1.0, warmup: int = 20
    ) -> None:
        """Start without any evidence."""
        super().__init__()
        if not lr > 0 or not confidence >= 0 or not 0 < memory <= 1 or not warmup >= 0:
            raise ConfigError(
                "lr must be positive, confidence and warmup at least 0, and memory in (0, 1], got "
                f"lr={lr}, confidence={confidence}, warmup={warmup}, memory={memory}."
            )
        self.lr, self.confidence, self.memory, self.warmup = lr, confidence, memory, warmup
        self.register_buffer("_updates", torch.zeros(()))
        self.register_buffer("_sum", torch.zeros(count))
        self.register_buffer("_squares", torch.zeros(count))

    def move(self, alpha: Tensor, origin: Tensor, estimate: Tensor, finite: Tensor) -> Tensor:
        """The logits of all evidence with ``estimate`` added to it."""
        # Not an increment of the old logits: they are a function of the sums, so that rounding cannot accumulate in
        # them and an early mistake is divided away as evidence comes in.
        del alpha
        updates = self._updates + 1
        counted = estimate * (updates / max(self.warmup, 1)).clamp_max(1.0)
        # Forgetting multiplies S by the memory and Q by its square: S / sqrt(Q) stays in units of standard errors.
        total = self.memory * self._sum + counted
        squares = self.memory**2 * self._squares + counted**2
        keep_if(finite, [(self._sum, total), (self._squares, squares), (self._updates, updates)])
        # Q is common to all logits. Divided by its own, an objective that hardly matters would have as large a logit as
        # the one that decides.
        tiny = torch.finfo(total.dtype).tiny
        share = (1 - self.confidence**2 * squares / (total**2).clamp_min(tiny)).clamp_min(0.0)
        # Minus: the estimate is the derivative of a loss, and evidence of harm has to lower the weight.
        return origin - self.lr * share * total / squares.mean().clamp_min(tiny).sqrt()
