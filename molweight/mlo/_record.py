"""The record of one step of the three levels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import torch
from torch import Tensor

from molweight.mlo.solvers import Outcome, Stats

__all__ = ["Record"]

_VECTORS: Final = ("losses", "weights", "next_weights", "norms", "reach", "hypergradient")
"""The fields of K numbers, in display order."""

_BY_OPTION: Final = ("learned", "learned_slopes", "next_learned")
"""The fields of one number for each option that is learned."""


@dataclass(frozen=True)
class Record:
    """Measurements of one step: detached tensors, so that storing them needs no synchronisation with the device.

    Args:
        step: 0-based number of the step.
        names: Names of the K objectives; the order of every vector here.
        losses: K objective losses, before the step.
        weights: K weights used in the step; for weightings computed from the step's own gradients, the new ones.
        norms: K norms of the objectives' whole gradients over the shared encoder. They cost a backward pass per
            objective. If objectives share results (:class:`SharedObjectives`), they are computed at every
            ``gradient_norm_interval``-th step and if the weighting needs them, and are ``None`` otherwise.
        reach: K norms of the objectives' gradients with respect to their shared results, and to the encoder if they use
            it directly; at every step. Exactly zero means that the encoder gets no gradient. Their magnitude depends on
            the scale of the encoder's outputs.
        train_loss: Finetuning loss before level 2 moved, without the proximal term; ``None`` if level 2 did not move.
        meta_loss: Meta loss after level 2 moved; ``None`` if no hypergradient was computed.
        hypergradient: K derivatives of the meta loss with respect to the weights, or ``None``.
        solves: Statistics of the solves, by level name (``"finetune"``, ``"pretrain"``).
        next_weights: K weights after the weighting's update, for the next step: the learned weights of a run are those
            of its last record. ``None`` in a history from an older version.
        learned: Value of each learned option before its update; empty if none is learned.
        learned_slopes: Derivative of the meta loss with respect to each, if it was computed.
        next_learned: Value of each after the update.
    """

    step: int
    names: tuple[str, ...]
    losses: Tensor
    weights: Tensor
    norms: Tensor | None = None
    reach: Tensor | None = None
    train_loss: Tensor | None = None
    meta_loss: Tensor | None = None
    hypergradient: Tensor | None = None
    solves: dict[str, Stats] = field(default_factory=dict)
    next_weights: Tensor | None = None
    learned: dict[str, Tensor] = field(default_factory=dict)
    learned_slopes: dict[str, Tensor] = field(default_factory=dict)
    next_learned: dict[str, Tensor] = field(default_factory=dict)

    @property
    def zero_gradient(self) -> tuple[str, ...]:
        """Names of the objectives whose encoder gradient was identically zero (reads the device)."""
        sizes = [] if self.sizes is None else self.sizes.tolist()
        return tuple(name for name, size in zip(self.names, sizes, strict=False) if size == 0)

    @property
    def sizes(self) -> Tensor | None:
        """The norms, or :attr:`reach` if they are missing; both are zero if the encoder gets no gradient."""
        return self.reach if self.norms is None else self.norms

    def summary(self) -> dict[str, Any]:
        """The step as plain numbers for a log or JSON (reads the device).

        Returns:
            ``step``; ``losses``, ``weights``, ``next_weights``, ``reach`` and, if they were computed, ``norms`` and
            ``hypergradient``, each by objective name; ``train_loss`` and ``meta_loss`` if present; ``solves`` by level;
            ``zero_gradient`` if there is any.
        """
        shown: dict[str, Any] = {"step": self.step}
        for key in _VECTORS:
            vector = getattr(self, key)
            if vector is not None:
                shown[key] = dict(zip(self.names, vector.tolist(), strict=True))
        for key in ("train_loss", "meta_loss"):
            scalar = getattr(self, key)
            if scalar is not None:
                shown[key] = float(scalar)
        for key in _BY_OPTION:
            if values := getattr(self, key):
                shown[key] = {name: float(value) for name, value in values.items()}
        if self.solves:
            shown["solves"] = {level: stats.summary() for level, stats in self.solves.items()}
        if self.zero_gradient:
            shown["zero_gradient"] = list(self.zero_gradient)
        return shown

    @classmethod
    def of_summary(cls, shown: Mapping[str, Any]) -> Self:
        """The record of a :meth:`summary`, with float64 tensors on the CPU.

        Args:
            shown: The summary; further keys are ignored.

        Example:
            >>> record = Record(3, ("one", "two"), torch.ones(2), torch.full((2,), 0.5), torch.tensor([1.0, 0.0]))
            >>> Record.of_summary(record.summary()).zero_gradient
            ('two',)
        """

        # float64 represents every written float32 exactly.
        def number(value: float) -> Tensor:
            return torch.tensor(value, dtype=torch.float64)

        names = tuple(shown["losses"])
        vectors = {
            key: torch.tensor([shown[key][name] for name in names], dtype=torch.float64)
            for key in _VECTORS
            if key in shown
        }
        scalars = {key: number(shown[key]) for key in ("train_loss", "meta_loss") if key in shown}
        solves = {level: _stats(stats) for level, stats in shown.get("solves", {}).items()}
        options = {key: {name: number(value) for name, value in shown.get(key, {}).items()} for key in _BY_OPTION}
        fields: dict[str, Any] = {**vectors, **scalars, **options}
        return cls(int(shown["step"]), names, solves=solves, **fields)


def _stats(shown: Mapping[str, Any]) -> Stats:
    residual = torch.tensor(shown["residual"], dtype=torch.float64) if "residual" in shown else None
    code = torch.tensor(int(Outcome[shown["outcome"].upper()]))
    return Stats(torch.tensor(int(shown["iterations"])), residual, code)
