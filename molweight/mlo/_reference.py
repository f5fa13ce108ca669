"""Slow reference rules, independent of implicit differentiation, for checking it."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from molweight.errors import OptionError
from molweight.mlo._curvature import Hessian
from molweight.mlo._level import Level, LevelLoss
from molweight.mlo._vectors import Layout, Params, attach
from molweight.mlo.solvers import ConjugateGradient

__all__ = ["minimise", "resolved_hypergradient", "unrolled_hypergradient"]


def unrolled_hypergradient(
    levels: Sequence[Level],
    variables: Sequence[Params],
    upper: Params,
    outer_loss: LevelLoss,
    *,
    steps: int,
    lr: float,
) -> Params:
    """Differentiate through ``steps`` gradient-descent steps of every level, one level after the other.

    The memory grows with the number of steps. If the descent converges, the value tends to the exact hypergradient;
    after few steps it is that of the truncated problem (Maclaurin et al. 2015; Franceschi et al. 2017).

    Args:
        levels: The chain, the level next to ``upper`` first.
        variables: Initial variables of each level.
        upper: Variables to differentiate with respect to.
        outer_loss: Pure function of the last level's variables and of ``upper``.
        steps: Descent steps per level.
        lr: Their step size.

    Returns:
        One tensor per upper variable.

    Raises:
        OptionError: If ``steps`` or ``lr`` is not positive.

    Example:
        >>> fit = Level("fit", lambda own, upper: ((own["x"] - upper["y"]) ** 2).sum())
        >>> outer = lambda own, upper: (own["x"] ** 2).sum()
        >>> start, upper = [{"x": torch.zeros(1)}], {"y": torch.ones(1)}
        >>> unrolled_hypergradient([fit], start, upper, outer, steps=50, lr=0.25)["y"].tolist()
        [2.0]
    """
    for option, value in (("steps", steps), ("lr", lr)):
        if not value > 0:
            raise OptionError(option, value, "must be positive")
    # The graph of the whole descent is differentiated, so nothing may be detached between levels.
    roots = attach(upper)
    context = roots
    with torch.enable_grad():
        for level, start in zip(levels, variables, strict=True):
            own = attach(start)
            for _ in range(steps):
                own = _descend(level, own, context, lr)
            context = own
        parts = torch.autograd.grad(outer_loss(context, roots), list(roots.values()), materialize_grads=True)
    return dict(zip(roots, parts, strict=True))


def _descend(level: Level, own: Params, context: Params, lr: float) -> Params:
    names = list(own)
    loss = level.loss(own, context)
    parts = torch.autograd.grad(loss, [own[name] for name in names], create_graph=True, materialize_grads=True)
    return {name: own[name] - lr * part for name, part in zip(names, parts, strict=True)}


def minimise(level: Level, start: Params, upper: Params, *, iterations: int = 200, tolerance: float = 1e-12) -> Params:
    """The level's variables at its minimum, by L-BFGS and a few Newton steps that reduce the gradient to rounding.

    Args:
        level: The level.
        start: Initial variables; not modified.
        upper: The variables of the level above.
        iterations: Maximum number of iterations.
        tolerance: Largest gradient entry at which to stop.

    Example:
        >>> fit = Level("fit", lambda own, upper: ((own["x"] - upper["y"]) ** 2).sum())
        >>> minimise(fit, {"x": torch.zeros(2)}, {"y": torch.tensor([1.0, -3.0])})["x"].tolist()
        [1.0, -3.0]
    """
    own = {name: tensor.detach().clone().requires_grad_() for name, tensor in start.items()}
    context = {name: tensor.detach() for name, tensor in upper.items()}
    # No test of the change between iterations: in flat valleys it would stop long before the gradient vanishes.
    solver = torch.optim.LBFGS(
        list(own.values()),
        max_iter=iterations,
        tolerance_grad=tolerance,
        tolerance_change=0.0,
        history_size=50,
        line_search_fn="strong_wolfe",
    )

    def closure() -> float:
        solver.zero_grad()
        with torch.enable_grad():
            loss = level.loss(own, context)
        torch.autograd.backward(loss)
        return float(loss.detach())

    solver.step(closure)  # type: ignore[no-untyped-call]  # torch
    return _polish(level, {name: tensor.detach() for name, tensor in own.items()}, context)


def _polish(level: Level, own: Params, upper: Params, steps: int = 3) -> Params:
    # L-BFGS stalls where differences of the loss are below rounding, about the root of it in the variables. Newton
    # steps use the gradient alone and are quadratic from there.
    cg = ConjugateGradient(iterations=200, tolerance=1e-10)
    for _ in range(steps):
        hessian = Hessian(lambda point: level.loss(point, upper), own, f"level {level.name!r}")
        gradient = hessian.layout.join(hessian.gradient).detach()
        newton = hessian.layout.unravel(cg.solve(hessian, gradient).value)
        own = {name: tensor - newton[name] for name, tensor in own.items()}
    return own


def resolved_hypergradient(
    solve: Callable[[Params], Params], upper: Params, outer_loss: LevelLoss, *, step: float = 1e-4
) -> Params:
    """Central differences over the upper variables, with all levels solved again at every shifted value.

    Args:
        solve: Maps upper variables to the last level's variables at its minimum (see :func:`minimise`).
        upper: The point of the derivative; use float64.
        outer_loss: Function of the last level's variables and of ``upper``.
        step: Shift of one entry.

    Returns:
        One tensor per upper variable.

    Example:
        >>> upper = {"y": torch.tensor([1.0, 2.0], dtype=torch.float64)}
        >>> slopes = resolved_hypergradient(lambda u: {"x": u["y"]}, upper, lambda own, _: (own["x"] ** 2).sum())
        >>> [round(slope, 6) for slope in slopes["y"].tolist()]
        [2.0, 4.0]
    """
    layout, flat = Layout.of(upper), Layout.of(upper).ravel(upper).detach()

    def value(shifted: Tensor) -> Tensor:
        at: Mapping[str, Tensor] = layout.unravel(shifted)
        return outer_loss(solve(dict(at)), dict(at)).detach()

    shifts = step * torch.eye(layout.size, dtype=flat.dtype, device=flat.device)
    # Central: the error is of second order in the step, so that 1e-4 in float64 leaves about 1e-8.
    slopes = [(value(flat + shift) - value(flat - shift)) / (2 * step) for shift in shifts]
    return layout.unravel(torch.stack(slopes))
