"""Solvers that see the optimiser: against steps that are written out and differentiated, and in the loop."""

from typing import Any

import pytest
import torch
from torch import Tensor

from molweight.errors import ConfigError
from molweight.mlo import ClosedFormGraph, HeadLabels, HeadLoss, Loop, TwoLevelGraph, solvers
from molweight.mlo._level_solvers import second_moments
from molweight.mlo.solvers import Identity, Outcome, SecondMoments, Unrolled
from molweight.mlo.weightings import TapWeight

SIZE = 6


def _matrix() -> Tensor:
    basis, _ = torch.linalg.qr(_randn(SIZE, SIZE, seed=0))
    matrix: Tensor = basis @ torch.diag(torch.linspace(0.5, 4.0, SIZE, dtype=torch.float64)) @ basis.T
    return matrix


def _randn(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_unrolled_is_the_derivative_of_the_steps(steps: int) -> None:
    """``d <b, x_n> / d t`` where each step descends ``1/2 x A x - t c x`` with a diagonal preconditioner."""
    matrix, b, c, lr = _matrix(), _randn(SIZE, seed=1), _randn(SIZE, seed=2), 0.1
    moments = _randn(SIZE, seed=3) ** 2 + 0.1
    solver = Unrolled(steps=steps, eps=0.0)
    scale = 1 / moments.sqrt()
    t = torch.zeros((), dtype=torch.float64, requires_grad=True)
    x = torch.zeros(SIZE, dtype=torch.float64)  # the minimum at t = 0
    for _ in range(steps):
        x = x - lr * scale * (matrix @ x - t * c)
    (expected,) = torch.autograd.grad(b @ x, t)
    found = solver.adapted(moments, lr).solve(lambda v: matrix @ v, b).value
    torch.testing.assert_close(found @ c, expected, rtol=1e-10, atol=1e-14)


def _adam_at(x: Tensor, moments: Tensor, lr: float) -> torch.optim.Adam:
    """An Adam without momentum whose second moments keep their values."""
    optimiser = torch.optim.Adam([x], lr=lr, betas=(0.0, 1 - 2**-53), eps=0.0)
    step = torch.tensor(2.0**60)  # no bias correction is left
    optimiser.state[x] = {"step": step, "exp_avg": torch.zeros_like(x), "exp_avg_sq": moments.clone()}
    return optimiser


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_unrolled_is_the_derivative_of_steps_of_adam(steps: int, size: float) -> None:
    """Differences of the last iterate with respect to ``t``, for losses of any size."""
    matrix, b, c = _matrix() * size, _randn(SIZE, seed=1), _randn(SIZE, seed=2)
    moments, lr, ends = (_randn(SIZE, seed=3) ** 2 + 0.1) * size**2, 0.1, []
    for t in (1e-3, -1e-3):
        x = torch.zeros(SIZE, dtype=torch.float64, requires_grad=True)
        optimiser = _adam_at(x, moments, lr)
        for _ in range(steps):
            x.grad = matrix @ x.detach() - t * c
            optimiser.step()
        ends.append(b @ x.detach())
    found = Unrolled(steps=steps, eps=0.0).adapted(moments, lr).solve(lambda v: matrix @ v, b).value
    torch.testing.assert_close(found @ c, (ends[0] - ends[1]) / 2e-3, rtol=1e-8, atol=1e-12)


def test_many_unrolled_steps_are_the_dense_solve() -> None:
    matrix, b, moments = _matrix(), _randn(SIZE, seed=1), _randn(SIZE, seed=3) ** 2 + 0.1
    solution = Unrolled(steps=3000).adapted(moments, 0.1).solve(lambda v: matrix @ v, b)
    torch.testing.assert_close(solution.value, torch.linalg.solve(matrix, b), rtol=1e-8, atol=1e-10)
    assert int(solution.stats.iterations) == 2999


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_the_unit_of_the_losses_does_not_matter(factor: float) -> None:
    b, moments = _randn(SIZE, seed=1), _randn(SIZE, seed=3) ** 2
    one, other = (SecondMoments().adapted(moments * size, 0.1).solve(lambda v: v, b).value for size in (1.0, factor))
    torch.testing.assert_close(one, other)


def test_one_unrolled_step_is_sama_times_the_learning_rate() -> None:
    b, moments = _randn(SIZE, seed=1), _randn(SIZE, seed=3) ** 2
    one = Unrolled(steps=1).adapted(moments, 0.25).solve(lambda v: v, b).value
    size = SecondMoments().scale(moments).mean()
    torch.testing.assert_close(one, 0.25 * size * SecondMoments().adapted(moments, 0.25).solve(lambda v: v, b).value)


@pytest.mark.parametrize(("sign", "lr"), [(1.0, 10.0), (-1.0, 1.0)])
def test_a_series_that_diverges_ends_early_and_says_so(sign: float, lr: float) -> None:
    """A rate that is too large, or negative curvature: the terms grow by a factor."""
    matrix, b, moments = sign * _matrix(), _randn(SIZE, seed=1), _randn(SIZE, seed=3) ** 2 + 0.1
    solution = Unrolled(steps=200).adapted(moments, lr).solve(lambda v: matrix @ v, b)
    assert solution.stats.outcome is Outcome.DIVERGED
    assert int(solution.stats.iterations) < 20
    assert float(solution.value.norm()) < 1e3 * float(b.norm())
    short = Unrolled(steps=1 + int(solution.stats.iterations)).adapted(moments, lr).solve(lambda v: matrix @ v, b)
    assert short.stats.outcome is Outcome.UNCHECKED
    assert torch.equal(short.value, solution.value)


def test_slow_growth_of_few_terms_is_kept() -> None:
    """Slightly negative curvature, as of a network in training, does not end a short series."""
    b = _randn(SIZE, seed=1)
    solution = Unrolled(steps=5, lr=0.1).solve(lambda v: -v, b)
    assert solution.stats.outcome is Outcome.UNCHECKED
    torch.testing.assert_close(solution.value, 0.1 * sum(1.1**j for j in range(5)) * b)


@pytest.mark.parametrize("solver", [SecondMoments(), Unrolled(steps=1)])
def test_without_an_optimiser_it_is_the_identity(solver: Any) -> None:
    b = _randn(SIZE, seed=1)
    assert torch.equal(solver.solve(lambda v: v, b).value, b)
    assert torch.equal(solver.adapted(None, 1.0).solve(lambda v: v, b).value, b)


def test_what_is_not_finite_never_reaches_the_answer() -> None:
    b = _randn(SIZE, seed=1)
    solution = Unrolled(steps=2).solve(lambda v: v * float("nan"), b)
    assert torch.equal(solution.value, b)
    assert solution.stats.outcome is Outcome.NON_FINITE
    assert torch.equal(SecondMoments().adapted(b * float("nan"), 1.0).solve(lambda v: v, b).value, b)


def test_impossible_options_are_refused() -> None:
    for options, message in (({"steps": 0}, "steps"), ({"lr": 0.0}, "lr"), ({"eps": -1.0}, "eps")):
        with pytest.raises(ConfigError, match=message):
            solvers.create("unrolled", **options)
    with pytest.raises(ConfigError, match="eps"):
        solvers.create("sama", eps=-1.0)
    with pytest.raises(ConfigError, match="second moments of 2 variables, but the level has 6"):
        SecondMoments().adapted(torch.ones(2), 1.0).solve(lambda v: v, _randn(SIZE, seed=1))


def test_moments_are_those_of_adam_and_absent_for_others() -> None:
    variables = [torch.ones(2, requires_grad=True), torch.ones(1, requires_grad=True)]
    adam, plain = torch.optim.Adam(variables[:1]), torch.optim.SGD(variables[1:])
    for _ in range(3):
        for variable in variables:
            variable.grad = torch.full_like(variable, 2.0)
        adam.step()
        plain.step()
    found = second_moments([plain, adam], variables[:1])
    assert found is not None
    torch.testing.assert_close(found, torch.full((2,), 4.0), rtol=1e-4, atol=0.0)
    assert second_moments([adam, plain], variables) is None


NAMES = ("one", "two")


def _loop(**options: Any) -> Loop:
    pretrained = {"encoder.w": _randn(3, seed=4).requires_grad_()}
    finetuned = {
        "encoder.w": _randn(3, seed=4).requires_grad_(),
        "head.weight": _randn(1, 3, seed=5).requires_grad_(),
        "head.bias": _randn(1, seed=6).requires_grad_(),
    }
    return Loop(pretrained, finetuned, TapWeight(NAMES), **options)


OBJECTIVES = {
    "one": lambda p: ((p["encoder.w"] - 1) ** 2 * torch.tensor([1.0, 10.0, 100.0])).sum(),
    "two": lambda p: ((p["encoder.w"] + 1) ** 2).sum(),
}
X = _randn(8, 3, seed=7)
TASK = HeadLoss([lambda p: X * p["encoder.w"]], HeadLabels.of(_randn(8, 1, seed=8), torch.tensor([False])), decay=0.1)


@pytest.mark.parametrize("graph", [None, TwoLevelGraph, ClosedFormGraph])
@pytest.mark.parametrize("name", ["sama", "unrolled"])
def test_every_graph_tells_it_of_its_optimisers(graph: Any, name: str) -> None:
    loop = _loop(graph=graph, solver=solvers.create(name))
    for _ in range(3):
        loop.step(OBJECTIVES, TASK, TASK)
    record = loop.step(OBJECTIVES, TASK, TASK)
    assert record.hypergradient is not None
    assert record.hypergradient.isfinite().all()
    found = loop.hypergradient(OBJECTIVES, TASK, TASK).value["weights"]
    plain = loop.hypergradient(OBJECTIVES, TASK, TASK, solver=Identity()).value["weights"]
    assert not torch.allclose(found / found.norm(), plain / plain.norm(), rtol=1e-3)


def test_sama_in_the_loop_is_the_scaled_direction() -> None:
    loop = _loop(graph=ClosedFormGraph, solver=SecondMoments(eps=0.0))
    for _ in range(3):
        loop.step(OBJECTIVES, TASK, TASK)
    _, arriving = loop.graph.meta_gradient([TASK], TASK, loop.pretrained)
    moments = second_moments([loop.pretrain_optimizer], list(loop.pretrained.values()))
    assert moments is not None
    scale = 1 / moments.sqrt()
    _, adjoint = loop.adjoint(OBJECTIVES, TASK, TASK)
    torch.testing.assert_close(adjoint.direction, arriving * scale / scale.mean(), rtol=1e-12, atol=1e-15)
