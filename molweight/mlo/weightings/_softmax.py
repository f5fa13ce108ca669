"""Weights as a softmax whose logits follow an estimated gradient."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import torch
from torch import Tensor, nn

from molweight.errors import OptionError
from molweight.mlo.weightings._base import Signals, Weighting, check_options, keep_if
from molweight.mlo.weightings._fixed import check_weights

__all__ = ["AdamRule", "EvidenceRule", "LogitRule", "SoftmaxWeighting", "through_softmax"]

_BETAS: Final = 2
_OWN: Final = {"evidence": ("memory", "warmup"), "adam": ("betas", "size", "pull")}


class LogitRule(nn.Module, ABC):
    """Moves K logits by gradients of arbitrary scale; its state is in buffers."""

    @abstractmethod
    def move(self, alpha: Tensor, origin: Tensor, estimate: Tensor, finite: Tensor) -> Tensor:
        """The next logits.

        Args:
            alpha: Logits so far, K.
            origin: Logits of the prior, K.
            estimate: Derivative of the minimised loss with respect to ``softmax(alpha)``, centred, K finite numbers.
            finite: Whether the estimate may be used, 0-dim; if not, the buffers are not changed.
        """


class EvidenceRule(LogitRule):
    """``alpha = origin - lr * S / sqrt(Q)``, with ``S`` the sum of all gradients and ``Q`` that of their squares.

    With ``c_t`` the centred derivative of step ``t``, ``S = sum_t c_t`` and ``Q = sum_t mean_k c_tk^2``: a logit is
    ``lr`` times the number of standard errors by which its objective has helped or hurt so far. Under zero-mean noise
    it remains of the order of ``lr`` for any length of the run; under a signal it grows with the square root of the
    number of updates. It is invariant to the scale of the gradients.

    This is follow-the-regularised-leader with an entropic regulariser and a scale-free rate (Orabona & Pal, *Scale-free
    online learning*, TCS 2018), that is, exponentiated gradient (Kivinen & Warmuth 1997) whose rate need not be tuned
    to the size of a hypergradient. It uses the derivative with respect to the weights themselves, so that an objective
    with little weight can recover as fast as any other.

    With ``confidence = z > 0`` a logit remains at its origin unless ``|S_k|`` exceeds ``z`` times its own standard
    error ``e_k = sqrt(sum_t c_tk^2)``; otherwise it is shrunk by the factor ``1 - (z e_k / S_k)^2`` (positive-part
    shrinkage).

    The first gradients of a run are the largest and the least informative: heads are random, and level 2 has not
    converged. With ``warmup = n`` the first ``n`` gradients are therefore scaled by ``1/n, 2/n, ...``.

    Args:
        count: Number K of objectives.
        lr: Logit per standard error.
        confidence: ``z`` above; 0 for none.
        memory: Decay of a gradient's weight per later gradient; 1 for none.
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
        check_options(
            (lr > 0, "lr", lr, "must be positive"),
            (confidence >= 0, "confidence", confidence, "must be at least 0"),
            (0 < memory <= 1, "memory", memory, "must be above 0 and at most 1"),
            (warmup >= 0, "warmup", warmup, "must be at least 0"),
        )
        self.lr, self.confidence, self.memory, self.warmup = lr, confidence, memory, warmup
        self.register_buffer("_updates", torch.zeros(()))
        self.register_buffer("_sum", torch.zeros(count))
        self.register_buffer("_squares", torch.zeros(count))

    def move(self, alpha: Tensor, origin: Tensor, estimate: Tensor, finite: Tensor) -> Tensor:
        """The logits after adding ``estimate`` to the evidence."""
        # The logits are a function of the sums, not an increment of the old logits, so that rounding cannot accumulate
        # and early errors lose weight as evidence accumulates.
        del alpha
        updates = self._updates + 1
        counted = estimate * (updates / max(self.warmup, 1)).clamp_max(1.0)
        # Decay multiplies S by the memory and Q by its square, so that S / sqrt(Q) remains in units of standard errors.
        total = self.memory * self._sum + counted
        squares = self.memory**2 * self._squares + counted**2
        keep_if(finite, [(self._sum, total), (self._squares, squares), (self._updates, updates)])
        # Q is common to all logits. With separate ones, an irrelevant objective would have as large a logit as a
        # decisive one.
        tiny = torch.finfo(total.dtype).tiny
        share = (1 - self.confidence**2 * squares / (total**2).clamp_min(tiny)).clamp_min(0.0)
        # Minus, because the estimate is the derivative of a loss, and evidence of harm must lower the weight.
        return origin - self.lr * share * total / squares.mean().clamp_min(tiny).sqrt()


