"""Objectives that are functions of common results, such as the encoding of a batch: each result is computed once."""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol, TypeAlias

import torch
from torch import Tensor
from torch.autograd import forward_ad

from molweight.mlo._checks import check_scalar
from molweight.mlo._curvature import pull_back
from molweight.mlo._vectors import LossFn, Params, attach, gradient_parts

__all__ = ["Cut", "SharedObjectives", "losses_of", "value_and_push"]

Read: TypeAlias = Callable[[Hashable], tuple[Tensor, ...]]
"""From the key of a shared result to its tensors."""


class Trunk(Protocol):
    """From the variables and the key of a shared result to its tensors."""

    def __call__(self, params: Params, key: Hashable) -> tuple[Tensor, ...]:
        """The tensors of one result."""


@dataclass(frozen=True)
class SharedObjectives(Mapping[str, LossFn]):
    """Objectives, some of which read the same results: ``loss_k = head_k(variables, z)`` with ``z = trunk(variables)``.

    Used as a mapping, it gives each loss as a pure function of the variables that computes what it reads by itself.
    :class:`Loop`, its curvature products and its hypergradient compute each shared result once for all objectives,
    forward and backward. The derivatives are the same up to rounding.

    Args:
        heads: By name, a pure function of the variables and of ``read``, which gives the tensors of a shared result by
            its key. A head may use the variables in any other way too.
        trunk: From the variables and a key to the tensors of that result.
        readers: Names of the objectives that may call ``read``.
        uses: By name, the variables that a head may use itself; all of them where it is not listed. With many
            objectives, each with variables of its own, this keeps the cost of a step proportional to their number.

    Example:
        Two objectives of one encoding:

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
        """One loss by itself."""
        head = self.heads[name]
        return lambda params: head(params, self.reading(params))

    def __iter__(self) -> Iterator[str]:
        """The names, in order."""
        return iter(self.heads)

    def __len__(self) -> int:
        """Number of objectives."""
        return len(self.heads)

    def reading(self, params: Params) -> Read:
        """What computes each shared result at ``params`` when it is first read."""
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
        """The same losses as functions of more variables, of which they see those named."""

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
        params: Where.
    """
    if not isinstance(objectives, SharedObjectives):
        return (objective(params) for objective in objectives.values())
    read = objectives.reading(params)
    return (head(params, read) for head in objectives.heads.values())


class Cut:
    """Shared results as leaves: losses are differentiated up to them, and what they gave is then pulled through.

    Args:
        objectives: Objectives that read the same results.
        params: Leaves that require gradients.
        along: A direction of the variables by name, if :meth:`push` will be asked how the shared results change along
            it; ``None`` if not.
    """

    def __init__(self, objectives: SharedObjectives, params: Params, along: Params | None = None) -> None:
        """Nothing is computed yet."""
        self._along = along
        self._tangents: dict[Hashable, list[Tensor]] = {}
        self._objectives, self._params = objectives, params
        self._variables = list(params.values())
        self._places = {name: place for place, name in enumerate(params)}
        self._outputs: dict[Hashable, tuple[Tensor, ...]] = {}
        self._leaves: dict[Hashable, tuple[Tensor, ...]] = {}

    def gradient(self, name: str, label: str) -> tuple[Tensor, dict[int, Tensor], list[Tensor | None]]:
        """A loss, its derivatives with respect to the variables, and those with respect to what was read so far.

        The derivatives with respect to the variables are given by position, without those that are zero.

        Args:
            name: Name of the objective.
            label: What it is called in messages.

        Raises:
            ConfigError: If the loss is not a scalar that depends on the variables.
        """
        value = check_scalar(label, self._objectives.heads[name](self._params, self._read))
        leaves = [leaf for leaves in self._leaves.values() for leaf in leaves]
        # Autograd looks at every input it is asked for: all variables for each of K heads would be K squared.
        own = self._objectives.uses.get(name, self._params)
        places = [self._places[used] for used in own if used in self._places]
        parts = gradient_parts(value, [*(self._variables[place] for place in places), *leaves], label)
        direct = {place: part for place, part in zip(places, parts, strict=False) if part is not None}
        return value.detach(), direct, parts[len(places) :]

    def pull(self, cotangents: Sequence[Tensor | None]) -> list[Tensor]:
        """One backward pass through the shared results: one tensor per variable.

        Args:
            cotangents: For each tensor that was read, in order; the rest is taken as zero.
        """
        outputs = [output for outputs in self._outputs.values() for output in outputs]
        pairs = [(out, seed) for out, seed in zip(outputs, cotangents, strict=False) if seed is not None]
        return pull_back([out for out, _ in pairs], list(self._params.values()), [seed for _, seed in pairs])

    def push(self) -> list[Tensor]:
        """How each tensor that was read changes along the direction, in order."""
        return [part for parts in self._tangents.values() for part in parts]

    def _read(self, key: Hashable) -> tuple[Tensor, ...]:
        if key not in self._leaves:
            trunk = partial(self._objectives.trunk, key=key)
            if self._along is None:
                outputs = trunk(self._params)
            else:
                outputs, self._tangents[key] = value_and_push(trunk, self._params, self._along)
            self._outputs[key] = outputs
            self._leaves[key] = tuple(output.detach().requires_grad_() for output in outputs)
        return self._leaves[key]


def value_and_push(
    function: Callable[[Params], tuple[Tensor, ...]], at: Params, tangents: Params
) -> tuple[tuple[Tensor, ...], list[Tensor]]:
    """A function of named tensors and its Jacobian-vector product, from one evaluation.

    The values can be differentiated by reverse mode; the products are detached.

    Args:
        function: From variables to tensors.
        at: The point: leaves that require gradients.
        tangents: The direction, by name.

    Example:
        >>> x = torch.tensor(3.0, requires_grad=True)
        >>> (value,), (slope,) = value_and_push(lambda p: (p["x"] ** 2,), {"x": x}, {"x": torch.tensor(1.0)})
        >>> value.item(), slope.item(), torch.autograd.grad(value, x)[0].item()
        (9.0, 6.0, 6.0)
    """
    try:
        # One evaluation for both: by itself, forward mode would compute the values a second time.
        with forward_ad.dual_level():
            duals = function({name: _dual(at[name], tangents[name]) for name in at})
            return tuple(_primal(dual) for dual in duals), [_tangent(dual).detach() for dual in duals]
    except NotImplementedError:  # an operator without forward mode
        return function(at), _push_by_pulling_twice(function, at, tangents)


def _primal(dual: Tensor) -> Tensor:
    primal: Tensor = forward_ad.unpack_dual(dual)[0]  # type: ignore[no-untyped-call]  # torch's own
    return primal


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
