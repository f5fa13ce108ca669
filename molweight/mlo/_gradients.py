"""Gradients of the levels' losses: small pure functions that the loop is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, zip_longest
from typing import Final

import torch
from torch import Tensor

from molweight.errors import ConfigError, suggest
from molweight.mlo._shared import Cut, SharedObjectives, losses_of
from molweight.mlo._vectors import Layout, LossFn, Params, value_and_gradient

__all__ = ["ObjectiveGradients", "loss_scales", "mean_gradient", "objective_gradients", "ordered_objectives"]


@dataclass(frozen=True)
class ObjectiveGradients:
    """What the backward passes of level 1 gave; detached.

    Args:
        total: ``sum_k weights_k g_k``, flat.
        losses: K losses.
        norms: K norms ``|g_k|`` over the leading block; ``None`` where the gradients were not taken one by one.
        reach: K norms of the derivatives with respect to shared results and to the leading block where it is used
            directly: zero where ``|g_k|`` is, but on another scale.
        slopes: K inner products ``<g_k, direction>``, or ``None`` without a direction.
        rows: The K gradients, ``K x n``, if they were kept.
    """

    total: Tensor
    losses: Tensor
    norms: Tensor | None
    reach: Tensor
    slopes: Tensor | None
    rows: Tensor | None


def ordered_objectives(names: tuple[str, ...], given: Mapping[str, LossFn]) -> Mapping[str, LossFn]:
    """The losses in the order of the weighting's objectives, which is that of every vector of K numbers.

    Args:
        names: Names of the weighting's objectives.
        given: Loss per name.

    Raises:
        ConfigError: Naming the objectives that are unknown or missing.
    """
    for name in given:
        if name not in names:
            raise ConfigError(
                f"level 'pretrain': a loss is given for objective {name!r}, which the weighting does not know"
                f"{suggest(name, names)} It was built for: {', '.join(names)}."
            )
    missing = [name for name in names if name not in given]
    if missing:
        raise ConfigError(f"level 'pretrain': no loss is given for objective {', '.join(missing)}.")
    return given.select(names) if isinstance(given, SharedObjectives) else {name: given[name] for name in names}


def mean_gradient(losses: Sequence[LossFn], params: Params, name: str) -> tuple[Tensor, Tensor]:
    """The mean of several losses with its flat gradient; only one graph is alive at any moment.

    Args:
        losses: At least one loss.
        params: Leaves that require gradients.
        name: What the losses belong to, for messages.
    """
    layout, values = Layout.of(params), []
    total = next(iter(params.values())).new_zeros(layout.size)
    # One backward pass per loss: the gradient of the stacked mean would keep all graphs at the same time.
    for loss in losses:
        value, parts = value_and_gradient(loss, params, name)
        # Divided before it is summed, so that many losses cannot overflow what their mean would not.
        total.add_(layout.join(parts), alpha=1 / len(losses))
        values.append(value)
    return torch.stack(values).mean(), total


def objective_gradients(
    objectives: Mapping[str, LossFn],
    params: Params,
    weights: Tensor,
    direction: Tensor | None = None,
    *,
    block: int = 0,
    keep_rows: bool = False,
    norms: bool = False,
) -> ObjectiveGradients:
    """The weighted sum of the objectives' gradients and, with a direction, the inner product of each with it.

    The weighted sum is level 1's own step; the inner product with the solved direction is, up to sign, the derivative
    of the meta loss with respect to that objective's weight, because the weights enter level 1 linearly.

    Objectives that share nothing have a backward pass each, one at a time, so that only one graph is alive at any
    moment; norms and inner products then cost nothing more. Those that read shared results (:class:`SharedObjectives`)
    have a backward pass each up to these results and one through them for all. With ``z`` a result, ``J`` its Jacobian
    and ``q`` the direction, ``<g_k, q> = <d loss_k / d z, J q> + <partial g_k, q>``: one forward-mode product for all
    k. Where gradients are needed one by one (``norms``, ``keep_rows``), or with two readers, for which it is as cheap,
    each has a backward pass of its own through the shared results.

    Args:
        objectives: Loss per name; taken in this order.
        params: Variables of level 1.
        weights: K weights.
        direction: ``q1``, flat over ``params``, or ``None``.
        block: Number of leading entries that the norms are taken over, i.e. the shared encoder; 0 for all.
        keep_rows: Whether to keep all gradients (K times the memory of the parameters).
        norms: Whether to take norms of whole gradients where that costs more.
    """
    passes = _Passes(params, direction, block=block, keep_rows=keep_rows)
    by_name = dict(zip(objectives, weights, strict=True))
    readers = [name for name in objectives if name in getattr(objectives, "readers", ())]
    if isinstance(objectives, SharedObjectives) and len(readers) > 1:
        # First, and on their own: the graph of what they share is freed before other objectives build theirs.
        separate = norms or keep_rows or (direction is not None and len(readers) <= _FEW)
        (passes.one_by_one if separate else passes.together)(objectives.select(readers), by_name)
    for name, weight in by_name.items():
        if name not in passes.found:
            passes.alone(name, objectives[name], weight)
    return passes.gradients(list(objectives))


_FEW: Final = 2
"""Readers of shared results up to which a backward pass each costs no more than one for all and a forward-mode one."""


@dataclass
class _Found:
    """What was measured of one objective."""

    loss: Tensor
    reach: Tensor
    norm: Tensor | None = None
    slope: Tensor | None = None
    row: Tensor | None = None


class _Passes:
    """The backward passes of a step, and what they add up to."""

    def __init__(self, params: Params, direction: Tensor | None, *, block: int, keep_rows: bool) -> None:
        self.params, self.direction, self.keep_rows = params, direction, keep_rows
        self.layout = Layout.of(params)
        self.block = block or self.layout.size
        self.leading = sum(end <= self.block for end in accumulate(self.layout.sizes))
        self.total = next(iter(params.values())).new_zeros(self.layout.size)
        self.found: dict[str, _Found] = {}

    def alone(self, name: str, objective: LossFn, weight: Tensor) -> None:
        """An objective by itself."""
        value, parts = value_and_gradient(objective, self.params, _label(name))
        self.found[name] = self._whole(value, parts, weight)

    def one_by_one(self, objectives: SharedObjectives, weights: Mapping[str, Tensor]) -> None:
        """Objectives that read the same results, each pulled through these by itself."""
        cut = Cut(objectives, self.params)
        for name in objectives:
            value, direct, read = cut.gradient(name, _label(name))
            pulled = cut.pull(read)
            parts = [direct[place] + part if place in direct else part for place, part in enumerate(pulled)]
            self.found[name] = replace(self._whole(value, parts, weights[name]), reach=self._reach(direct, read))

    def together(self, objectives: SharedObjectives, weights: Mapping[str, Tensor]) -> None:
        """Objectives that read the same results, with one pass through these for all."""
        cut = Cut(objectives, self.params, None if self.direction is None else self.layout.unravel(self.direction))
        totals = self.layout.split(self.total)
        # Split once: a layout has as many tensors as all heads together.
        along = None if self.direction is None else self.layout.split(self.direction)
        reads: dict[str, list[Tensor | None]] = {}
        weighted: list[Tensor | None] = []
        for name, weight in ((name, weights[name]) for name in objectives):
            value, direct, reads[name] = cut.gradient(name, _label(name))
            for place, part in direct.items():
                totals[place].addcmul_(part, weight)
            weighted = [_plus(*pair, weight) for pair in zip_longest(weighted, reads[name])]
            slope = _inner(list(direct.values()), [along[place] for place in direct]) if along and direct else None
            self.found[name] = _Found(value, self._reach(direct, reads[name]), slope=slope)
        self.total += self.layout.join(cut.pull(weighted))
        if self.direction is not None:
            tangents = cut.push()
            for name, read in reads.items():
                found = self.found[name]
                found.slope = _inner(read, tangents) + (0 if found.slope is None else found.slope)

    def gradients(self, names: Sequence[str]) -> ObjectiveGradients:
        """Everything, in the order of ``names``."""
        found = [self.found[name] for name in names]

        def stacked(field: str) -> Tensor | None:
            parts = [getattr(one, field) for one in found]
            return None if any(part is None for part in parts) else torch.stack(parts)

        losses, reach = (torch.stack([getattr(one, field) for one in found]) for field in ("loss", "reach"))
        return ObjectiveGradients(self.total, losses, stacked("norm"), reach, stacked("slope"), stacked("row"))

    def _whole(self, value: Tensor, parts: Sequence[Tensor], weight: Tensor) -> "_Found":
        gradient = self.layout.join(parts)
        # A 0-dim tensor as factor: `alpha=float(weight)` would wait for the device once per objective.
        self.total.addcmul_(gradient, weight)
        # Over the encoder alone: a head has a gradient even where the encoder is taught nothing.
        norm = gradient[: self.block].norm()
        # The gradient is at hand, so that the last product of the hypergradient is one dot product per objective.
        slope = None if self.direction is None else gradient @ self.direction
        return _Found(value, norm, norm, slope, gradient if self.keep_rows else None)

    def _reach(self, direct: Mapping[int, Tensor], read: Sequence[Tensor | None]) -> Tensor:
        leading = [part for place, part in direct.items() if place < self.leading]
        sizes = [part.norm() for part in [*leading, *read] if part is not None]
        return torch.stack(sizes).norm() if sizes else self.total.new_zeros(())


def _label(name: str) -> str:
    return f"level 'pretrain', objective {name!r}"


def _plus(total: Tensor | None, part: Tensor | None, weight: Tensor) -> Tensor | None:
    if part is None:
        return total
    return part * weight if total is None else total.addcmul_(part, weight)


def _inner(parts: Sequence[Tensor | None], tangents: Sequence[Tensor]) -> Tensor:
    """Inner product; what is missing at the end of ``parts``, or ``None``, is zero."""
    pairs = zip(parts, tangents, strict=False)
    terms = [part.flatten() @ tangent.flatten() for part, tangent in pairs if part is not None]
    return torch.stack(terms).sum() if terms else tangents[0].new_zeros(())


def loss_scales(objectives: Mapping[str, LossFn], params: Params) -> Tensor:
    """Size of each loss at ``params``, as K positive numbers; one where a loss is zero or not finite."""
    with torch.no_grad():
        sizes = torch.stack([loss.abs() for loss in losses_of(objectives, params)])
    # A loss that starts at zero or at infinity has no scale: it keeps a factor of one.
    return torch.where(sizes.isfinite() & (sizes > 0), sizes, 1.0)
