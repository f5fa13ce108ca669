"""Every solver, through every option, against a dense solve in float64."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from molweight.errors import ConfigError, UnknownNameError
from molweight.mlo import solvers
from molweight.mlo.solvers import ConjugateGradient, Dense, Identity, Neumann, Nystrom, Outcome

SIZE = 12


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _spd(seed: int = 0, low: float = 0.5, high: float = 4.0) -> Tensor:
    """A symmetric matrix with eigenvalues spread evenly over [low, high]."""
    basis, _ = torch.linalg.qr(torch.randn(SIZE, SIZE, dtype=torch.float64, generator=_generator(seed)))
    matrix: Tensor = basis @ torch.diag(torch.linspace(low, high, SIZE, dtype=torch.float64)) @ basis.T
    return matrix


def _vector(seed: int = 1) -> Tensor:
    return torch.randn(SIZE, dtype=torch.float64, generator=_generator(seed))


def _product(matrix: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda vector: matrix @ vector


def _exact(matrix: Tensor, b: Tensor, damping: float = 0.0) -> Tensor:
    solution: Tensor = torch.linalg.solve(matrix + damping * torch.eye(SIZE, dtype=matrix.dtype), b)
    return solution


def _error(value: Tensor, exact: Tensor) -> float:
    return float((value - exact).norm() / exact.norm())


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("damping", [0.0, 0.3, 5.0])
@pytest.mark.parametrize(
    ("name", "options", "tolerance"),
    [
        ("dense", {}, 1e-12),
        ("cg", {"iterations": SIZE, "tolerance": 0.0}, 1e-10),
        ("nystrom", {"rank": SIZE}, 1e-9),
        ("nystrom", {"rank": SIZE, "seed": 3, "tolerance": 1e-9}, 1e-9),
        ("nystrom", {"rank": 5 * SIZE}, 1e-9),
        ("cg", {"iterations": 100, "tolerance": 1e-9}, 1e-8),
        ("neumann", {"iterations": 400, "tolerance": 1e-11}, 1e-10),
        ("neumann", {"iterations": 400, "tolerance": 1e-11, "step": 0.15}, 1e-10),
        ("neumann", {"iterations": 400, "tolerance": 1e-11, "probes": 1}, 1e-10),
        ("neumann", {"iterations": 400, "tolerance": 1e-11, "probes": 8}, 1e-10),
    ],
)
def test_agrees_with_the_dense_solve(
    name: str, options: dict[str, Any], tolerance: float, damping: float, *, warm: bool
) -> None:
    if name == "nystrom":
        damping = max(damping, 0.1)
    matrix, b = _spd(), _vector()
    exact = _exact(matrix, b, damping)
    start = exact + 0.1 * _vector(5) if warm else None
    solution = solvers.create(name, damping=damping, **options).solve(_product(matrix), b, start)
    assert _error(solution.value, exact) < tolerance
    residual = (b - matrix @ solution.value - damping * solution.value).norm() / b.norm()
    assert solution.stats.residual is not None
    assert math.isclose(float(solution.stats.residual), float(residual), rel_tol=1e-2, abs_tol=1e-11)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), damping=st.floats(0.0, 3.0), high=st.floats(0.6, 1e3))
def test_cg_solves_any_positive_definite_system(seed: int, damping: float, high: float) -> None:
    matrix, b = _spd(seed, 0.5, high), _vector(seed + 1)
    solution = ConjugateGradient(iterations=60, damping=damping, tolerance=1e-10).solve(_product(matrix), b)
    assert solution.stats.converged
    assert _error(solution.value, _exact(matrix, b, damping)) < 1e-6


def test_cg_stops_at_its_tolerance_and_reports_it() -> None:
    matrix, b = _spd(), _vector()
    loose = ConjugateGradient(iterations=50, tolerance=1e-2).solve(_product(matrix), b).stats
    tight = ConjugateGradient(iterations=50, tolerance=1e-9).solve(_product(matrix), b).stats
    assert loose.converged
    assert tight.converged
    assert int(loose.iterations) < int(tight.iterations) <= SIZE
    assert float(loose.residual or 0) <= 1e-2


def test_cg_budget_spent() -> None:
    matrix, b = _spd(high=400.0), _vector()
    stats = ConjugateGradient(iterations=2, tolerance=1e-12).solve(_product(matrix), b).stats
    assert stats.outcome is Outcome.BUDGET_SPENT
    assert int(stats.iterations) == 2
    assert "raise iterations" in stats.reason
    assert stats.summary()["outcome"] == "budget_spent"


def test_cg_is_independent_of_the_scale_of_the_system() -> None:
    matrix, b = _spd(), _vector()
    plain = ConjugateGradient(iterations=4).solve(_product(matrix), b).value
    scaled = ConjugateGradient(iterations=4).solve(_product(1e3 * matrix), 1e-4 * b).value
    torch.testing.assert_close(scaled, 1e-7 * plain, rtol=1e-10, atol=0.0)


def test_cg_from_the_solution_spends_nothing() -> None:
    matrix, b = _spd(), _vector()
    stats = ConjugateGradient().solve(_product(matrix), b, _exact(matrix, b)).stats
    assert stats.converged
    assert int(stats.iterations) == 0


def _residual(product: Callable[[Tensor], Tensor], solution: solvers.Solution, b: Tensor) -> float:
    """That of the value which was returned, after checking that it is the one which was reported."""
    residual = float((b - product(solution.value)).norm() / b.norm())
    assert solution.stats.residual is not None
    assert float(solution.stats.residual) == pytest.approx(residual, rel=1e-9, abs=1e-14)
    return residual


@pytest.mark.parametrize("damping", [0.0, 0.5])
@pytest.mark.parametrize("size", [None, 3.0, 0.0])
def test_cg_meets_negative_curvature_at_once_and_falls_back_to_the_identity(size: float | None, damping: float) -> None:
    """A start that is no better than zero changes nothing: here of zeros, and of any size in the wrong direction."""
    b = _vector()
    start = None if size is None else size * b
    solution = ConjugateGradient(damping=damping).solve(lambda vector: -vector, b, start)
    assert solution.stats.outcome is Outcome.NEGATIVE_CURVATURE
    assert int(solution.stats.iterations) == 0
    assert torch.equal(solution.value, b)
    assert _residual(lambda vector: (damping - 1) * vector, solution, b) == pytest.approx(2 - damping)


def test_cg_keeps_a_good_start_where_negative_curvature_is_met_at_once() -> None:
    b, near = _vector(), -_vector() + 0.01 * _vector(3)  # of the matrix -I, whose solution is -b
    solution = ConjugateGradient().solve(lambda vector: -vector, b, near)
    assert solution.stats.outcome is Outcome.NEGATIVE_CURVATURE
    assert int(solution.stats.iterations) == 0
    assert torch.equal(solution.value, near)
    assert 0 < _residual(lambda vector: -vector, solution, b) < 0.05


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), low=st.floats(-3.0, 0.4), far=st.floats(0.0, 10.0), iterations=st.integers(1, 6))
def test_cg_reports_the_residual_of_its_answer_whatever_the_curvature(
    seed: int, low: float, far: float, iterations: int
) -> None:
    matrix, b = _spd(seed, low, 2.0), _vector(seed + 1)
    assume(float(torch.linalg.eigvalsh(matrix).abs().min()) > 1e-2)  # else the start near the solution is huge
    for start in (None, _exact(matrix, b) + far * _vector(seed + 2)):
        solution = ConjugateGradient(iterations=iterations, tolerance=1e-3).solve(_product(matrix), b, start)
        assert solution.stats.residual is not None
        residual = float((b - matrix @ solution.value).norm() / b.norm())
        assert float(solution.stats.residual) == pytest.approx(residual, rel=1e-6, abs=1e-6)


def test_cg_does_not_use_a_start_that_is_worse_than_zero() -> None:
    matrix, b = _spd(), _vector()
    solver = ConjugateGradient(iterations=3)
    cold, bad = solver.solve(_product(matrix), b), solver.solve(_product(matrix), b, -5.0 * b)
    assert torch.equal(bad.value, cold.value)
    lost = solver.solve(_product(matrix), b, torch.full_like(b, float("inf")))
    assert torch.equal(lost.value, cold.value)


def test_cg_keeps_the_iterate_before_negative_curvature() -> None:
    diagonal = torch.tensor([2.0, 2.0, -1.0], dtype=torch.float64)
    b = torch.tensor([1.0, 1.0, 0.1], dtype=torch.float64)
    solution = ConjugateGradient(iterations=10).solve(lambda vector: diagonal * vector, b)
    assert solution.stats.outcome is Outcome.NEGATIVE_CURVATURE
    assert int(solution.stats.iterations) == 1
    torch.testing.assert_close(solution.value, b * (b @ b) / (b @ (diagonal * b)))
    assert ConjugateGradient(iterations=10, damping=1.5).solve(lambda v: diagonal * v, b).stats.converged


@pytest.mark.parametrize("solver", [ConjugateGradient(), Neumann(step=0.1), Neumann(), Nystrom()])
def test_products_that_are_not_finite_never_reach_the_answer(solver: solvers.Solver) -> None:
    b = _vector()
    solution = solver.solve(lambda vector: vector * float("nan"), b)
    assert solution.stats.outcome is Outcome.NON_FINITE
    assert bool(solution.value.isfinite().all())


def test_a_right_hand_side_of_zero_gives_zero() -> None:
    matrix, zero = _spd(), torch.zeros(SIZE, dtype=torch.float64)
    for solver in (ConjugateGradient(), Neumann(), Dense(), Identity(), Nystrom()):
        assert float(solver.solve(_product(matrix), zero).value.abs().max()) == 0.0


@pytest.mark.parametrize("scale", [1.0, 1e15])
def test_neumann_names_curvature_that_is_zero_altogether(scale: float) -> None:
    b = scale * _vector().float()
    solution = Neumann().solve(torch.zeros_like, b)
    assert solution.stats.outcome is Outcome.NEGATIVE_CURVATURE
    assert "raise damping" in solution.stats.reason
    assert torch.equal(solution.value, torch.zeros_like(b))
    assert float(solution.stats.residual or 0) == 1.0
    assert Neumann(damping=2.0).solve(torch.zeros_like, b).stats.converged


@pytest.mark.parametrize("iterations", [1, 2, 5, 20])
def test_neumann_converges_at_its_theoretical_rate(iterations: int) -> None:
    diagonal = torch.linspace(0.5, 4.0, SIZE, dtype=torch.float64)
    b, step, damping = _vector(), 0.2, 0.25
    solver = Neumann(iterations=iterations, step=step, damping=damping, tolerance=0.0)
    solution = solver.solve(lambda vector: diagonal * vector, b)
    exact = b / (diagonal + damping)
    torch.testing.assert_close(exact - solution.value, (1 - step * (diagonal + damping)) ** iterations * exact)
    assert int(solution.stats.iterations) == iterations


def test_neumann_names_divergence() -> None:
    solution = Neumann(iterations=100, step=2.0).solve(_product(_spd()), _vector())
    assert solution.stats.outcome is Outcome.DIVERGED
    assert float(solution.value.norm()) < 1e3


@pytest.mark.parametrize(
    "solver", [Neumann(iterations=400, step=0.2), Neumann(iterations=400), ConjugateGradient(SIZE)]
)
@pytest.mark.parametrize("factor", [-1.0, 100.0, math.nan])
def test_a_start_that_is_worse_than_zero_is_not_used(solver: solvers.Solver, factor: float) -> None:
    """Otherwise the loop would keep it as the start of every later solve."""
    matrix, b = _spd(), _vector()
    bad = solver.solve(_product(matrix), b, factor * _exact(matrix, b))
    cold = solver.solve(_product(matrix), b)
    assert bad.stats.converged
    assert torch.equal(bad.value, cold.value)
    assert torch.equal(bad.stats.iterations, cold.stats.iterations)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), high=st.floats(0.6, 1e6), probes=st.integers(2, 6))
def test_the_measured_step_of_neumann_is_safe(seed: int, high: float, probes: int) -> None:
    matrix, b = _spd(seed, 0.5, high), _vector(seed + 1)
    solution = Neumann(iterations=30, probes=probes).solve(_product(matrix), b)
    assert solution.stats.outcome in {Outcome.CONVERGED, Outcome.BUDGET_SPENT}
    assert _error(solution.value, _exact(matrix, b)) < 1.0


@pytest.mark.parametrize("name", solvers.available())
def test_solvers_say_whether_they_apply_products(name: str) -> None:
    applied = []

    def product(vector: Tensor) -> Tensor:
        applied.append(vector)
        return 2 * vector

    solver = solvers.create(name)
    solver.solve(product, _vector())
    assert bool(applied) is solver.uses_products


def test_identity_applies_no_product() -> None:
    def never(vector: Tensor) -> Tensor:
        raise AssertionError(vector)

    b = _vector()
    assert Identity().solve(never, b).value is b
    torch.testing.assert_close(Identity(scale=0.5).solve(never, b).value, 0.5 * b)
    assert Identity().solve(never, b).stats.outcome is Outcome.UNCHECKED


def test_dense_solves_indefinite_systems() -> None:
    matrix = _spd(low=-2.0, high=3.0)
    b = _vector()
    assert _error(Dense().solve(_product(matrix), b).value, _exact(matrix, b)) < 1e-12


def test_dense_refuses_a_singular_matrix_with_the_remedy() -> None:
    matrix = _spd(low=0.0)
    with pytest.raises(ConfigError, match=r"singular .* Set damping > 0"):
        Dense().solve(_product(matrix), _vector())
    assert _error(Dense(damping=0.1).solve(_product(matrix), _vector()).value, _exact(matrix, _vector(), 0.1)) < 1e-12


def test_dense_refuses_large_problems_and_matrices_that_are_not_finite() -> None:
    with pytest.raises(ConfigError, match="up to 5 variables, got 12"):
        Dense(limit=5).solve(_product(_spd()), _vector())
    with pytest.raises(ConfigError, match="not finite"):
        Dense().solve(lambda vector: vector / 0.0, _vector())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cg", {"iterations": 0}),
        ("cg", {"damping": -1.0}),
        ("cg", {"tolerance": -1e-3}),
        ("cg", {"damping": float("nan")}),
        ("neumann", {"step": 0.0}),
        ("neumann", {"probes": 0}),
        ("neumann", {"iterations": -3}),
        ("dense", {"damping": -0.1}),
        ("nystrom", {"damping": 0.0}),
        ("nystrom", {"rank": 0}),
        ("nystrom", {"seed": -1}),
        ("nystrom", {"seed": 2**32}),
        ("identity", {"scale": 0.0}),
        ("identity", {"scale": -1.0}),
        ("identity", {"scale": float("nan")}),
        ("nystrom", {"tolerance": -1.0}),
        ("dense", {"limit": 0}),
    ],
)
def test_impossible_options_are_refused_by_name(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        solvers.create(name, **options)


def test_unknown_names_and_options_are_refused_with_what_exists() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'neumann'"):
        solvers.create("neuman")
    with pytest.raises(ConfigError, match=r"'cg' has no option 'damp'; did you mean 'damping'\? Options: iterations"):
        solvers.create("cg", damp=1.0)


def test_nystrom_is_exact_for_a_matrix_of_its_rank() -> None:
    root = torch.randn(SIZE, 3, dtype=torch.float64, generator=_generator(3))
    matrix, b = root @ root.T, _vector()
    solution = Nystrom(rank=3, damping=0.5).solve(_product(matrix), b)
    assert _error(solution.value, _exact(matrix, b, 0.5)) < 1e-10
    assert solution.stats.converged
    assert int(solution.stats.iterations) == 3


def test_nystrom_reports_what_it_left_out() -> None:
    matrix, b = _spd(), _vector()
    partial = Nystrom(rank=2, damping=0.5, tolerance=1e-6).solve(_product(matrix), b)
    assert partial.stats.outcome is Outcome.BUDGET_SPENT
    residual = float((matrix @ partial.value + 0.5 * partial.value - b).norm() / b.norm())
    assert partial.stats.residual is not None
    assert float(partial.stats.residual) == pytest.approx(residual)
    unchecked = Nystrom(rank=2, damping=0.5, check=False).solve(_product(matrix), b)
    assert unchecked.stats.outcome is Outcome.UNCHECKED
    assert unchecked.stats.residual is None
    assert torch.equal(unchecked.value, partial.value)


def test_nystrom_drops_negative_curvature_and_says_so() -> None:
    diagonal = torch.cat([torch.tensor([-3.0, 4.0], dtype=torch.float64), torch.zeros(SIZE - 2, dtype=torch.float64)])
    solution = Nystrom(rank=6, damping=1.0).solve(lambda vector: diagonal * vector, _vector())
    assert solution.stats.outcome is Outcome.NEGATIVE_CURVATURE
    assert bool(solution.value.isfinite().all())
    unchecked = Nystrom(rank=6, damping=1.0, check=False).solve(lambda vector: diagonal * vector, _vector())
    assert unchecked.stats.outcome is Outcome.NEGATIVE_CURVATURE
    assert torch.equal(unchecked.value, solution.value)


def test_nystrom_without_a_check_spends_one_product_less() -> None:
    matrix, b, asked = _spd(), _vector(), [0]

    def counted(vector: Tensor) -> Tensor:
        asked[0] += 1
        return matrix @ vector

    full = Nystrom(rank=SIZE, damping=0.5, check=False).solve(counted, b)
    assert asked == [SIZE]
    assert _error(full.value, _exact(matrix, b, 0.5)) < 1e-8
    Nystrom(rank=SIZE, damping=0.5).solve(counted, b)
    assert asked == [2 * SIZE + 1]
