"""Named tensors, flat vectors for the solvers, and checks of both."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import torch
from torch import Tensor

from molweight.errors import ConfigError

__all__ = [
    "Layout",
    "LossFn",
    "Params",
    "attach",
    "check_deterministic",
    "check_frozen",
    "check_leaves",
    "check_levels",
    "check_same_place",
    "check_scalar",
    "check_variables",
    "gradient_parts",
    "value_and_gradient",
]


Params: TypeAlias = dict[str, Tensor]
"""The variables of one level: names to tensors of one floating dtype on one device."""


LossFn: TypeAlias = Callable[[Params], Tensor]
"""Pure function of a level's variables, bound to its batch and random numbers, returning a scalar."""


@dataclass(frozen=True)
class Layout:
    """Layout of named tensors in one flat vector: in their order, each row-major.

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
        """Total number of entries."""
        return sum(self.sizes)

    def ravel(self, params: Mapping[str, Tensor]) -> Tensor:
        """The flat vector of ``params``, which must contain every name of this layout."""
        return self.join(params[name] for name in self.names)

    def join(self, tensors: Iterable[Tensor]) -> Tensor:
        """The flat vector of tensors in this layout's order."""
        return torch.cat([tensor.reshape(-1) for tensor in tensors])

    def split(self, flat: Tensor) -> list[Tensor]:
        """The tensors in ``flat``, as views, in order."""
        return [part.view(shape) for part, shape in zip(torch.split(flat, self.sizes), self.shapes, strict=True)]

    def unravel(self, flat: Tensor) -> Params:
        """The named tensors in ``flat``, as views."""
        return dict(zip(self.names, self.split(flat), strict=True))

    def spans(self, names: Iterable[str]) -> list[slice]:
        """Slices of the tensors of ``names`` in the flat vector; adjacent ones are merged.

        Example:
            >>> layout = Layout.of({"a": torch.zeros(2), "b": torch.zeros(3), "c": torch.zeros(1), "d": torch.zeros(1)})
            >>> layout.spans(["b", "a", "d"])
            [slice(0, 5, None), slice(6, 7, None)]
        """
        chosen, bounds, start = set(names), list[tuple[int, int]](), 0
        for name, size in zip(self.names, self.sizes, strict=True):
            if name in chosen:
                # Adjacent tensors become one slice, so that an operation needs one kernel instead of one per tensor.
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
        name: Name of the loss in messages.
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
    """Derivatives of a loss; ``None`` if it does not depend on an input.

    Args:
        value: The loss.
        inputs: Tensors to differentiate with respect to.
        name: Name of the loss in messages.
        create_graph: Whether the derivatives can be differentiated again.

    Raises:
        ConfigError: If it depends on no input.
    """
    parts: tuple[Tensor | None, ...] = (None,)
    if value.requires_grad:
        parts = torch.autograd.grad(value, list(inputs), create_graph=create_graph, allow_unused=True)
    # A loss that reads the module's own parameters has a value but no gradient here; with zeros, nothing would be
    # trained, silently.
    if all(part is None for part in parts):
        raise ConfigError(
            f"{name}: the loss does not depend on the level's own variables. Compute it from the tensors it is called "
            "with (torch.func.functional_call), not from the module's own."
        )
    return list(parts)


def check_scalar(level: str, value: Any) -> Tensor:
    """The loss value, checked to be a scalar tensor.

    Raises:
        ConfigError: With the level's name and the remedy.
    """
    if not isinstance(value, Tensor) or value.dim() != 0:
        found = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise ConfigError(f"{level}: the loss must be a scalar tensor, got {found}. Reduce it, e.g. with .mean().")
    return value


def check_deterministic(loss: LossFn, params: Params, name: str = "loss", rtol: float = 1e-5) -> None:
    """Evaluate a loss twice and refuse it if the values differ.

    Every derivative of a step must use the same random numbers; a loss that samples in each call (dropout in train
    mode, an augmentation inside the loss) gives meaningless curvature products.

    Args:
        loss: Function of ``params`` that should be pure.
        params: The point of evaluation.
        name: Its name in the message.
        rtol: Allowed relative difference, because the order of sums is not fixed on an accelerator.

    Raises:
        ConfigError: If the two values differ by more.

    Example:
        >>> check_deterministic(lambda p: (p["w"] ** 2).sum(), {"w": torch.ones(3)})
        >>> check_deterministic(lambda p: (p["w"] * torch.rand(3)).sum(), {"w": torch.ones(3)}, "noisy")
        Traceback (most recent call last):
        ...
        molweight.errors.ConfigError: noisy: two evaluations differ ... Draw all randomness before the loss is built ...
    """
    # Values suffice: a loss that samples again in its second call already has another value; no gradient is needed.
    with torch.no_grad():
        first, second = loss(params), loss(params)
    if not torch.allclose(first, second, rtol=rtol, atol=0.0, equal_nan=True):
        raise ConfigError(
            f"{name}: two evaluations differ ({float(first):.6g} and {float(second):.6g}), so its derivatives would "
            "disagree. Draw all randomness before the loss is built (masks, augmentations, dropout seeds)."
        )