class AdamRule(LogitRule):
    """A step along the running mean of the gradient over its running root mean square (Kingma & Ba 2015).

    With ``confidence = z > 0`` an entry only moves while its running mean ``m`` exceeds ``z`` times its standard error
    ``e``, the latter from the running variance and the effective number of averaged updates; it then takes the fraction
    ``1 - (z e / m)^2`` of the full step (positive-part shrinkage).

    Args:
        count: Number K of objectives.
        lr: Approximate change of a logit per update.
        betas: Decay of the running mean and of the running mean square.
        size: Divide all means by their common root mean square (``"joint"``: preserves the relative sizes, so
            irrelevant entries hardly move) or each mean by its own (``"entry"``: Adam).
        confidence: ``z`` above; 0 for no threshold.
        pull: Decay of the distance to the prior's logits per update, in units of ``lr``.

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
        check_options(
            (lr > 0, "lr", lr, "must be positive"),
            (len(betas) == _BETAS, "betas", betas, "must be two numbers"),
            (all(0 <= beta < 1 for beta in betas), "betas", betas, "must be at least 0 and below 1"),
            (size in {"entry", "joint"}, "size", size, "must be 'entry' or 'joint'"),
            (confidence >= 0, "confidence", confidence, "must be at least 0"),
            (pull >= 0, "pull", pull, "must be at least 0"),
        )
        self.lr, self.betas, self.size, self.confidence, self.pull = lr, betas, size, confidence, pull
        for name in ("_mean", "_square"):
            self.register_buffer(name, torch.zeros(count))
        self.register_buffer("_updates", torch.zeros(()))

    def move(self, alpha: Tensor, origin: Tensor, estimate: Tensor, finite: Tensor) -> Tensor:
        """One step of the logits."""
        # The gradient with respect to the logits: an objective with a weight near zero hardly moves. (For this reason,
        # the rule "evidence" uses the gradient with respect to the weights.)
        gradient = through_softmax(torch.softmax(alpha, 0), estimate)
        mean = self._mean.lerp(gradient, 1 - self.betas[0])
        square = self._square.lerp(gradient**2, 1 - self.betas[1])
        updates = self._updates + 1
        keep_if(finite, [(self._mean, mean), (self._square, square), (self._updates, updates)])
        # The pull is multiplied by the learning rate, as in decoupled weight decay, so that it is independent of the
        # gradient scale.
        return alpha - self.lr * (self._step(mean, square, updates) + self.pull * (alpha - origin))

    def _step(self, mean: Tensor, square: Tensor, updates: Tensor) -> Tensor:
        """The running mean in units of the running root mean square, shrunk if it is not significant."""
        tiny = torch.finfo(mean.dtype).tiny
        # Both means start at zero; without the correction the first steps would be too small by different factors.
        average = mean / (1 - self.betas[0] ** updates)
        second = square / (1 - self.betas[1] ** updates)
        if self.confidence:
            average = average * _significance(average, second, self.betas[0] ** updates, self.betas[0], self.confidence)
        size = second if self.size == "entry" else second.mean()
        return average / size.sqrt().clamp_min(tiny)


def _significance(mean: Tensor, second: Tensor, faded: Tensor, beta: float, confidence: float) -> Tensor:
    """Significant fraction of the step: ``max(0, 1 - (z e / m)^2)``.

    An exponential mean with decay ``beta`` averages ``(1 + beta)(1 - beta^t) / ((1 - beta)(1 + beta^t))`` updates.
    """
    count = (1 + beta) * (1 - faded) / ((1 - beta) * (1 + faded))
    # The variance of one update divided by the number of averaged updates, minus one for the estimated mean. A single
    # update has no variance: its error is set to a large value, so that it does not count.
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


class SoftmaxWeighting(Weighting):
    """``weights = floor + (1 - K floor) softmax(alpha)``; ``alpha`` follows a gradient by a scale-free rule.

    The size of a hypergradient depends on the proximal strength, the solver and the losses' units, so a raw learning
    rate would be meaningless: both rules are invariant to the scale of the hypergradient. A hypergradient is also
    noisy: ``rule="evidence"`` gives each logit ``lr`` per standard error of the evidence so far
    (:class:`EvidenceRule`), ``rule="adam"`` takes steps along a running mean (:class:`AdamRule`).

    Args:
        names: Names of the objectives.
        rule: ``"evidence"`` or ``"adam"``.
        lr: Logit per standard error (0.5 if not given), or per update (0.02).
        confidence: Standard errors below which an entry does not count; 1 for ``"evidence"``, 0 for ``"adam"``.
        floor: Minimum weight of an objective, below ``1 / K``, so that no objective is lost by chance.
        prior: Weights to start from, by name or in order; equal if not given.
        memory: For the rule ``"evidence"``: decay of a gradient's weight per later gradient; 1 if not given.
        warmup: For the rule ``"evidence"``: number of first gradients with reduced weight; 20 if not given.
        betas: For the rule ``"adam"``: decay of the running mean and mean square; 0.9 and 0.99 if not given.
        size: For the rule ``"adam"``: ``"joint"`` (if not given) or ``"entry"``.
        pull: For the rule ``"adam"``: decay of the distance to the prior per update, in units of ``lr``.

    Raises:
        ConfigError: If an option is out of range, or belongs to the other rule.
    """

    prior_option = "prior"

    alpha: Tensor
    _origin: Tensor

    def __init__(
        self,
        names: Sequence[str],
        *,
        rule: Literal["evidence", "adam"] = "evidence",
        lr: float | None = None,
        confidence: float | None = None,
        floor: float = 0.0,
        prior: Mapping[str, float] | Sequence[float] | None = None,
        memory: float | None = None,
        warmup: int | None = None,
        betas: tuple[float, float] | None = None,
        size: Literal["entry", "joint"] | None = None,
        pull: float | None = None,
    ) -> None:
        """Start from the prior."""
        super().__init__(names)
        least = f"must be at least 0 and below 1/K = {1 / len(self.names):.3g}"
        check_options(
            (0 <= floor * len(self.names) < 1, "floor", floor, least),
            (rule in _RULES, "rule", rule, f"is unknown. Rules: {', '.join(_RULES)}"),
        )
        self.floor = floor
        # Only given options are passed, so that each rule keeps its own defaults.
        own = {"memory": memory, "warmup": warmup, "betas": betas, "size": size, "pull": pull}
        options = {"lr": lr, "confidence": confidence} | own
        self.rule = _rule(rule, len(self.names), {key: value for key, value in options.items() if value is not None})
        origin = _logits(self.names, prior, floor)
        self.register_buffer("alpha", origin)
        self.register_buffer("_origin", origin.clone())

    @property
    def weights(self) -> Tensor:
        """The K weights."""
        return self.floor + (1 - self.floor * len(self.names)) * torch.softmax(self.alpha, 0)

    @abstractmethod
    def estimate(self, signals: Signals) -> Tensor | None:
        """The derivative of the minimised loss with respect to the weights, or ``None`` if this step has none.

        Args:
            signals: The measurements of the step.
        """

    def update(self, signals: Signals) -> None:
        """One step of the logits; skipped if the gradient is missing or not finite."""
        given = self.estimate(signals)
        if given is None:
            return
        # The common part is removed, because it does not move the weights. If only its rounding error is left, a few
        # units in the last place of the largest entry, the result is zero: a scale-free rule would amplify it and
        # separate identical objectives.
        estimate = given.to(self.alpha)
        centred = estimate - estimate.mean()
        rounding = 4 * torch.finfo(estimate.dtype).eps * estimate.abs().max()
        estimate = torch.where(centred.abs() <= rounding, torch.zeros_like(centred), centred)
        # All or nothing: if one entry is missing, the other centred entries are wrong as well. Decided on the device.
        finite = estimate.isfinite().all()
        moved = self.rule.move(self.alpha, self._origin, torch.where(finite, estimate, 0.0), finite)
        keep_if(finite, [(self.alpha, moved)])


_RULES: Final[dict[str, type[AdamRule | EvidenceRule]]] = {"evidence": EvidenceRule, "adam": AdamRule}


def _rule(name: str, count: int, options: Mapping[str, object]) -> LogitRule:
    for other, own in _OWN.items():
        for option in own:
            if other != name and option in options:
                reason = f"is an option of rule {other!r}; rule {name!r} does not have it"
                raise OptionError(option, options[option], reason, owner="weighting")
    return _RULES[name](count, **options)  # type: ignore[arg-type] # checked by the rule


def _logits(names: Sequence[str], prior: Mapping[str, float] | Sequence[float] | None, floor: float) -> Tensor:
    if prior is None:
        return torch.zeros(len(names))
    values = torch.tensor(check_weights(names, prior))
    # The inverse of `weights`: the softmax distributes the part above the floor.
    free = values / values.sum() - floor
    if not bool((free > 0).all()):
        reason = f"must be above the floor, {floor:g}, in every entry; an objective cannot start at zero"
        raise OptionError("prior", prior, reason, owner="weighting")
    return (free / free.sum()).log()
