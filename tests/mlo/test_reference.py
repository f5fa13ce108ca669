"""Rules that share no theory with implicit differentiation, and the accuracy report."""

import importlib
import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from molweight.errors import ConfigError
from molweight.mlo import (
    Level,
    Loop,
    ProximalCross,
    compare_solvers,
    hypergradient,
    minimise,
    resolved_hypergradient,
    three_levels,
    unrolled_hypergradient,
)
from molweight.mlo.solvers import ConjugateGradient, Dense, Identity, Neumann, Nystrom
from molweight.mlo.weightings import TapWeight

Params = dict[str, Tensor]
Loss = Callable[[Params], Tensor]


def _randn(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


X, Y, X2, Y2 = _randn(20, 3, seed=1), _randn(20, seed=2), _randn(10, 3, seed=3), _randn(10, seed=4)
GAMMA = 0.5


def _fit(own: Params, upper: Params) -> Tensor:
    margins = torch.sign(Y) * (X @ own["w"]) / upper["temperature"]
    return torch.nn.functional.softplus(-margins).mean() + (upper["log"].exp() * own["w"] ** 2).sum()


def _adapt(own: Params, upper: Params) -> Tensor:
    return ((X2 @ own["w"] + own["b"] - Y2) ** 2).mean() + GAMMA * ((own["w"] - upper["w"]) ** 2).sum()


def _outer(own: Params, upper: Params) -> Tensor:
    return ((X @ own["w"] + own["b"] - Y) ** 2).mean() + 0.01 * upper["temperature"] ** 2


LEVELS = [Level("fit", _fit), Level("adapt", _adapt, ProximalCross(GAMMA))]
STARTS = [
    {"w": torch.zeros(3, dtype=torch.float64)},
    {k: torch.zeros(n, dtype=torch.float64) for k, n in (("w", 3), ("b", 1))},
]
UPPER = {"temperature": torch.tensor(0.8, dtype=torch.float64), "log": -1 + 0.3 * _randn(3, seed=5)}


def _solve(upper: Params) -> list[Params]:
    first = minimise(LEVELS[0], STARTS[0], upper)
    return [first, minimise(LEVELS[1], STARTS[1], first)]


def test_three_independent_rules_agree() -> None:
    implicit = hypergradient(LEVELS, _solve(UPPER), UPPER, _outer, Dense()).value
    unrolled = unrolled_hypergradient(LEVELS, STARTS, UPPER, _outer, steps=400, lr=0.2)
    resolved = resolved_hypergradient(lambda upper: _solve(upper)[-1], UPPER, _outer)
    for name in UPPER:
        torch.testing.assert_close(unrolled[name], implicit[name], rtol=1e-8, atol=1e-10)
        torch.testing.assert_close(resolved[name], implicit[name], rtol=1e-5, atol=1e-8)


def test_few_unrolled_steps_are_a_truncated_neumann_series() -> None:
    """From the minimum, n steps of descent with step h differentiate to n Neumann terms with step h."""
    levels, at = [LEVELS[0]], [_solve(UPPER)[0]]

    def outer(own: Params, _: Params) -> Tensor:
        return ((X2 @ own["w"] - Y2) ** 2).mean()

    for steps in (1, 3, 10):
        neumann = Neumann(iterations=steps, step=0.3, tolerance=0.0)
        series = hypergradient(levels, at, UPPER, outer, neumann).value
        unrolled = unrolled_hypergradient(levels, at, UPPER, outer, steps=steps, lr=0.3)
        torch.testing.assert_close(unrolled["log"], series["log"], rtol=1e-7, atol=1e-10)


def test_the_first_order_penalty_tends_to_the_implicit_rule() -> None:
    """``strength * (grad_upper fit(w) - grad_upper fit(u))``, where ``w`` minimises ``fit + outer / strength``.

    Kwon et al. (ICML 2023), ScaleBiO (Pan et al., 2024): no second derivatives, an error of order ``1 / strength``.
    """

    def outer(own: Params, _: Params) -> Tensor:
        return ((X2 @ own["w"] - Y2) ** 2).mean()

    def slope(own: Params) -> Tensor:
        upper = {name: value.clone().requires_grad_() for name, value in UPPER.items()}
        return torch.autograd.grad(_fit(own, upper), upper["log"])[0]

    (at,) = [_solve(UPPER)[0]]
    exact = hypergradient([LEVELS[0]], [at], UPPER, outer, Dense()).value["log"]
    errors = []
    for strength in (1e2, 1e3, 1e4):

        def penalised(own: Params, upper: Params, strength: float = strength) -> Tensor:
            return _fit(own, upper) + outer(own, upper) / strength

        moved = minimise(Level("penalised", penalised), at, UPPER)
        errors.append(float((strength * (slope(moved) - slope(at)) - exact).norm() / exact.norm()))
    assert errors[0] < 0.1
    for one, next_one in itertools.pairwise(errors):
        assert next_one == pytest.approx(one / 10, rel=0.1)


def test_unrolling_refuses_an_empty_budget() -> None:
    with pytest.raises(ConfigError, match="steps=0 must be positive"):
        unrolled_hypergradient(LEVELS, STARTS, UPPER, _outer, steps=0, lr=0.1)


@pytest.mark.filterwarnings("ignore:.*functorch:FutureWarning")
def test_torchopt_agrees() -> None:
    """An independent implementation of implicit differentiation, on ridge regression."""
    torchopt = importlib.import_module("torchopt")  # here, where the warnings of its import are filtered

    def ridge(own: Params, upper: Params) -> Tensor:
        return ((X @ own["w"] - Y) ** 2).sum() + (upper["log"].exp() * own["w"] ** 2).sum()

    def optimality(w: Tensor, log: Tensor) -> Tensor:
        return 2 * X.T @ (X @ w - Y) + 2 * log.exp() * w

    solve = torchopt.linear_solve.solve_normal_cg(rtol=1e-12)

    @torchopt.diff.implicit.custom_root(optimality, argnums=1, solve=solve)  # type: ignore[untyped-decorator]  # torchopt
    def fitted(w: Tensor, log: Tensor) -> Tensor:
        solution: Tensor = torch.linalg.solve(X.T @ X + torch.diag(log.exp()), X.T @ Y)
        return solution

    log = UPPER["log"].clone().requires_grad_()
    start = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    expected = torch.autograd.grad(((X2 @ fitted(start, log) - Y2) ** 2).mean(), log)[0]
    at = [{"w": fitted(start, log).detach()}]
    outer: Callable[[Params, Params], Tensor] = lambda own, _: ((X2 @ own["w"] - Y2) ** 2).mean()  # noqa: E731 (typed)
    ours = hypergradient([Level("ridge", ridge)], at, {"log": UPPER["log"]}, outer, ConjugateGradient(20, 0.0, 1e-12))
    torch.testing.assert_close(ours.value["log"], expected, rtol=1e-7, atol=1e-10)


def _problem() -> tuple[Params, Params, dict[str, Loss], Loss, Loss]:
    theta = {"encoder": 0.3 * _randn(3, 4, seed=6), "h.a": _randn(4, seed=7), "h.b": _randn(4, seed=8)}
    omega = {"encoder": theta["encoder"].clone(), "task": _randn(4, seed=9)}

    def fit(head: str, x: Tensor, y: Tensor) -> Loss:
        return lambda p: ((torch.tanh(x @ p["encoder"]) @ p[head] - y) ** 2).mean()

    return theta, omega, {"a": fit("h.a", X, Y), "b": fit("h.b", X2, Y2)}, fit("task", X2, Y2), fit("task", X, Y)


def test_the_report_compares_direction_size_and_cost() -> None:
    theta, omega, objectives, train, meta = _problem()
    levels = three_levels(objectives, train, GAMMA)
    upper = {"weights": torch.tensor([0.6, 0.4], dtype=torch.float64)}
    candidates = {
        "identity": Identity(),
        "neumann": Neumann(iterations=6, damping=3.0),
        "cg": ConjugateGradient(iterations=60, damping=3.0, tolerance=1e-10),
        "nystrom": Nystrom(rank=20, damping=3.0),
    }
    rows = compare_solvers(
        levels, [theta, omega], upper, lambda own, _: meta(own), candidates, reference=Dense(damping=3.0)
    )
    report = {row.solver: row for row in rows}
    assert list(report) == list(candidates)
    assert report["identity"].products == 0
    assert report["neumann"].products == 2 * (6 + 3)
    assert report["nystrom"].products == 20 + 16 + 2
    assert report["cg"].relative_error < 1e-6
    assert report["cg"].cosine > 1 - 1e-9
    assert report["cg"].same_order
    assert report["nystrom"].outcomes["finetune"] in {"converged", "negative_curvature"}
    assert report["identity"].relative_error > report["neumann"].relative_error > report["cg"].relative_error
    assert all(row.seconds > 0 for row in rows)


@pytest.mark.parametrize("solver", [Identity(), Dense(damping=3.0), Nystrom(rank=20, damping=3.0)])
def test_the_loop_and_the_general_chain_are_the_same(solver: Identity | Dense | Nystrom) -> None:
    theta, omega, objectives, train, meta = _problem()
    leaves = [{name: t.clone().requires_grad_() for name, t in level.items()} for level in (theta, omega)]
    loop = Loop(leaves[0], leaves[1], TapWeight(["a", "b"]), solver=solver, proximal_strength=GAMMA, finetune_lr=1e-16)
    record = loop.step(objectives, train, meta)
    weights = {"weights": torch.tensor([0.5, 0.5], dtype=torch.float64)}
    levels = three_levels(objectives, train, GAMMA)
    general = hypergradient(levels, [theta, omega], weights, lambda own, _: meta(own), solver)
    assert record.hypergradient is not None
    torch.testing.assert_close(record.hypergradient, general.value["weights"], rtol=1e-8, atol=1e-12)
