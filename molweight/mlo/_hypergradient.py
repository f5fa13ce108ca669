"""Implicit differentiation through a chain of levels of any depth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from molweight.errors import ConfigError
from molweight.mlo._chains import solve_chain, solver_per_level
from molweight.mlo._level import Level, LevelLoss
from molweight.mlo._vectors import Layout, Params, attach, check_scalar, check_variables
from molweight.mlo.solvers import Solver, Stats

__all__ = ["Hypergradient", "hypergradient"]


@dataclass(frozen=True)
class Hypergradient:
    """Total derivative of the outer loss with respect to the upper variables.

    Args:
        value: One tensor per upper variable.
        loss: The outer loss, 0-dim.
        stats: Statistics of the solver, by level name.
        directions: The solved flat vectors, by level name; pass them as ``starts`` next time to warm-start.
        products: Number of curvature products, by level name.
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

    The implicit function theorem is applied level by level, from the last to the first: with ``v`` the incoming
    gradient at level ``i``, solve ``H_i q = v`` and pass ``-(d^2 loss_i / d x_i d x_{i-1})^T q`` to the level above
    (:func:`implicit_adjoint`). The value is exact if every level is at its minimum and every solve is exact.

    Args:
        levels: The chain, starting with the level below ``upper``.
        variables: Each level's variables, at (or near) their minimum.
        upper: Variables to differentiate with respect to.
        outer_loss: Pure function of the last level's variables and of ``upper``; the direct dependence is included.
        solver: One solver for all levels or one per level, in the order of ``levels``.
        starts: Initial values of the solves, by level name.

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
    solvers = solver_per_level(levels, variables, solver)
    for level, own, above in zip(levels, variables, [upper, *variables[:-1]], strict=True):
        level.check(own, above)
    loss, gradient, direct = _outer(outer_loss, variables[-1], upper)
    adjoint, point = solve_chain(levels, variables, upper, gradient, solvers=solvers, starts=dict(starts or {}))
    passed = levels[0].vjp(point, adjoint.direction)
    # The total derivative: the part through the chain plus the direct part.
    value = {name: passed[name] + direct[name] for name in upper}
    return Hypergradient(value, loss, adjoint.stats, adjoint.directions, adjoint.products)


def _outer(outer_loss: LevelLoss, last: Params, upper: Params) -> tuple[Tensor, Tensor, Params]:
    """The outer loss, its flat gradient in the last level's variables, and the direct one in the upper variables."""
    check_variables("outer", upper)
    # Separate leaves for both arguments: one backward pass gives the gradient that enters the chain and the direct one,
    # and no gradient reaches the caller's tensors.
    own, above = attach(last), attach(upper)
    with torch.enable_grad():
        loss = check_scalar("outer level", outer_loss(own, above))
    inputs = [*own.values(), *above.values()]
    parts: tuple[Tensor | None, ...] = torch.autograd.grad(loss, inputs, allow_unused=True)
    if all(part is None for part in parts[: len(own)]):
        raise ConfigError("outer level: the outer loss does not depend on the variables of the last level.")
    filled = [torch.zeros_like(x) if part is None else part for x, part in zip(inputs, parts, strict=True)]
    gradient = Layout.of(own).join(filled[: len(own)])
    return loss.detach(), gradient, dict(zip(above, filled[len(own) :], strict=True))
