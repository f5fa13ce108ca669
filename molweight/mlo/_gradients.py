"""Gradients of the levels' losses as pure functions for the loop, and results shared by losses."""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import accumulate, zip_longest
from typing import Final, Protocol, TypeAlias

import torch
from torch import Tensor
from torch.autograd import forward_ad

from molweight.errors import ConfigError, suggest
from molweight.mlo._curvature import pull_back
from molweight.mlo._vectors import Layout, LossFn, Params, attach, check_scalar, gradient_parts, value_and_gradient

__all__ = [
    "Cut",
    "ObjectiveGradients",
    "SharedObjectives",
    "loss_scales",
    "losses_of",
    "mean_gradient",
    "objective_gradients",
    "ordered_objectives",
    "push",
]

Read: TypeAlias = Callable[[Hashable], tuple[Tensor, ...]]
"""Maps the key of a shared result to its tensors."""
_FEW: Final = 2
"""Up to this number of objectives, separate backward passes cost no more than a joint one plus a forward-mode pass."""


class Trunk(Protocol):
    """Maps the variables and the key of a shared result to its tensors."""

    def __call__(self, params: Params, key: Hashable) -> tuple[Tensor, ...]:
        """The tensors of one result."""


@dataclass(frozen=True)
class SharedObjectives(Mapping[str, LossFn]):
    """Objectives with shared intermediate results: ``loss_k = head_k(variables, z)`` with ``z = trunk(variables)``.

    As a mapping, it returns each loss as a pure function of the variables that computes its shared results itself.
    :class:`Loop`, its curvature products and its hypergradient compute each shared result once for all objectives,
    forward and backward. The derivatives are the same up to rounding.

    Args:
        heads: By name, a pure function of the variables and of ``read``, which returns the tensors of a shared result
            by its key. A head may also use the variables directly.
        trunk: Maps the variables and a key to the tensors of that result.
        readers: Names of the objectives that may call ``read``.
        uses: By name, the variables that a head may use directly; all of them if it is not listed. With many
            objectives, each with its own variables, this keeps the cost of a step proportional to their number.

    Example:
        Two objectives on one encoding:

        >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> objectives = SharedObjectives(
        ...     {"sum": lambda p, read: read("x")[0].sum(), "size": lambda p, read: (read("x")[0] ** 2).mean()},
        ...     trunk=lambda p, key: (x @ p["w"],),
        ...     readers=["sum", "size"],
        ... )
        >>> objectives["size"]({"w": torch.ones(2)}).item()
        29.0
    """

    heads: Mapping[str, Callable[[Params, Read], Tensor]]
    trunk: Trunk
    readers: Collection[str]
    uses: Mapping[str, Collection[str]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> LossFn:
        """A single loss."""
        head = self.heads[name]
        return lambda params: head(params, self.reading(params))

    def __iter__(self) -> Iterator[str]:
        """The names, in order."""
        return iter(self.heads)

    def __len__(self) -> int:
        """Number of objectives."""
        return len(self.heads)

    def reading(self, params: Params) -> Read:
        """Functions that compute each shared result at ``params`` on first use."""
        found: dict[Hashable, tuple[Tensor, ...]] = {}

        def read(key: Hashable) -> tuple[Tensor, ...]:
            if key not in found:
                found[key] = self.trunk(params, key)
            return found[key]

        return read

    def select(self, names: Iterable[str]) -> "SharedObjectives":
        """The objectives of these names, in this order."""
        return replace(self, heads={name: self.heads[name] for name in names})

    def restricted(self, variables: Collection[str]) -> "SharedObjectives":
        """The same losses as functions of a larger set of variables, of which they use only the named ones."""

        def own(params: Params) -> Params:
            return {name: params[name] for name in variables}

        def bound(head: Callable[[Params, Read], Tensor]) -> Callable[[Params, Read], Tensor]:
            return lambda params, read: head(own(params), read)

        def trunk(params: Params, key: Hashable) -> tuple[Tensor, ...]:
            return self.trunk(own(params), key)

        return replace(self, heads={name: bound(head) for name, head in self.heads.items()}, trunk=trunk)


def losses_of(objectives: Mapping[str, LossFn], params: Params) -> Iterator[Tensor]:
    """The losses in order; each shared result is computed once.

    Args:
        objectives: Loss per name.
        params: The variables.
    """
    if not isinstance(objectives, SharedObjectives):
        return (objective(params) for objective in objectives.values())
    read = objectives.reading(params)
    return (head(params, read) for head in objectives.heads.values())


class Cut:
    """Shared results as leaves: losses are differentiated up to them, and the cotangents are then pulled back.

    Args:
        objectives: Objectives with shared results.
        params: Leaves that require gradients.
    """

    def __init__(self, objectives: SharedObjectives, params: Params) -> None:
        """Store the arguments; nothing is computed yet."""
        self._objectives, self._params = objectives, params
        self._variables = list(params.values())
        self._places = {name: place for place, name in enumerate(params)}
        self._outputs: dict[Hashable, tuple[Tensor, ...]] = {}
        self._leaves: dict[Hashable, tuple[Tensor, ...]] = {}

    def gradient(self, name: str, label: str) -> tuple[Tensor, dict[int, Tensor], list[Tensor | None]]:
        """A loss, and its derivatives with respect to the variables and to the shared results used so far.

        The derivatives with respect to the variables are indexed by position, without those that are zero.

        Args:
            name: Name of the objective.
            label: Its name in messages.

        Raises:
            ConfigError: If the loss is not a scalar that depends on the variables.
        """
        value = check_scalar(label, self._objectives.heads[name](self._params, self._read))
        leaves = [leaf for leaves in self._leaves.values() for leaf in leaves]
        # Autograd visits every requested input: all variables for each of K heads would cost K squared.
        own = self._objectives.uses.get(name, self._params)
        places = [self._places[used] for used in own if used in self._places]
        parts = gradient_parts(value, [*(self._variables[place] for place in places), *leaves], label)
        direct = {place: part for place, part in zip(places, parts, strict=False) if part is not None}
        return value.detach(), direct, parts[len(places) :]

    def pull(self, cotangents: Sequence[Tensor | None], *, again: bool = True) -> list[Tensor]:
        """One backward pass through the shared results: one tensor per variable.

        Args:
            cotangents: One for each shared tensor in use, in order; missing ones count as zero.
            again: Whether the graph is kept for further passes.
        """
        outputs = [output for outputs in self._outputs.values() for output in outputs]
        pairs = [(out, seed) for out, seed in zip(outputs, cotangents, strict=False) if seed is not None]
        outputs, seeds = [out for out, _ in pairs], [seed for _, seed in pairs]
        return pull_back(outputs, list(self._params.values()), seeds, again=again)

    def push(self, along: Params) -> list[Tensor]:
        """Directional derivative of each shared tensor in use, in order.

        Args:
            along: The direction, by name.
        """
        trunks = [partial(self._objectives.trunk, key=key) for key in self._leaves]
        return [part for trunk in trunks for part in push(trunk, self._params, along)]

    def _read(self, key: Hashable) -> tuple[Tensor, ...]:
        if key not in self._leaves:
            self._outputs[key] = outputs = self._objectives.trunk(self._params, key=key)
            self._leaves[key] = tuple(output.detach().requires_grad_() for output in outputs)
        return self._leaves[key]


def push(function: Callable[[Params], tuple[Tensor, ...]], at: Params, tangents: Params) -> list[Tensor]:
    """Jacobian-vector product of a function of named tensors; detached.

    The values are computed a second time. If tangents were computed together with values that are differentiated later,
    autograd would record them as well, which would double the memory and save no time.

    Args:
        function: Maps variables to tensors.
        at: The point.
        tangents: The direction, by name.

    Example:
        >>> x = torch.tensor(3.0, requires_grad=True)
        >>> push(lambda p: (p["x"] ** 2,), {"x": x}, {"x": torch.tensor(1.0)})
        [tensor(6.)]
    """
    try:
        with torch.no_grad(), forward_ad.dual_level():
            duals = function({name: _dual(at[name].detach(), tangents[name]) for name in at})
            return [_tangent(dual).detach() for dual in duals]
    except NotImplementedError:  # an operator does not support forward mode
        return _push_by_pulling_twice(function, at, tangents)


def _dual(value: Tensor, tangent: Tensor) -> Tensor:
    dual: Tensor = forward_ad.make_dual(value, tangent)  # type: ignore[no-untyped-call]  # torch's own
    return dual


def _tangent(dual: Tensor) -> Tensor:
    value, tangent = forward_ad.unpack_dual(dual)  # type: ignore[no-untyped-call]  # torch's own
    return torch.zeros_like(value) if tangent is None else tangent


def _push_by_pulling_twice(
    function: Callable[[Params], tuple[Tensor, ...]], at: Params, tangents: Params
) -> list[Tensor]:
    """``u -> J^T u`` is linear, so its derivative in a direction is ``J`` times that direction, whatever ``u`` is."""
    with torch.enable_grad():
        leaves = attach(at)
        outputs = function(leaves)
        dummies = [torch.zeros_like(output, requires_grad=True) for output in outputs]
        inputs = list(leaves.values())
        pulled = torch.autograd.grad(outputs, inputs, dummies, create_graph=True, materialize_grads=True)
    return pull_back(pulled, dummies, [tangents[name] for name in at])


@dataclass(frozen=True)
class ObjectiveGradients:
    """Results of the backward passes of level 1; detached.

    Args:
        total: ``sum_k weights_k g_k``, flat.
        losses: K losses.
        norms: K norms ``|g_k|`` over the leading block; ``None`` if the gradients were not computed individually.
        reach: K norms of the derivatives with respect to shared results, and to the leading block if it is used
            directly: zero if ``|g_k|`` is zero, but on a different scale.
        slopes: K inner products ``<g_k, direction>``, or ``None`` without a direction.
        rows: The K gradients, ``K x n``, if requested.
    """

    total: Tensor
    losses: Tensor
    norms: Tensor | None
    reach: Tensor
    slopes: Tensor | None
    rows: Tensor | None


def ordered_objectives(names: tuple[str, ...], given: Mapping[str, LossFn]) -> Mapping[str, LossFn]:
    """The losses in the order of the weighting's objectives, as in every vector of K numbers.

    Args:
        names: Names of the weighting's objectives.
        given: Loss per name.

    Raises:
        ConfigError: If objectives are unknown or missing; names them.
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
    """The mean of several losses with its flat gradient; only one graph is in memory at a time.

    Args:
        losses: At least one loss.
        params: Leaves that require gradients.
        name: Name of the losses in messages.
    """
    layout, values = Layout.of(params), []
    total = next(iter(params.values())).new_zeros(layout.size)
    # One backward pass per loss: differentiating the stacked mean would need all graphs at the same time.
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

    Independent objectives have a backward pass each, one at a time, so that only one graph is in memory; norms and
    inner products are then free. Objectives with shared results (:class:`SharedObjectives`) have a backward pass each
    up to these results, and one through them for all. With ``z`` a result, ``J`` its Jacobian and ``q`` the direction,
    ``<g_k, q> = <d loss_k / d z, J q> + <partial g_k, q>``: one forward-mode product for all k. If gradients are needed
    individually (``norms``, ``keep_rows``), or with only two such objectives, for which it is as cheap, each has its
    own backward pass through the shared results.

    Args:
        objectives: Loss per name; taken in this order.
        params: Variables of level 1.
        weights: K weights.
        direction: ``q1``, flat over ``params``, or ``None``.
        block: Number of leading entries for the norms, i.e. the shared encoder; 0 for all.
        keep_rows: Whether to return all gradients (K times the memory of the parameters).
        norms: Whether to compute norms of whole gradients even if that costs more.
    """
    passes = _Passes(params, direction, block=block, keep_rows=keep_rows)
    by_name = dict(zip(objectives, weights, strict=True))
    readers = [name for name in objectives if name in getattr(objectives, "readers", ())]
    if isinstance(objectives, SharedObjectives) and len(readers) > 1:
        # First and separately, so that the graph of their shared results is freed before other objectives build theirs.
        separate = norms or keep_rows or (direction is not None and len(readers) <= _FEW)
        (passes.one_by_one if separate else passes.together)(objectives.select(readers), by_name)
    for name, weight in by_name.items():
        if name not in passes.found:
            passes.alone(name, objectives[name], weight)
    return passes.gradients(list(objectives))


@dataclass
class _Found:
    """Measurements of one objective."""

    loss: Tensor
    reach: Tensor
    norm: Tensor | None = None
    slope: Tensor | None = None
    row: Tensor | None = None


class _Passes:
    """The backward passes of a step, and their accumulated results."""

    def __init__(self, params: Params, direction: Tensor | None, *, block: int, keep_rows: bool) -> None:
        self.params, self.direction, self.keep_rows = params, direction, keep_rows
        self.layout = Layout.of(params)
        self.block = block or self.layout.size
        self.leading = sum(end <= self.block for end in accumulate(self.layout.sizes))
        self.total = next(iter(params.values())).new_zeros(self.layout.size)
        self.found: dict[str, _Found] = {}

    def alone(self, name: str, objective: LossFn, weight: Tensor) -> None:
        """A single objective."""
        value, parts = value_and_gradient(objective, self.params, _label(name))
        self.found[name] = self._whole(value, parts, weight)

    def one_by_one(self, objectives: SharedObjectives, weights: Mapping[str, Tensor]) -> None:
        """Objectives with shared results, each pulled back through them separately."""
        cut = Cut(objectives, self.params)
        for name in objectives:
            value, direct, read = cut.gradient(name, _label(name))
            pulled = cut.pull(read)
            parts = [direct[place] + part if place in direct else part for place, part in enumerate(pulled)]
            self.found[name] = replace(self._whole(value, parts, weights[name]), reach=self._reach(direct, read))

    def together(self, objectives: SharedObjectives, weights: Mapping[str, Tensor]) -> None:
        """Objectives with shared results, with one joint pass through them."""
        cut = Cut(objectives, self.params)
        totals = self.layout.split(self.total)
        # Split once, because a layout has as many tensors as all heads together.
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
        # The graph is freed here, because the tangents below are computed from a forward pass of their own.
        self.total += self.layout.join(cut.pull(weighted, again=False))
        if self.direction is not None:
            tangents = cut.push(self.layout.unravel(self.direction))
            for name, read in reads.items():
                found = self.found[name]
                found.slope = _inner(read, tangents) + (0 if found.slope is None else found.slope)

    def gradients(self, names: Sequence[str]) -> ObjectiveGradients:
        """The results, in the order of ``names``."""
        found = [self.found[name] for name in names]

        def stacked(field: str) -> Tensor | None:
            parts = [getattr(one, field) for one in found]
            return None if any(part is None for part in parts) else torch.stack(parts)

        losses, reach = (torch.stack([getattr(one, field) for one in found]) for field in ("loss", "reach"))
        return ObjectiveGradients(self.total, losses, stacked("norm"), reach, stacked("slope"), stacked("row"))

    def _whole(self, value: Tensor, parts: Sequence[Tensor], weight: Tensor) -> "_Found":
        gradient = self.layout.join(parts)
        # A 0-dim tensor as factor: `alpha=float(weight)` would synchronise with the device once per objective.
        self.total.addcmul_(gradient, weight)
        # Over the encoder alone, because a head may have a gradient even if the encoder has none.
        norm = gradient[: self.block].norm()
        # The gradient is known here, so the last product of the hypergradient is one dot product per objective.
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
    """Inner product; missing trailing entries of ``parts``, and ``None``, count as zero."""
    pairs = zip(parts, tangents, strict=False)
    terms = [part.flatten() @ tangent.flatten() for part, tangent in pairs if part is not None]
    return torch.stack(terms).sum() if terms else tangents[0].new_zeros(())


def loss_scales(objectives: Mapping[str, LossFn], params: Params) -> Tensor:
    """Magnitude of each loss at ``params``, as K positive numbers; 1 if a loss is zero or not finite."""
    with torch.no_grad():
        sizes = torch.stack([loss.abs() for loss in losses_of(objectives, params)])
    # A loss that starts at zero or at infinity has no scale: it keeps a factor of one.
    return torch.where(sizes.isfinite() & (sizes > 0), sizes, 1.0)
