"""Signals that a weighting learns from: hypergradients, cosines or inner products of gradients."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from molweight.mlo._gradients import ObjectiveGradients, objective_gradients, ordered_objectives
from molweight.mlo._level_graph import LevelGraph
from molweight.mlo._vectors import LossFn
from molweight.mlo.weightings import Needs, Signals, Weighting

__all__ = ["SignalReader"]


@dataclass(frozen=True)
class SignalReader:
    """Signals of a weighting, from the gradients of a step.

    Args:
        weighting: The weighting, with the measurements that it needs.
        graph: The levels.
        direction: ``q1``, the solution of the chain of solves; or the meta gradient for cosines; ``None`` in a step
            without either.
        scales: K divisors of the losses, or ``None``.
    """

    weighting: Weighting
    graph: LevelGraph
    direction: Tensor | None
    scales: Tensor | None

    def read(self, gradients: ObjectiveGradients) -> Signals:
        """Signals of all objectives: ``dF/dw_k = -<g_k, q1>``, or cosines, or inner products of the gradients.

        Args:
            gradients: The objectives' gradients.
        """
        return self._read(gradients, self.scales)

    def mixed(self, signals: Signals, objectives: Mapping[str, LossFn], share: float) -> Signals:
        """The signals, mixed with those of other losses.

        Args:
            signals: Signals of the losses that level 1 minimises.
            objectives: The other losses, of some objectives or all; the signals are unchanged if there are none.
            share: Share of the other losses.
        """
        if not objectives or self.direction is None:
            return signals
        names = self.weighting.names
        given = ordered_objectives(tuple(name for name in names if name in objectives), objectives)
        places = torch.tensor([names.index(name) for name in given], device=self.direction.device)
        norms, none = self.weighting.needs is Needs.ALIGNMENT, self.direction.new_zeros(len(given))
        variables, block = self.graph.pretrained, self.graph.block
        gradients = objective_gradients(given, variables, none, self.direction, block=block, norms=norms)
        other = self._read(gradients, None if self.scales is None else self.scales[places])
        changed = {}
        for name in ("hypergradient", "alignment"):
            mine, theirs = getattr(signals, name), getattr(other, name)
            if mine is not None and theirs is not None:
                changed[name] = mine.index_copy(0, places, mine[places].lerp(theirs, share))
        return replace(signals, **changed)

    def _read(self, gradients: ObjectiveGradients, scales: Tensor | None) -> Signals:
        inverse = torch.ones_like(gradients.losses) if scales is None else 1 / scales
        losses, norms = gradients.losses * inverse, None if gradients.norms is None else gradients.norms * inverse
        if gradients.rows is not None:
            shared = gradients.rows[:, : self.graph.block or None]
            return Signals(losses, norms, gramian=shared @ shared.T * torch.outer(inverse, inverse))
        if gradients.slopes is None or self.direction is None:
            return Signals(losses, norms)
        if self.weighting.needs is Needs.ALIGNMENT and gradients.norms is not None:
            # The norms are over the encoder alone, as is the direction: heads have no counterpart in the task.
            size = (gradients.norms * self.direction.norm()).clamp_min(torch.finfo(losses.dtype).tiny)
            return Signals(losses, norms, alignment=gradients.slopes / size)
        # Minus: the mixed derivative of the implicit function theorem. Divided by the scale, because a weight
        # multiplies the scaled loss.
        return Signals(losses, norms, hypergradient=-gradients.slopes * inverse)
