"""Implicit differentiation through a chain of levels of any depth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from molweight.errors import ConfigError
from molweight.mlo._checks import check_scalar, check_variables
from molweight.mlo._level import Level, LevelLoss
from molweight.mlo._vectors import Layout, Params, attach
from molweight.mlo.solvers import Operator, Solution, Solver, Stats

__all__ = ["Hypergradient", "hypergradient"]


@dataclass(frozen=True)
class Hypergradient:
    """Total derivative of the outer loss with respect to the upper variables.

    Args:
        value: One tensor per upper variable.
        loss: The outer loss, 0-dim.
        stats: What the solver did, by level name.
        directions: The solved flat vectors, by level name; pass them as ``starts`` next time to warm-start.
        products: Curvature products spent, by level name.
    """

    value: Params
    loss: Tensor
    stats: dict[str, Stats]
    directions: dict[str, Tensor]
    products: dict[str, int]


def hypergradient(
    levels: Sequence[Level],
    variables: Sequence[Params],
    upper: Params,
    outer_loss: LevelLoss,
    solver: Solver | Sequence[Solver],
    *,
    starts: Mapping[str, Tensor] | None = None,
) -> Hypergradient:
    """Differentiate ``outer_loss(x_n*, upper)`` through ``x_1*(upper), x_2*(x_1*), ..., x_n*(x_{n-1}*)``.

    By the implicit function theorem, level by level from the last to the first: with ``v`` the gradient that arrives
    at level ``i``, solve ``H_i q = v`` and pass ``-(d^2 loss_i / d x_i d x_{i-1})^T q`` on. The value is exact where
    every level is at its minimum and every solve is exact.

    Args:
        levels: The chain, the level next to ``upper`` first.
        variables: Each level's variables, at (or near) their minimum.
        upper: What to differentiate with respect to.
        outer_loss: Pure function of the last level's variables and of ``upper``; the direct dependence is included.
        solver: One solver for all levels or one per level, in the order of ``levels``.
        starts: Where to start each solve, by level name.

    Returns:
        The hypergradient with the statistics of each solve.

    Raises:
        ConfigError: If the chain and its variables do not match, or a level refuses them.

    Example:
        >>> from molweight.mlo.solvers import Dense
        >>> ridge = Level("ridge", lambda own, upper: ((own["w"] - 1) ** 2 + upper["decay"] * own["w"] ** 2).sum())
        >>> outer = lambda own, upper: (own["w"] ** 2).sum()
        >>> result = hypergradient([ridge], [{"w": torch.tensor([0.5])}], {"decay": torch.tensor(1.0)}, outer, Dense())
        >>> round(result.value["decay"].item(), 6)  # w* = 1/(1+decay), d(w*^2)/d(decay) = -2/(1+decay)^3
        -0.25
    """
    solvers = _per_level(levels, variables, solver)
    contexts = [upper, *variables[:-1]]
    for level, own, context in zip(levels, variables, contexts, strict=True):
        level.check(own, context)
    loss, arriving, direct = _outer(outer_loss, variables[-1], upper)
    stats: dict[str, Stats] = {}
    directions: dict[str, Tensor] = {}
    products: dict[str, int] = {}
    for level, own, context, rule in reversed(list(zip(levels, variables, contexts, solvers, strict=True))):
        point = level.at(own, context)
        start = (starts or {}).get(level.name)
        solution = solve_level(level.name, rule, point.curvature, Layout.of(own).ravel(arriving), start)
        stats[level.name], directions[level.name] = solution.stats, solution.value
        products[level.name] = point.curvature.products
        arriving = point.pull(solution.value)
    value = {name: arriving[name] + direct[name] for name in upper}
    return Hypergradient(value, loss, stats, directions, products)


def solve_level(level: str, solver: Solver, operator: Operator, b: Tensor, start: Tensor | None = None) -> Solution:
    """Run a solver; a refusal names the level.

    Args:
        level: Name of the level.
        solver: The solver.
        operator: Curvature of the level.
        b: What arrives from the level below.
        start: Warm start.

    Raises:
        ConfigError: What the solver raised, with the level's name before it; or if the start does not fit.
    """
    if start is not None and start.shape != b.shape:
        raise ConfigError(f"level {level!r}: a warm start of {start.numel()} numbers for {b.numel()} variables.")
    if start is not None and start.device != b.device:
        raise ConfigError(
            f"level {level!r}: its warm start is on {start.device} but its variables are on {b.device}. Move it there."
        )
    try:
        return solver.solve(operator, b, start)
    except ConfigError as error:
        if f"level {level!r}" in str(error):
            raise
        raise ConfigError(f"level {level!r}: {error}") from error


def _outer(outer_loss: LevelLoss, last: Params, upper: Params) -> tuple[Tensor, Params, Params]:
    """The outer loss with its gradients with respect to the last level and, directly, to the upper variables."""
    check_variables("outer", upper)
    own, above = attach(last), attach(upper)
    with torch.enable_grad():
        loss = check_scalar("outer level", outer_loss(own, above))
    inputs = [*own.values(), *above.values()]
    parts: tuple[Tensor | None, ...] = torch.autograd.grad(loss, inputs, allow_unused=True)
    if all(part is None for part in parts[: len(own)]):
        raise ConfigError("outer level: the outer loss does not depend on the variables of the last level.")
    filled = [torch.zeros_like(x) if part is None else part for x, part in zip(inputs, parts, strict=True)]
    return loss.detach(), dict(zip(own, filled, strict=False)), dict(zip(above, filled[len(own) :], strict=True))


def _per_level(levels: Sequence[Level], variables: Sequence[Params], solver: Solver | Sequence[Solver]) -> list[Solver]:
    if not levels:
        raise ConfigError("a hypergradient needs at least one level between the upper variables and the outer loss.")
    if len(levels) != len(variables):
        raise ConfigError(f"got {len(levels)} levels but variables for {len(variables)}; give one dict per level.")
    names = [level.name for level in levels]
    if len(set(names)) != len(names):
        raise ConfigError(f"two levels have the same name: {', '.join(names)}. Statistics are kept by name.")
    solvers = [solver] * len(levels) if isinstance(solver, Solver) else list(solver)
    if len(solvers) != len(levels):
        raise ConfigError(f"got {len(solvers)} solvers for {len(levels)} levels; give one, or one per level.")
    return solvers