def check_variables(level: str, params: Any) -> None:
    """Refuse variables that are not a non-empty dict of floating-point tensors of one dtype on one device.

    Raises:
        ConfigError: With the level's name and the remedy.
    """
    if not isinstance(params, Mapping) or not all(isinstance(tensor, Tensor) for tensor in params.values()):
        raise ConfigError(
            f"level {level!r}: its variables must be a dict[str, Tensor], got {type(params).__name__}. "
            "Use dict(model.named_parameters())."
        )
    if not params:
        raise ConfigError(f"level {level!r} has no variables. Pass at least one tensor, by name.")
    for name, tensor in params.items():
        if not tensor.is_floating_point():
            raise ConfigError(
                f"level {level!r}: variable {name!r} is {tensor.dtype}, which has no gradient. "
                "Leave integer tensors and buffers out of the variables."
            )
    first, reference = next(iter(params.items()))
    for name, tensor in params.items():
        if tensor.device != reference.device:
            raise ConfigError(
                f"level {level!r}: variable {name!r} is on {tensor.device} but {first!r} is on {reference.device}. "
                "Move the model to one device before its parameters are taken."
            )
        if tensor.dtype != reference.dtype:
            raise ConfigError(
                f"level {level!r}: variable {name!r} is {tensor.dtype} but {first!r} is {reference.dtype}. "
                "Convert the model to one floating-point type."
            )


def check_same_place(level: str, params: Mapping[str, Tensor], other: str, others: Mapping[str, Tensor]) -> None:
    """Refuse two levels whose variables differ in device or dtype.

    Raises:
        ConfigError: With both levels' names and the remedy.
    """
    one, two = next(iter(params.values())), next(iter(others.values()))
    if (one.device, one.dtype) != (two.device, two.dtype):
        raise ConfigError(
            f"level {level!r} is {one.dtype} on {one.device} but level {other!r} is {two.dtype} on {two.device}. "
            "Use one device and one floating-point type for all levels."
        )


def check_frozen(level: str, params: Mapping[str, Tensor]) -> None:
    """Refuse frozen variables among trained ones: they are not variables of the minimisation that is differentiated.

    Plain tensors, none of which requires a gradient, are accepted: frozen variables can be recognised only in a
    mixture.

    Raises:
        ConfigError: With the level's name and the remedy.
    """
    # Only among trained ones: a Hessian over frozen variables belongs to another minimisation problem.
    frozen = [name for name, tensor in params.items() if not tensor.requires_grad]
    if 0 < len(frozen) < len(params):
        raise ConfigError(
            f"level {level!r}: variable {frozen[0]!r} is frozen (requires_grad is False) while others are trained. "
            "Leave frozen tensors out of the variables, or call requires_grad_() on them."
        )


def check_leaves(level: str, params: Mapping[str, Tensor]) -> None:
    """Refuse variables that an optimiser cannot step: frozen ones and results of a computation.

    Raises:
        ConfigError: With the level's name and the remedy.
    """
    for name, tensor in params.items():
        if not tensor.requires_grad:
            raise ConfigError(
                f"level {level!r}: variable {name!r} is frozen (requires_grad is False). "
                "Leave frozen tensors out of the variables, or call requires_grad_() on them."
            )
        if not tensor.is_leaf:
            raise ConfigError(
                f"level {level!r}: variable {name!r} is the result of a computation. "
                "Pass tensor.detach().requires_grad_()."
            )


def check_levels(pretrained: Mapping[str, Tensor], finetuned: Mapping[str, Tensor], *, task: bool) -> tuple[str, ...]:
    """Check all variables, and return the shared names of both levels in the order of ``pretrained``.

    Args:
        pretrained: Variables of level 1.
        finetuned: Variables of level 2; may be empty unless ``task``.
        task: Whether level 2 will be used.

    Raises:
        ConfigError: With the level's and the variable's name.
    """
    check_variables("pretrain", pretrained)
    check_leaves("pretrain", pretrained)
    if not task and not finetuned:
        return ()
    check_variables("finetune", finetuned)
    check_leaves("finetune", finetuned)
    check_same_place("pretrain", pretrained, "finetune", finetuned)
    shared = tuple(name for name in pretrained if name in finetuned)
    if not shared:
        raise ConfigError(
            "levels 'pretrain' and 'finetune' share no variable name. Give the encoder the same names in both."
        )
    for name in shared:
        if pretrained[name].shape != finetuned[name].shape:
            raise ConfigError(
                f"variable {name!r} has shape {tuple(pretrained[name].shape)} at level 'pretrain' and "
                f"{tuple(finetuned[name].shape)} at level 'finetune'."
            )
        # Views of one storage are as bad as one object: a step of level 2 would move level 1. Tensors without storage,
        # on the `meta` device, all have pointer zero.
        one, two = pretrained[name], finetuned[name]
        if one is two or one.data_ptr() == two.data_ptr() != 0:
            raise ConfigError(f"variable {name!r} is the same tensor at both levels. Give level 'finetune' a copy.")
    return shared
