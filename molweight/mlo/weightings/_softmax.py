"""Weights as a softmax whose logits follow an estimated gradient."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

import torch
from torch import Tensor, nn

from molweight.errors import OptionError
from molweight.mlo.weightings._base import Signals, Weighting, check_options
from molweight.mlo.weightings._fixed import check_weights

__all__ = ["AdamRule", "EvidenceRule", "LogitRule", "SoftmaxWeighting", "keep_if", "through_softmax"]


class LogitRule(nn.Module, ABC):
    """Moves K logits by gradients whose scale means nothing; everything it remembers is a buffer."""

    @abstractmethod
    def move(self, alpha: Tensor, origin: Tensor, estimate: Tensor, finite: Tensor) -> Tensor:
        """The next logits.

        Args:
            alpha: Logits so far, K.
            origin: Logits of the prior, K.
            estimate: Derivative of what is minimised with respect to ``softmax(alpha)``, centred, K finite numbers.
            finite: Whether the estimate may be used, 0-dim; if not, the buffers are not changed.
        """


def keep_if(finite: Tensor, pairs: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Overwrite each first tensor by the second where ``finite`` holds, without asking the device.

    Args:
        finite: 0-dim, boolean.
        pairs: Buffers and their new values.
    """
    for old, new in pairs:
        old.copy_(torch.where(finite, new, old))


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
        check_options(
            (lr > 0, "lr", lr, "must be positive"),
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


class SoftmaxWeighting(Weighting):
    """``weights = floor + (1 - K floor) softmax(alpha)``; ``alpha`` follows a gradient by a scale-free rule.

    The size of a hypergradient depends on the proximal strength, the solver and the losses' units, so a raw learning
    rate would mean nothing: neither rule changes if the hypergradient is multiplied by any number. A hypergradient is
    also noisy: ``rule="evidence"`` gives each logit ``lr`` per standard error of the evidence so far
    (:class:`EvidenceRule`), ``rule="adam"`` takes steps along a running mean (:class:`AdamRule`).

    Args:
        names: Names of the objectives.
        rule: ``"evidence"`` or ``"adam"``.
        lr: Logit per standard error (0.5 if not given), or per update (0.02).
        confidence: Standard errors below which an entry does not count; 1 for ``"evidence"``, 0 for ``"adam"``.
        floor: Least weight of an objective, below ``1 / K``, so that none dies by accident.
        prior: Weights to start from, by name or in order; equal if not given.
        memory: For the rule ``"evidence"``: factor of a gradient after each later one; 1 if not given.
        warmup: For the rule ``"evidence"``: number of first gradients that count for less; 20 if not given.
        betas: For the rule ``"adam"``: decay of the running mean and mean square; 0.9 and 0.99 if not given.
        size: For the rule ``"adam"``: ``"joint"`` (if not given) or ``"entry"``.
        pull: For the rule ``"adam"``: share of the distance to the prior that is undone per update, in units of ``lr``.

    Raises:
        ConfigError: If an option is out of range, or belongs to the other rule.
    """

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
        # Only options that were given are handed on, so that each rule keeps its own defaults.
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
        """The derivative of what is minimised with respect to the weights, or ``None`` if this step gives none.

        Args:
            signals: What the step measured.
        """

    def update(self, signals: Signals) -> None:
        """One step of the logits; nothing where the gradient is absent or not finite."""
        given = self.estimate(signals)
        if given is None:
            return
        # Without the common part, which moves no weight; zero where only its rounding error is left, a few units in the
        # last place of the largest entry: a scale-free rule would amplify it and tell identical objectives apart.
        estimate = given.to(self.alpha)
        centred = estimate - estimate.mean()
        rounding = 4 * torch.finfo(estimate.dtype).eps * estimate.abs().max()
        estimate = torch.where(centred.abs() <= rounding, torch.zeros_like(centred), centred)
        # All or nothing: with one entry missing, the centred others would be wrong as well. Decided on the device.
        finite = estimate.isfinite().all()
        moved = self.rule.move(self.alpha, self._origin, torch.where(finite, estimate, 0.0), finite)
        keep_if(finite, [(self.alpha, moved)])


_RULES: Final[dict[str, type[AdamRule | EvidenceRule]]] = {"evidence": EvidenceRule, "adam": AdamRule}
_OWN: Final = {"evidence": ("memory", "warmup"), "adam": ("betas", "size", "pull")}


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
    # The inverse of `weights`: what is left above the floor is what the softmax shares out.
    free = values / values.sum() - floor
    if not bool((free > 0).all()):
        reason = f"must be above the floor, {floor:g}, in every entry; an objective cannot start at zero"
        raise OptionError("prior", prior, reason, owner="weighting")
    return (free / free.sum()).log()
