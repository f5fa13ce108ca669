"""Named tensors and the flat vectors the solvers work on."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

import torch
from torch import Tensor

from molweight.errors import ConfigError
from molweight.mlo._checks import check_scalar

__all__ = ["Layout", "LossFn", "Params", "attach", "gradient_parts", "value_and_gradient"]

Params: TypeAlias = dict[str, Tensor]
"""The variables of one level: names to tensors of one floating dtype on one device."""

LossFn: TypeAlias = Callable[[Params], Tensor]
"""Pure function of a level's variables, already bound to its batch and to what was drawn, returning a scalar."""


@dataclass(frozen=True)
class Layout:
    """How named tensors lie in one flat vector: in their order, each row-major.

    Args:
        names: Names of the tensors, in order.
        shapes: Their shapes, in the same order.

    Example:
        >>> layout = Layout.of({"weight": torch.zeros(2, 2), "bias": torch.ones(2)})
        >>> layout.size, layout.ravel({"weight": torch.zeros(2, 2), "bias": torch.ones(2)}).tolist()
        (6, [0.0, 0.0, 0.0, 0.0, 1.0, 1.0])
        >>> layout.unravel(torch.arange(6.0))["bias"].tolist()
        [4.0, 5.0]
    """

    names: tuple[str, ...]
    shapes: tuple[torch.Size, ...]

    @classmethod
    def of(cls, params: Mapping[str, Tensor]) -> Self:
        """The layout of ``params``, in their iteration order."""
        return cls(tuple(params), tuple(tensor.shape for tensor in params.values()))

    @property
    def sizes(self) -> list[int]:
        """Number of entries of each tensor."""
        return [math.prod(shape) for shape in self.shapes]

    @property
    def size(self) -> int:
        """Number of entries in all."""
        return sum(self.sizes)

    def ravel(self, params: Mapping[str, Tensor]) -> Tensor:
        """The flat vector of ``params``, which must have every name of this layout."""
        return self.join(params[name] for name in self.names)

    def join(self, tensors: Iterable[Tensor]) -> Tensor:
        """The flat vector of tensors that are given in this layout's order."""
        return torch.cat([tensor.reshape(-1) for tensor in tensors])

    def split(self, flat: Tensor) -> list[Tensor]:
        """The tensors that ``flat`` holds, as views, in order."""
        return [part.view(shape) for part, shape in zip(torch.split(flat, self.sizes), self.shapes, strict=True)]

    def unravel(self, flat: Tensor) -> Params:
        """The named tensors that ``flat`` holds, as views."""
        return dict(zip(self.names, self.split(flat), strict=True))

    def spans(self, names: Iterable[str]) -> list[slice]:
        """Where the tensors of ``names`` lie in the flat vector; neighbours are merged into one slice.

        Example:
            >>> layout = Layout.of({"a": torch.zeros(2), "b": torch.zeros(3), "c": torch.zeros(1), "d": torch.zeros(1)})
            >>> layout.spans(["b", "a", "d"])
            [slice(0, 5, None), slice(6, 7, None)]
        """
        chosen, bounds, start = set(names), list[tuple[int, int]](), 0
        for name, size in zip(self.names, self.sizes, strict=True):
            if name in chosen:
                # Neighbours become one slice: an operation on it is one kernel instead of one per tensor.
                first = bounds.pop()[0] if bounds and bounds[-1][1] == start else start
                bounds.append((first, start + size))
            start += size
        return [slice(*pair) for pair in bounds]


def attach(params: Mapping[str, Tensor]) -> Params:
    """The same values as fresh leaves that require gradients; the storage is shared, nothing is copied."""
    return {name: tensor.detach().requires_grad_() for name, tensor in params.items()}


def value_and_gradient(
    loss: LossFn, params: Params, name: str, *, create_graph: bool = False
) -> tuple[Tensor, list[Tensor]]:
    """A loss with its gradient, in the order of ``params``; zero where it does not depend on a tensor.

    Args:
        loss: The loss.
        params: Leaves that require gradients.
        name: What the loss belongs to, for messages.
        create_graph: Whether the gradient can be differentiated again.

    Raises:
        ConfigError: If the loss is not a scalar that depends on at least one of ``params``.
    """
    value, tensors = check_scalar(name, loss(params)), list(params.values())
    parts = gradient_parts(value, tensors, name, create_graph=create_graph)
    filled = [torch.zeros_like(x) if part is None else part for x, part in zip(tensors, parts, strict=True)]
    return value.detach(), filled


def gradient_parts(
    value: Tensor, inputs: Sequence[Tensor], name: str, *, create_graph: bool = False
) -> list[Tensor | None]:
    """Derivatives of a loss, ``None`` where it does not depend on an input.

    Args:
        value: The loss.
        inputs: What to differentiate with respect to.
        name: What the loss belongs to, for messages.
        create_graph: Whether the derivatives can be differentiated again.

    Raises:
        ConfigError: If it depends on no input.
    """
    parts: tuple[Tensor | None, ...] = (None,)
    if value.requires_grad:
        parts = torch.autograd.grad(value, list(inputs), create_graph=create_graph, allow_unused=True)
    # A loss that reads the module's own parameters has a value but no gradient here; zeros would train nothing,
    # quietly.
    if all(part is None for part in parts):
        raise ConfigError(
            f"{name}: the loss does not depend on the level's own variables. Compute it from the tensors it is called "
            "with (torch.func.functional_call), not from the module's own."
        )
    return list(parts)
