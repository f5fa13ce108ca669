"""The solver of each linear system of a loop."""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from molweight.errors import ConfigError
from molweight.mlo._level_graph import LevelGraph
from molweight.mlo._loop_point import LoopPoint
from molweight.mlo.solvers import AdaptedSolver, Identity, Solver

__all__ = ["adapted", "second_moments", "solver_by_level"]

_LEVELS: Final = ("finetune", "pretrain")


def solver_by_level(solver: Solver | Sequence[Solver] | None) -> dict[str, Solver]:
    """The solver of each linear system, by level name.

    Args:
        solver: One solver for all levels, or a pair (finetune, pretrain); the identity if ``None``.

    Raises:
        ConfigError: If a sequence of another length is given.
    """
    pair = (Identity() if solver is None else solver,) * 2 if solver is None or isinstance(solver, Solver) else solver
    if len(pair) != len(_LEVELS):
        raise ConfigError(f"give one solver, or a pair (finetune, pretrain); got {len(pair)}.")
    return dict(zip(_LEVELS, pair, strict=True))


def adapted(
    solver: Solver,
    level: str,
    at: LoopPoint,
    graph: LevelGraph,
    optimizers: tuple[torch.optim.Optimizer | None, torch.optim.Optimizer],
) -> Solver:
    """A level's solver, adapted to the level's optimiser if the solver supports it.

    Args:
        solver: The solver.
        level: Name of the level.
        at: The point; its variables have the names of the graph's.
        graph: The levels with the variables that the optimisers move.
        optimizers: Optimisers of finetuning, if there is one, and of pretraining.
    """
    if not isinstance(solver, AdaptedSolver):
        return solver
    below = level == "finetune"
    # With two levels, the task's head is a variable of the single level, but has its own optimiser.
    own = graph.finetuned if below else graph.finetuned | graph.pretrained
    used = [optimizer for optimizer in (optimizers if below else optimizers[::-1]) if optimizer is not None]
    moments = second_moments(used, [own[name] for name in at.variables[-1 if below else 0]])
    return solver.adapted(moments, used[0].param_groups[0]["lr"])


def second_moments(optimizers: Sequence[torch.optim.Optimizer], variables: Sequence[Tensor]) -> Tensor | None:
    """Second moments of the gradients of some variables, flat and bias-corrected.

    Args:
        optimizers: The optimisers; Adam and its variants store them as ``exp_avg_sq``.
        variables: The variables, in order.

    Returns:
        ``None`` unless every variable has some.

    Example:
        >>> variable = torch.ones(2, requires_grad=True)
        >>> adam = torch.optim.Adam([variable])
        >>> (3 * variable).sum().backward()
        >>> second_moments([adam], [variable]) is None
        True
        >>> adam.step()
        >>> [round(value, 3) for value in second_moments([adam], [variable]).tolist()]
        [9.0, 9.0]
    """
    parts = [_moment(optimizers, variable) for variable in variables]
    found = [part for part in parts if part is not None]
    return torch.cat(found) if found and len(found) == len(parts) else None


def _moment(optimizers: Sequence[torch.optim.Optimizer], variable: Tensor) -> Tensor | None:
    for optimizer in optimizers:
        state = optimizer.state.get(variable, {})
        if "exp_avg_sq" in state:
            beta = optimizer.param_groups[0]["betas"][1]
            moment: Tensor = state["exp_avg_sq"].flatten() / (1 - beta ** state["step"])
            return moment
    return None
