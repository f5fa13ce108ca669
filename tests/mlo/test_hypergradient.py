"""Hypergradients with known answers, in float64."""

from collections.abc import Callable
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from molweight.errors import ConfigError
from molweight.mlo import Hypergradient, Level, LinearWeightsCross, ProximalCross, hypergradient
from molweight.mlo.solvers import ConjugateGradient, Dense, Neumann, Nystrom, Solver

Params = dict[str, Tensor]
N = 5


def _randn(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def _spd(seed: int) -> Tensor:
    root = _randn(N, N, seed=seed)
    return root @ root.T / N + torch.eye(N, dtype=torch.float64)


def _solve(matrix: Tensor, b: Tensor) -> Tensor:
    solution: Tensor = torch.linalg.solve(matrix, b)
    return solution


def _newton(loss: Callable[[Tensor], Tensor], x: Tensor, steps: int = 9) -> Tensor:
    for _ in range(steps):
        point = x.detach().requires_grad_()
        gradient = torch.autograd.grad(loss(point), point)[0]
        hessian = torch.func.hessian(loss)(x.detach())
        step = torch.linalg.solve(hessian, gradient)
        x = x - step
        if step.norm() < 1e-14 * x.norm():  # as near as float64 comes
            break
    return x.detach()


def _numeric(function: Callable[[Tensor], float], at: Tensor, step: float = 1e-5) -> Tensor:
    """Central differences."""
    slopes = torch.zeros_like(at)
    for i in range(at.numel()):
        shift = torch.zeros_like(at)
        shift.view(-1)[i] = step
        slopes.view(-1)[i] = (function(at + shift) - function(at - shift)) / (2 * step)
    return slopes


class Quadratic:
    """``x1* = argmin sum_k w_k |x - c_k|_{A_k}^2 / 2``; ``x2* = argmin |x - b|_B^2 / 2 + gamma |x - x1|^2``."""

    gamma = 0.7

    def __init__(self) -> None:
        self.matrices = torch.stack([_spd(seed) for seed in (1, 2, 3)])
        self.centres = _randn(3, N, seed=4)
        self.inner, self.target, self.wish = _spd(5), _randn(N, seed=6), _randn(N, seed=7)
        self.weights = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)

    def losses(self, own: Params) -> Tensor:
        gap = own["x"] - self.centres
        return 0.5 * torch.einsum("ki,kij,kj->k", gap, self.matrices, gap)

    def first(self, own: Params, upper: Params) -> Tensor:
        return upper["weights"] @ self.losses(own)

    def second(self, own: Params, upper: Params) -> Tensor:
        gap = own["x"] - self.target
        return 0.5 * gap @ self.inner @ gap + self.gamma * ((own["x"] - upper["x"]) ** 2).sum()

    def outer(self, own: Params, upper: Params) -> Tensor:
        return ((own["x"] - self.wish) ** 2).sum() + 0.1 * (upper["weights"] ** 3).sum()

    def solve_first(self, weights: Tensor) -> Tensor:
        matrix = torch.einsum("k,kij->ij", weights, self.matrices)
        return _solve(matrix, torch.einsum("k,kij,kj->i", weights, self.matrices, self.centres))

    def solve_second(self, x: Tensor) -> Tensor:
        eye = torch.eye(N, dtype=torch.float64)
        return _solve(self.inner + 2 * self.gamma * eye, self.inner @ self.target + 2 * self.gamma * x)

    def value(self, weights: Tensor) -> Tensor:
        return self.outer({"x": self.solve_second(self.solve_first(weights))}, {"weights": weights})

    def exact(self) -> Tensor:
        weights = self.weights.clone().requires_grad_()
        return torch.autograd.grad(self.value(weights), weights)[0]

    def levels(self, **cross: Any) -> list[Level]:
        return [
            Level("first", self.first, **({"cross": cross["first"]} if "first" in cross else {})),
            Level("second", self.second, **({"cross": cross["second"]} if "second" in cross else {})),
        ]

    def run(self, levels: list[Level], solver: Any, **options: Any) -> Hypergradient:
        x1 = self.solve_first(self.weights)
        variables = [{"x": x1}, {"x": self.solve_second(x1)}]
        return hypergradient(levels, variables, {"weights": self.weights}, self.outer, solver, **options)


