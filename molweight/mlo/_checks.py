"""Refusals: each names the level, what was found and the remedy."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from molweight.errors import ConfigError

__all__ = [
    "check_frozen",
    "check_leaves",
    "check_levels",
    "check_same_place",
    "check_scalar",
    "check_variables",
]


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
    _check_uniform(level, params)


def _check_uniform(level: str, params: Mapping[str, Tensor]) -> None:
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

    Plain values, none of which requires a gradient, are accepted: only a mixture tells frozen from trained.

    Raises:
        ConfigError: With the level's name and the remedy.
    """
    # Only among others that are trained: a Hessian over frozen variables is that of another minimisation problem.
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


def check_scalar(level: str, value: Any) -> Tensor:
    """The loss value itself, refused unless it is a scalar tensor.

    Raises:
        ConfigError: With the level's name and the remedy.
    """
    if not isinstance(value, Tensor) or value.dim() != 0:
        found = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise ConfigError(f"{level}: the loss must be a scalar tensor, got {found}. Reduce it, e.g. with .mean().")
    return value


def check_levels(pretrained: Mapping[str, Tensor], finetuned: Mapping[str, Tensor], *, task: bool) -> tuple[str, ...]:
    """The names both levels share, in the order of ``pretrained``, after checking all variables.

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
            one, two = tuple(pretrained[name].shape), tuple(finetuned[name].shape)
            raise ConfigError(f"variable {name!r} has shape {one} at level 'pretrain' and {two} at level 'finetune'.")
        if _same(pretrained[name], finetuned[name]):
            raise ConfigError(f"variable {name!r} is the same tensor at both levels. Give level 'finetune' a copy.")
    return shared


def _same(one: Tensor, two: Tensor) -> bool:
    # Views of one storage are as bad as one object: a step of level 2 would move level 1. Tensors without storage, on
    # the `meta` device, all have pointer zero.
    return one is two or (one.data_ptr() == two.data_ptr() != 0)
