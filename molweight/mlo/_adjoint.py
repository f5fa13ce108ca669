"""The chain of linear solves that carries an outer gradient from the last level to the first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from molweight.errors import ConfigError
from molweight.mlo._level import Level, Linearized
from molweight.mlo._vectors import Layout, Params
from molweight.mlo.solvers import Operator, Solution, Solver, Stats

__all__ = ["Adjoint", "implicit_adjoint", "solve_chain", "solve_level", "solver_per_level"]


@dataclass(frozen=True)
class Adjoint:
    """The adjoint variables of a chain: for each level the solution of its linear system.

    Args:
        direction: The solved direction of the first level, flat over its variables. The derivative with respect to an
            upper variable is its product with the first level's mixed derivative.
        stats: What the solver did, by level name, the last level first.
        directions: All solved directions, by level name; pass them as ``starts`` next time to warm-start.
        products: Curvature products spent, by level name.
    """

    direction: Tensor
    stats: dict[str, Stats] = field(default_factory=dict)
    directions: dict[str, Tensor] = field(default_factory=dict)
    products: dict[str, int] = field(default_factory=dict)


def implicit_adjoint(
    levels: Sequence[Level],
    variables: Sequence[Params],
    upper: Params,
    outer_gradient: Tensor,
    solver: Solver | Sequence[Solver],
    *,
    starts: Mapping[str, Tensor] | None = None,
) -> Adjoint:
    """The inner part of :func:`hypergradient`: all but the last product with a mixed derivative.

    From the last level to the first: with ``v`` what arrives at level ``i``, solve ``H_i q = v`` and pass
    ``-(d^2 loss_i / d x_i d x_{i-1})^T q`` on. :class:`Loop` stops here, because the last product comes with the
    gradients that level 1 computes for its own step.

    Args:
        levels: The chain, the level next to ``upper`` first.
        variables: Each level's variables, at (or near) their minimum. They are not checked; see :meth:`Level.check`.
        upper: The variables above the first level.
        outer_gradient: Gradient of the outer loss with respect to the last level's variables, flat.
        solver: One solver for all levels or one per level, in the order of ``levels``.
        starts: Where to start each solve, by level name.

    Raises:
        ConfigError: If the chain, its variables and the solvers do not match, or a solver refuses its system.

    Example:
        >>> import torch
        >>> from molweight.mlo.solvers import Dense
        >>> ridge = Level("ridge", lambda own, upper: ((own["w"] - 1) ** 2 + upper["decay"] * own["w"] ** 2).sum())
        >>> at, upper = [{"w": torch.tensor([0.5])}], {"decay": torch.tensor(1.0)}
        >>> implicit_adjoint([ridge], at, upper, torch.tensor([1.0]), Dense()).direction.tolist()  # H = 2 + 2 decay
        [0.25]
    """
    solvers = solver_per_level(levels, variables, solver)
    return solve_chain(levels, variables, upper, outer_gradient, solvers=solvers, starts=dict(starts or {}))[0]


def solve_chain(
    levels: Sequence[Level],
    variables: Sequence[Params],
    upper: Params,
    outer_gradient: Tensor,
    *,
    solvers: Sequence[Solver],
    starts: dict[str, Tensor],
) -> tuple[Adjoint, Linearized]:
    """The adjoint, with the first level at its point, whose graph its mixed derivative may need.

    Args:
        levels: The chain.
        variables: Each level's variables.
        upper: The variables above the first level.
        outer_gradient: What arrives at the last level, flat.
        solvers: One per level.
        starts: Where to start each solve, by level name. It is emptied, so that no start outlives its solve.
    """
    contexts = [upper, *variables[:-1]]
    last = len(levels) - 1
    point = levels[last].at(variables[last], contexts[last])
    arriving, found = outer_gradient, Adjoint(outer_gradient)
    for i in range(last, -1, -1):
        if i < last:
            # Not bound to a name: the tensors that the mixed derivative makes are freed before the next solve.
            arriving = Layout.of(variables[i]).ravel(levels[i + 1].vjp(point, found.direction))
            # Rebinding `point` frees the lower level's graph before this level's is built: the peak is one graph.
            point = levels[i].at(variables[i], contexts[i])
        name = point.name
        solution = solve_level(name, solvers[i], point.curvature, arriving, starts.pop(name, None))
        found = Adjoint(
            solution.value,
            found.stats | {name: solution.stats},
            found.directions | {name: solution.value},
            found.products | {name: point.curvature.products},
        )
    return found, point


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


def solver_per_level(
    levels: Sequence[Level], variables: Sequence[Params], solver: Solver | Sequence[Solver]
) -> list[Solver]:
    """One solver for each level.

    Args:
        levels: The chain.
        variables: Each level's variables.
        solver: One for all, or one per level.

    Raises:
        ConfigError: If the numbers do not match, or two levels have the same name.
    """
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
