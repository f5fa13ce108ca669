"""The chains of levels through which the loop is differentiated, and the linear solves along them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from molweight.deprecation import renamed_options
from molweight.errors import ConfigError
from molweight.mlo._curvature import Curvature, CurvatureName, Hessian, ShiftedCurvature, curvature_of
from molweight.mlo._gradients import losses_of
from molweight.mlo._level import Level, Linearized, LinearWeightsCross, ProximalCross
from molweight.mlo._vectors import Layout, LossFn, Params
from molweight.mlo.solvers import Operator, Solution, Solver, Stats

__all__ = [
    "Adjoint",
    "WeightedCurvature",
    "implicit_adjoint",
    "solve_chain",
    "solve_level",
    "solver_per_level",
    "three_levels",
    "two_levels",
    "weighted_sum",
]


@renamed_options(gamma="proximal_strength")
def three_levels(
    objectives: Mapping[str, LossFn],
    train: LossFn,
    proximal_strength: float,
    *,
    curvature: CurvatureName = "hessian",
    recompute_graphs: bool = False,
) -> list[Level]:
    """Pretraining and finetuning as a chain for :func:`hypergradient`, over the upper variable ``"weights"``.

    ::

        "pretrain"   theta*, phi*  =  argmin  sum_k weights_k loss_k(theta, phi)
        "finetune"   omega*, h*    =  argmin  train(omega, h) + proximal_strength |omega - theta*|^2

    Both mixed derivatives and the curvature of the proximal term are in closed form.

    Args:
        objectives: The K losses of level 1.
        train: The finetuning loss of level 2, without the proximal term.
        proximal_strength: Strength of the proximal term over the names that both levels share.
        curvature: Curvature of both levels; ``"gauss_newton"`` needs every loss to be a :class:`Composite`.
        recompute_graphs: Rebuild each objective's graph for every curvature product of level 1.

    Example:
        >>> objectives = {"one": lambda p: (p["w"] ** 2).sum(), "two": lambda p: ((p["w"] - 1) ** 2).sum()}
        >>> [level.name for level in three_levels(objectives, lambda p: (p["w"] - 3).square().sum(), 0.5)]
        ['pretrain', 'finetune']
    """

    def finetune_loss(own: Params, upper: Params) -> Tensor:
        tied = torch.stack([((own[name] - upper[name]) ** 2).sum() for name in own if name in upper])
        return train(own) + proximal_strength * tied.sum()

    def finetune_curvature(own: Params, upper: Params) -> Curvature:
        # d^2/d omega^2 of strength * |omega - theta|^2 is 2 strength I on the shared names.
        matrix = curvature_of(curvature, train, own, "level 'finetune'")
        return ShiftedCurvature(matrix, own.keys() & upper.keys(), 2 * proximal_strength)

    return [
        pretrain_level(objectives, curvature, recompute_graphs=recompute_graphs),
        Level("finetune", finetune_loss, ProximalCross(proximal_strength), finetune_curvature),
    ]


def pretrain_level(
    objectives: Mapping[str, LossFn], curvature: CurvatureName = "hessian", *, recompute_graphs: bool = False
) -> Level:
    """Level 1 of :func:`three_levels`: the weighted sum of the objectives.

    Args:
        objectives: The K losses.
        curvature: As in :func:`three_levels`.
        recompute_graphs: As in :func:`three_levels`.
    """

    def loss(own: Params, upper: Params) -> Tensor:
        return weighted_sum(objectives, upper["weights"])(own)

    def curvature_at(own: Params, upper: Params) -> Curvature:
        # Detached, because products are not differentiated with respect to the weights: their derivative has a closed
        # form.
        weights = upper["weights"].detach()
        # One Hessian of the sum costs one backward pass per product where K Hessians cost K: the default where memory
        # allows. Gauss-Newton has no such form, as the objectives' outputs are different tensors.
        if curvature == "hessian" and not recompute_graphs:
            return Hessian(weighted_sum(objectives, weights), own, "level 'pretrain'")
        return WeightedCurvature(curvature, objectives, weights, own, recompute_graphs=recompute_graphs)

    return Level("pretrain", loss, LinearWeightsCross(objectives), curvature_at)


def two_levels(objectives: Mapping[str, LossFn], train: LossFn) -> list[Level]:
    """Pretraining and finetuning merged into one level, over the upper variable ``"weights"``.

    ::

        "pretrain"   theta*, phi*, h*  =  argmin  sum_k weights_k loss_k(theta, phi) + train(theta, h)

    Args:
        objectives: The K losses; functions of all variables of the level.
        train: The task's loss; also a function of all variables.

    Example:
        >>> [level.name for level in two_levels({"one": lambda p: p["w"].sum()}, lambda p: p["w"].sum())]
        ['pretrain']
    """

    def loss(own: Params, upper: Params) -> Tensor:
        return weighted_sum(objectives, upper["weights"])(own) + train(own)

    def curvature(own: Params, upper: Params) -> Curvature:
        fixed = {name: tensor.detach() for name, tensor in upper.items()}
        return Hessian(lambda point: loss(point, fixed), own, "level 'pretrain'")

    return [Level("pretrain", loss, LinearWeightsCross(objectives), curvature)]


def weighted_sum(objectives: Mapping[str, LossFn], weights: Tensor) -> LossFn:
    """``sum_k weights_k loss_k`` as one loss, which level 1 minimises.

    Args:
        objectives: Loss per name.
        weights: K weights, in the order of the objectives.
    """

    def loss(params: Params) -> Tensor:
        total = weights.new_zeros(())
        for value, weight in zip(losses_of(objectives, params), weights, strict=True):
            total = total + weight * value
        return total

    return loss


class WeightedCurvature:
    """``sum_k weights_k A_k``, with one curvature ``A_k`` per objective.

    Args:
        kind: Kind of the ``A_k``.
        objectives: Loss per name.
        weights: K weights.
        at: The point.
        recompute_graphs: Build each ``A_k`` for one product and free it, so that only one of the K graphs is in memory.
    """

    def __init__(
        self,
        kind: CurvatureName,
        objectives: Mapping[str, LossFn],
        weights: Tensor,
        at: Params,
        *,
        recompute_graphs: bool = False,
    ) -> None:
        """Keep the parts; nothing is evaluated yet."""
        self._kind, self._objectives, self._weights, self._at = kind, objectives, weights, at
        self.layout = Layout.of(at)
        self.products = 0
        self._kept = {} if recompute_graphs else {name: self._part(name) for name in objectives}

    def __call__(self, vector: Tensor) -> Tensor:
        """The product with a flat vector; it counts as one product for any K."""
        self.products += 1
        total = torch.zeros_like(vector)
        for name, weight in zip(self._objectives, self._weights, strict=True):
            # The weight stays a tensor: `float(weight)` would wait for the device at every product.
            total.addcmul_((self._kept.get(name) or self._part(name))(vector), weight)
        return total

    def _part(self, name: str) -> Curvature:
        return curvature_of(self._kind, self._objectives[name], self._at, f"level 'pretrain', objective {name!r}")


@dataclass(frozen=True)
class Adjoint:
    """The adjoint variables of a chain: the solution of each level's linear system.

    Args:
        direction: The solved direction of the first level, flat over its variables. The derivative with respect to an
            upper variable is its product with the first level's mixed derivative.
        stats: Statistics of the solver, by level name, the last level first.
        directions: All solved directions, by level name; pass them as ``starts`` next time to warm-start.
        products: Number of curvature products, by level name.
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
    """The inner part of :func:`hypergradient`: everything except the last product with a mixed derivative.

    From the last level to the first: with ``v`` the incoming vector at level ``i``, solve ``H_i q = v`` and pass
    ``-(d^2 loss_i / d x_i d x_{i-1})^T q`` to the next level. :class:`Loop` stops here, because level 1 computes the
    last product together with the gradients for its own step.

    Args:
        levels: The chain, starting with the level below ``upper``.
        variables: Each level's variables, at (or near) their minimum. They are not checked; see :meth:`Level.check`.
        upper: The variables above the first level.
        outer_gradient: Gradient of the outer loss with respect to the last level's variables, flat.
        solver: One solver for all levels or one per level, in the order of ``levels``.
        starts: Initial values of the solves, by level name.

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
    """The adjoint, and the first level at its point, because its mixed derivative may need the graph.

    Args:
        levels: The chain.
        variables: Each level's variables.
        upper: The variables above the first level.
        outer_gradient: Incoming vector of the last level, flat.
        solvers: One per level.
        starts: Initial values of the solves, by level name. The dict is emptied, so that no start outlives its solve.
    """
    contexts = [upper, *variables[:-1]]
    last = len(levels) - 1
    point = levels[last].at(variables[last], contexts[last])
    arriving, found = outer_gradient, Adjoint(outer_gradient)
    for i in range(last, -1, -1):
        if i < last:
            # Not bound to a name, so that the tensors of the mixed derivative are freed before the next solve.
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
    """Run a solver; errors name the level.

    Args:
        level: Name of the level.
        solver: The solver.
        operator: Curvature of the level.
        b: Incoming vector from the level below.
        start: Warm start.

    Raises:
        ConfigError: The solver's error with the level's name in front; or if the start has the wrong shape.
    """
    if start is not None and start.shape != b.shape:
        raise ConfigError(
            f"level {level!r}: the warm start has {start.numel()} numbers, but there are {b.numel()} variables."
        )
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
    """One solver per level.

    Args:
        levels: The chain.
        variables: Each level's variables.
        solver: One solver for all levels, or one per level.

    Raises:
        ConfigError: If the numbers do not match, or two levels have the same name.
    """
    if not levels:
        raise ConfigError("a hypergradient needs at least one level between the upper variables and the outer loss.")
    if len(levels) != len(variables):
        raise ConfigError(f"got {len(levels)} levels but variables for {len(variables)}; give one dict per level.")
    names = [level.name for level in levels]
    if len(set(names)) != len(names):
        raise ConfigError(
            f"two levels have the same name: {', '.join(names)}. Rename one: statistics are stored by name."
        )
    solvers = [solver] * len(levels) if isinstance(solver, Solver) else list(solver)
    if len(solvers) != len(levels):
        raise ConfigError(f"got {len(solvers)} solvers for {len(levels)} levels; give one, or one per level.")
    return solvers
