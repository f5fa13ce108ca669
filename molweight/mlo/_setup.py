"""Checks and small steps of the loop."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from molweight.errors import ConfigError
from molweight.mlo._checks import check_leaves, check_same_place, check_variables
from molweight.mlo._vectors import LossFn, Params
from molweight.mlo.solvers import Identity, Solver

__all__ = ["as_list", "check_levels", "check_options", "descend", "restore", "shared_first", "solver_pair", "tensors"]


def shared_first(params: Params, shared: Iterable[str]) -> Params:
    """The same tensors with the shared names in front, so that in flat vectors they are one leading block."""
    front = {name: params[name] for name in shared}
    return front | {name: tensor for name, tensor in params.items() if name not in front}


def descend(optimizer: torch.optim.Optimizer, variables: list[Tensor], gradient: Sequence[Tensor | None]) -> None:
    """One optimiser step along a given gradient; the gradients are not kept.

    Args:
        optimizer: Optimiser of the variables.
        variables: Leaves.
        gradient: One tensor per variable, or ``None`` to leave it.
    """
    for variable, part in zip(variables, gradient, strict=True):
        variable.grad = part
    optimizer.step()
    for variable in variables:
        variable.grad = None


def tensors(params: Params) -> list[Tensor]:
    """The values of ``params`` as a list."""
    return list(params.values())


def restore(level: str, mine: Params, saved: Mapping[str, Tensor]) -> None:
    """Copy saved values into the variables, in place.

    Raises:
        ConfigError: If names or shapes differ.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in mine.items()}
    found = {name: tuple(tensor.shape) for name, tensor in saved.items()}
    if expected != found:
        changed = sorted(set(expected.items()) ^ set(found.items()))
        raise ConfigError(f"the saved state is for other {level} variables; they differ in {changed[:4]}.")
    with torch.no_grad():
        for name, tensor in mine.items():
            tensor.copy_(saved[name])


def check_levels(pretrained: Params, finetuned: Params, *, task: bool) -> tuple[str, ...]:
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
    return one is two or (one.data_ptr() == two.data_ptr() != 0)


def check_options(gamma: float, every: int, *, tied: bool) -> None:
    """Refuse options out of range.

    Args:
        gamma: Strength of the proximal term.
        every: Steps between hypergradients.
        tied: Whether the weights are learned through the proximal term.

    Raises:
        ConfigError: With the option's name.
    """
    if tied and not gamma > 0:
        raise ConfigError(
            f"gamma must be positive, got {gamma}: without it the finetuned encoder is not tied to level 1."
        )
    if not gamma >= 0:
        raise ConfigError(f"gamma must not be negative, got {gamma}.")
    if every < 1:
        raise ConfigError(f"every must be at least 1, got {every}.")


def solver_pair(solver: Solver | Sequence[Solver] | None) -> tuple[Solver, Solver]:
    """One solver per linear system, (finetune, pretrain).

    Raises:
        ConfigError: If a sequence of another length is given.
    """
    if solver is None:
        return Identity(), Identity()
    if isinstance(solver, Solver):
        return solver, solver
    if len(solver) != 2:  # noqa: PLR2004 (there are two systems to solve)
        raise ConfigError(f"give one solver, or a pair (finetune, pretrain); got {len(solver)}.")
    return solver[0], solver[1]


def as_list(given: LossFn | Sequence[LossFn] | None, which: str) -> list[LossFn]:
    """The losses of one kind of one step.

    Args:
        given: One loss or several.
        which: ``"train"`` or ``"meta"``, for the message.

    Raises:
        ConfigError: If there is none.
    """
    losses = [given] if callable(given) else list(given or [])
    if not losses:
        raise ConfigError(f"the coming step needs the {which} loss (see wants_{which}), and none was given.")
    return losses