@pytest.mark.parametrize(
    ("solver", "tolerance"),
    [
        (Dense(), 1e-10),
        (ConjugateGradient(iterations=2 * N, tolerance=1e-10), 1e-8),
        (Neumann(iterations=500, tolerance=1e-12), 1e-9),
        ((Dense(), ConjugateGradient(iterations=2 * N, tolerance=1e-10)), 1e-8),
    ],
)
def test_three_level_quadratic_through_every_solver(solver: Any, tolerance: float) -> None:
    problem = Quadratic()
    result = problem.run(problem.levels(), solver)
    torch.testing.assert_close(result.value["weights"], problem.exact(), rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(result.loss, problem.value(problem.weights))
    assert set(result.stats) == {"first", "second"}
    assert all(stats.converged for stats in result.stats.values())


@pytest.mark.parametrize("mode", ["jvp", "dot"])
def test_closed_form_cross_terms_equal_the_general_rule(mode: Literal["jvp", "dot"]) -> None:
    problem = Quadratic()
    closed = problem.levels(first=LinearWeightsCross(problem.losses, mode=mode), second=ProximalCross(problem.gamma))
    general = problem.run(problem.levels(), Dense()).value["weights"]
    torch.testing.assert_close(problem.run(closed, Dense()).value["weights"], general, rtol=1e-11, atol=1e-11)


def test_warm_starts_reuse_the_directions() -> None:
    problem = Quadratic()
    solver = ConjugateGradient(iterations=2 * N, tolerance=1e-9)
    cold = problem.run(problem.levels(), solver)
    warm = problem.run(problem.levels(), solver, starts=cold.directions)
    assert int(warm.stats["first"].iterations) <= 1 < int(cold.stats["first"].iterations)
    torch.testing.assert_close(warm.value["weights"], cold.value["weights"], rtol=1e-7, atol=1e-7)


def test_four_levels() -> None:
    """A chain of scalar averages: x1 = a, x2 = (t2 + g x1)/(1 + g), x3 likewise; the outer slope is known."""
    gamma, targets = 0.5, (1.0, 2.0, -1.0)

    def tied(target: float) -> Callable[[Params, Params], Tensor]:
        return lambda own, upper: ((own["x"] - target) ** 2 + gamma * (own["x"] - upper["x"]) ** 2).sum()

    levels = [Level("1", tied(targets[0])), Level("2", tied(targets[1])), Level("3", tied(targets[2]))]
    x = torch.tensor([0.3], dtype=torch.float64)
    variables = []
    for target in targets:
        x = (target + gamma * x) / (1 + gamma)
        variables.append({"x": x})
    upper = {"x": torch.tensor([0.3], dtype=torch.float64)}
    result = hypergradient(levels, variables, upper, lambda own, _: (own["x"] ** 2).sum(), Dense())
    torch.testing.assert_close(result.value["x"], 2 * x * (gamma / (1 + gamma)) ** 3)


def test_ridge_regression_against_the_closed_form() -> None:
    features, labels, others, truth = _randn(20, N, seed=1), _randn(20, seed=2), _randn(9, N, seed=3), _randn(9, seed=4)
    decay = torch.full((N,), 0.3, dtype=torch.float64, requires_grad=True)

    def solve(log: Tensor) -> Tensor:
        return _solve(features.T @ features + torch.diag(log.exp()), features.T @ labels)

    def outer(own: Params, _: Params) -> Tensor:
        return ((others @ own["w"] - truth) ** 2).mean()

    def fit(own: Params, upper: Params) -> Tensor:
        return ((features @ own["w"] - labels) ** 2).sum() + (upper["log"].exp() * own["w"] ** 2).sum()

    exact = torch.autograd.grad(outer({"w": solve(decay)}, {}), decay)[0]
    at = [{"w": solve(decay).detach()}]
    solvers: dict[Solver, float] = {  # exact solvers to 1e-8, the others to their tolerance
        Dense(): 1e-10,
        ConjugateGradient(iterations=40, tolerance=1e-12): 1e-8,
        Neumann(iterations=4000, tolerance=1e-12): 1e-8,
    }
    for solver, tolerance in solvers.items():
        found = hypergradient([Level("ridge", fit)], at, {"log": decay.detach()}, outer, solver).value["log"]
        assert float((found - exact).norm() / exact.norm()) <= tolerance


def test_logistic_regression_with_upper_variables_that_are_not_weights() -> None:
    """A temperature and per-example weights, through three levels, against re-solving both levels."""
    x, y = _randn(10, N, seed=1), (_randn(10, seed=2) > 0).double()
    x2, y2 = _randn(12, N, seed=3), (_randn(12, seed=4) > 0).double()
    gamma = 0.4

    def bce(logits: Tensor, labels: Tensor) -> Tensor:
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")

    def first(own: Params, upper: Params) -> Tensor:
        logits = x @ own["w"] / upper["temperature"]
        return (upper["examples"].sigmoid() * bce(logits, y)).mean() + 0.05 * (own["w"] ** 2).sum()

    def second(own: Params, upper: Params) -> Tensor:
        return (
            bce(x2 @ own["w"] + own["bias"], y2).mean()
            + gamma * ((own["w"] - upper["w"]) ** 2).sum()
            + 0.1 * (own["bias"] ** 2).sum()
        )

    def outer(own: Params, upper: Params) -> Tensor:
        return bce(x2 @ own["w"] + own["bias"], 1 - y2).mean() + 0.01 * upper["temperature"] ** 2

    def solved(flat: Tensor) -> tuple[Params, Params, Params]:
        upper = {"temperature": flat[0], "examples": flat[1:]}
        w = _newton(lambda w: first({"w": w}, upper), torch.zeros(N, dtype=torch.float64))
        joint = _newton(
            lambda z: second({"w": z[:N], "bias": z[N:]}, {"w": w}), torch.zeros(N + 1, dtype=torch.float64)
        )
        return upper, {"w": w}, {"w": joint[:N], "bias": joint[N:]}

    def total(flat: Tensor) -> float:
        upper, _, last = solved(flat)
        return float(outer(last, upper))

    flat = torch.cat([torch.tensor([1.3], dtype=torch.float64), _randn(10, seed=5)])
    upper, *variables = solved(flat)
    levels = [Level("pretrain", first), Level("finetune", second, cross=ProximalCross(gamma))]
    exact = hypergradient(levels, variables, upper, outer, Dense()).value
    found = torch.cat([exact["temperature"].view(1), exact["examples"]])
    torch.testing.assert_close(found, _numeric(total, flat), rtol=1e-5, atol=1e-8)
    cg = hypergradient(levels, variables, upper, outer, ConjugateGradient(iterations=30, tolerance=1e-10)).value
    torch.testing.assert_close(cg["examples"], exact["examples"], rtol=1e-6, atol=1e-12)


def test_the_variables_are_left_alone() -> None:
    problem = Quadratic()
    x1 = problem.solve_first(problem.weights)
    variables = [{"x": x1}, {"x": problem.solve_second(x1)}]
    before = [{k: v.clone() for k, v in level.items()} for level in variables]
    hypergradient(problem.levels(), variables, {"weights": problem.weights}, problem.outer, Dense())
    for level, copy in zip(variables, before, strict=True):
        assert torch.equal(level["x"], copy["x"])
        assert not level["x"].requires_grad
        assert level["x"].grad is None


def _ridge(own: Params, upper: Params) -> Tensor:
    return ((own["w"] - 1) ** 2).sum() + upper["decay"] * (own["w"] ** 2).sum()


def _outer(own: Params, upper: Params) -> Tensor:
    return (own["w"] ** 2).sum() + 0 * upper["decay"]


W, DECAY = {"w": torch.ones(2)}, {"decay": torch.tensor(1.0)}
META = torch.ones(2, device="meta")


@pytest.mark.parametrize(
    ("level", "own", "upper", "outer", "message"),
    [
        (Level("fit", lambda o, u: (o["w"] - 1) ** 2 * u["decay"]), W, DECAY, _outer, r"level 'fit'.*scalar.*\(2,\)"),
        (Level("fit", lambda _, u: u["decay"] ** 2), W, DECAY, _outer, "level 'fit'.*does not depend"),
        (Level("fit", lambda o, _: (o["w"] ** 2).sum()), W, DECAY, _outer, "level 'fit'.*level above.*decay"),
        (Level("fit", lambda o, u: (o["w"] ** 2).sum() + u["decay"]), W, DECAY, _outer, "level 'fit'.*level above"),
        (Level("fit", _ridge), {"w": torch.ones(2, dtype=torch.int64)}, DECAY, _outer, "'w' is torch.int64"),
        (Level("fit", _ridge), {}, DECAY, _outer, "level 'fit' has no variables"),
        (Level("fit", _ridge), [torch.ones(2)], DECAY, _outer, r"dict\[str, Tensor\], got list"),
        (Level("fit", _ridge), {"w": torch.ones(2).double()}, DECAY, _outer, "torch.float64 .* but level 'above fit'"),
        (Level("fit", _ridge), W, DECAY, lambda _, u: u["decay"] ** 2, "outer level: the outer loss does not depend"),
        (Level("fit", _ridge), W, DECAY, lambda o, _: o["w"], "outer level.*scalar"),
        (Level("fit", _ridge, ProximalCross(1.0)), W, DECAY, _outer, "level 'fit' shares no variable name"),
        (Level("fit", lambda o, u: u["decay"] * o["w"].sum()), W, DECAY, _outer, "level 'fit'.*singular.*damping"),
    ],
)
def test_misuse_is_refused_with_the_level_and_a_remedy(
    level: Level, own: Any, upper: Params, outer: Callable[[Params, Params], Tensor], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        hypergradient([level], [own], upper, outer, Dense())


@pytest.mark.parametrize(
    ("solver", "damped"),
    [
        (ConjugateGradient(), ConjugateGradient(damping=0.5)),
        (Neumann(), Neumann(iterations=400, damping=0.5)),
        (Neumann(step=0.1), Neumann(iterations=400, step=0.1, damping=0.5)),
    ],
)
def test_a_singular_level_is_named_by_solvers_that_cannot_refuse_it(solver: Solver, damped: Solver) -> None:
    """Only one direction is curved: the answer is finite, and the level's statistics say that it is none, and why."""

    def flat(own: Params, upper: Params) -> Tensor:
        return ((own["w"][0] - upper["decay"]) ** 2) + upper["decay"] * own["w"].sum()

    def outer(own: Params, _: Params) -> Tensor:
        return (own["w"] * torch.tensor([0.0, 1.0])).sum()

    result = hypergradient([Level("fit", flat)], [W], DECAY, outer, solver)
    assert bool(result.value["decay"].isfinite())
    stats = result.stats["fit"]
    assert not stats.converged
    assert "damping" in stats.reason
    assert float(stats.residual or 0) >= 1.0
    assert hypergradient([Level("fit", flat)], [W], DECAY, outer, damped).stats["fit"].converged


def test_nystrom_without_damping_is_refused_at_construction() -> None:
    """So no level is singular for it."""
    with pytest.raises(ConfigError, match=r"solver 'nystrom': damping=0\.0 must be positive"):
        Nystrom(damping=0.0)


def test_frozen_variables_are_refused_by_name() -> None:
    own = {"w": torch.ones(2, requires_grad=True), "bias": torch.ones(2)}
    with pytest.raises(ConfigError, match=r"level 'fit': variable 'bias' is frozen .* call requires_grad_\(\)"):
        hypergradient([Level("fit", _ridge)], [own], DECAY, _outer, Dense())


@pytest.mark.parametrize(
    ("own", "upper", "message"),
    [
        ({"w": META, "v": torch.ones(2)}, DECAY, "level 'fit': variable 'v' is on cpu but 'w' is on meta"),
        ({"w": META}, DECAY, "level 'fit' is torch.float32 on meta but level 'above fit' is torch.float32 on cpu"),
        (W, {"decay": torch.ones(()), "other": META}, "level 'above fit': variable 'other' is on meta"),
    ],
)
def test_mixed_devices_are_refused_by_name(own: Params, upper: Params, message: str) -> None:
    """The device ``meta`` stands for a second device, which every machine has."""
    with pytest.raises(ConfigError, match=message):
        hypergradient([Level("fit", _ridge)], [own], upper, _outer, Dense())


def test_a_warm_start_on_another_device_is_refused() -> None:
    with pytest.raises(ConfigError, match="level 'fit': its warm start is on meta but its variables are on cpu"):
        hypergradient([Level("fit", _ridge)], [W], DECAY, _outer, ConjugateGradient(), starts={"fit": META})


def test_mismatched_chains_are_refused() -> None:
    level = Level("fit", _ridge)
    with pytest.raises(ConfigError, match="at least one level"):
        hypergradient([], [], DECAY, _outer, Dense())
    with pytest.raises(ConfigError, match="1 levels but variables for 2"):
        hypergradient([level], [W, W], DECAY, _outer, Dense())
    with pytest.raises(ConfigError, match="2 solvers for 1 levels"):
        hypergradient([level], [W], DECAY, _outer, [Dense(), Dense()])
    with pytest.raises(ConfigError, match="same name"):
        hypergradient([level, level], [W, W], DECAY, _outer, Dense())
    with pytest.raises(ConfigError, match="warm start has 3 numbers, but there are 2"):
        hypergradient([level], [W], DECAY, _outer, ConjugateGradient(), starts={"fit": torch.ones(3)})
    with pytest.raises(ConfigError, match="needs a name"):
        Level("", _ridge)
    with pytest.raises(ConfigError, match=r"strength=0\.0 must be positive"):
        ProximalCross(0.0)


def test_weights_that_do_not_match_the_losses_are_refused() -> None:
    problem = Quadratic()
    levels = problem.levels(first=LinearWeightsCross(problem.losses, weights="lambda"))
    with pytest.raises(ConfigError, match="'lambda' is absent"):
        problem.run(levels, Dense())
