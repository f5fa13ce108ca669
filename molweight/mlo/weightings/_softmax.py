"""Weights as a softmax whose logits follow an estimated gradient."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import torch
from torch import Tensor

from molweight.errors import OptionError
from molweight.mlo.weightings._base import Signals, Weighting, check_options
from molweight.mlo.weightings._fixed import check_weights
from molweight.mlo.weightings._logit_rule import AdamRule, EvidenceRule, LogitRule, keep_if, through_softmax

__all__ = ["SoftmaxWeighting", "through_softmax"]


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
        memory: Of the rule ``"evidence"``: what a gradient counts for after each later one; 1 if not given.
        warmup: Of the rule ``"evidence"``: number of first gradients that count for less; 20 if not given.
        betas: Of the rule ``"adam"``: decay of the running mean and mean square; 0.9 and 0.99 if not given.
        size: Of the rule ``"adam"``: ``"joint"`` (if not given) or ``"entry"``.
        pull: Of the rule ``"adam"``: share of the distance to the prior that is undone per update, in units of ``lr``.

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
