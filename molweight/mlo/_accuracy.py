"""Accuracy and cost of solvers on a given problem."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from molweight.mlo._hypergradient import Hypergradient, hypergradient
from molweight.mlo._level import Level, LevelLoss
from molweight.mlo._vectors import Layout, Params
from molweight.mlo.solvers import Solver

__all__ = ["Accuracy", "compare_solvers"]


@dataclass(frozen=True)
class Accuracy:
    """A solver's hypergradient against a reference.

    Args:
        solver: Its name.
        cosine: Cosine with the reference; 1 is the right direction.
        relative_error: Norm of the difference divided by the norm of the reference.
        same_order: Whether the entries are in the same order, i.e. the same objective is best, second best, ...
        products: Number of curvature products over all levels; one costs about two gradient evaluations.
        seconds: Wall time of the whole hypergradient.
        outcomes: How each level's solve ended.
        value: The hypergradient, flat.
    """

    solver: str
    cosine: float
    relative_error: float
    same_order: bool
    products: int
    seconds: float
    outcomes: dict[str, str]
    value: Tensor


def compare_solvers(
    levels: Sequence[Level],
    variables: Sequence[Params],
    upper: Params,
    outer_loss: LevelLoss,
    solvers: Mapping[str, Solver],
    *,
    reference: Solver,
) -> list[Accuracy]:
    """Compute the same hypergradient with several solvers and compare each with a reference.

    Args:
        levels: The chain; see :func:`hypergradient` and :func:`three_levels`.
        variables: Each level's variables.
        upper: The variables to differentiate with respect to.
        outer_loss: The outer loss.
        solvers: The solvers to compare, by name.
        reference: The solver to compare with, e.g. ``Dense(damping)`` or a fully converged CG with the same damping.

    Returns:
        One entry per solver, in order.

    Example:
        >>> from molweight.mlo.solvers import ConjugateGradient, Dense, Identity
        >>> ridge = Level("ridge", lambda own, upper: ((own["w"] - 1) ** 2).sum() + (upper["d"] * own["w"] ** 2).sum())
        >>> at, upper = [{"w": torch.full((2,), 0.5)}], {"d": torch.tensor([1.0, 3.0])}
        >>> outer = lambda own, _: (own["w"] ** 2).sum()
        >>> candidates = {"identity": Identity(), "cg": ConjugateGradient(2)}
        >>> for row in compare_solvers([ridge], at, upper, outer, candidates, reference=Dense()):
        ...     print(row.solver, round(row.cosine, 3), row.products)
        identity 0.949 0
        cg 1.0 2
    """
    exact = _flat(hypergradient(levels, variables, upper, outer_loss, reference), upper)
    rows = []
    for name, solver in solvers.items():
        started = time.perf_counter()
        result = hypergradient(levels, variables, upper, outer_loss, solver)
        value = _flat(result, upper)
        # Kernels are queued; without synchronisation, only their launch would be timed.
        _settle(value)
        rows.append(_row(name, value, exact, result, time.perf_counter() - started))
    return rows


def _row(name: str, value: Tensor, exact: Tensor, result: Hypergradient, seconds: float) -> Accuracy:
    # For a zero reference the error is huge or zero, but not NaN.
    norm = exact.norm().clamp_min(torch.finfo(exact.dtype).tiny)
    return Accuracy(
        solver=name,
        cosine=float(torch.nn.functional.cosine_similarity(value, exact, dim=0)),
        relative_error=float((value - exact).norm() / norm),
        same_order=bool((value.argsort() == exact.argsort()).all()),
        products=sum(result.products.values()),
        seconds=seconds,
        outcomes={level: stats.outcome.name.lower() for level, stats in result.stats.items()},
        value=value,
    )


def _flat(result: Hypergradient, upper: Params) -> Tensor:
    return Layout.of(upper).ravel(result.value)


def _settle(value: Tensor) -> None:
    if value.is_cuda:
        torch.cuda.synchronize(value.device)
