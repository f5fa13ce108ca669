"""The reference solver on indefinite systems, against the dense solve."""

import pytest
import torch

from molweight.errors import ConfigError
from molweight.mlo.solvers import Dense, MinresReference, Outcome


def _indefinite(size: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(size, size, dtype=torch.float64, generator=generator)).Q
    matrix: torch.Tensor = (basis * torch.linspace(-1.0, 3.0, size, dtype=torch.float64)) @ basis.T
    return matrix


@pytest.mark.parametrize("limit", [0, 100])
@pytest.mark.parametrize("damping", [0.07, 2.0])
def test_the_reference_solves_indefinite_systems(limit: int, damping: float) -> None:
    matrix, b = _indefinite(30), torch.linspace(1, 2, 30, dtype=torch.float64)
    reference = MinresReference(damping, limit=limit, tolerance=1e-11)
    solution = reference.solve(lambda v: matrix @ v, b)
    assert torch.allclose(solution.value, Dense(damping).solve(lambda v: matrix @ v, b).value, rtol=1e-8)
    assert solution.stats.outcome is Outcome.CONVERGED
    found = reference.spectra[0]
    assert found.method == ("dense" if limit else "minres")
    assert found.lowest == pytest.approx(-1, abs=1e-8)
    assert found.highest == pytest.approx(3, abs=1e-8)
    assert found.negative == 8  # of -1 + 4 k / 29, those with k < 7.25
    assert found.indefinite is (damping < 1)


def test_the_reference_says_when_it_has_not_converged() -> None:
    matrix, b = _indefinite(30), torch.ones(30, dtype=torch.float64)
    reference = MinresReference(0.07, limit=0, iterations=5)
    solution = reference.solve(lambda v: matrix @ v, b)
    gap = b - matrix @ solution.value - 0.07 * solution.value
    assert solution.stats.outcome is Outcome.BUDGET_SPENT
    assert reference.spectra[0].residual == pytest.approx(float(gap.norm() / b.norm()))
    assert reference.spectra[0].products == 6  # one for the residual


@pytest.mark.parametrize("limit", [0, 100])
def test_a_zero_right_hand_side_has_the_answer_zero(limit: int) -> None:
    solution = MinresReference(0.1, limit=limit).solve(lambda v: v, torch.zeros(4))
    assert solution.value.tolist() == [0.0] * 4
    assert float(solution.stats.residual or 0.0) == 0


@pytest.mark.parametrize("limit", [0, 100])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("after", [0, 3])
def test_a_product_that_is_not_finite_ends_the_solve(limit: int, bad: float, after: int) -> None:
    matrix, b = _indefinite(30), torch.linspace(1, 2, 30, dtype=torch.float64)
    products: list[torch.Tensor] = []

    def operator(v: torch.Tensor) -> torch.Tensor:
        products.append(matrix @ v)
        if len(products) > after:
            products[-1][7] = bad
        return products[-1]

    reference = MinresReference(0.1, limit=limit)
    solution = reference.solve(operator, b)
    assert solution.stats.outcome is Outcome.NON_FINITE
    assert solution.value.tolist() == [0.0] * 30
    found = reference.spectra[0]
    assert found.lowest != found.lowest
    assert not found.indefinite
    assert found.products == (30 if limit else after + 1)
    assert float(solution.stats.residual or 0.0) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"damping": -1.0},
        {"damping": float("nan")},
        {"damping": float("inf")},
        {"limit": -1},
        {"iterations": 0},
        {"tolerance": 1.0},
    ],
)
def test_impossible_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="the reference needs"):
        MinresReference(**options)  # type: ignore[arg-type]  # one option at a time


def test_an_invariant_krylov_space_ends_the_iteration() -> None:
    """A right-hand side with components along two eigenvectors is solved exactly after two products."""
    matrix = torch.diag(torch.tensor([1.0, -2.0, 5.0, 7.0], dtype=torch.float64))
    reference = MinresReference(limit=0)
    solution = reference.solve(lambda v: matrix @ v, torch.tensor([1.0, 1.0, 0.0, 0.0], dtype=torch.float64))
    torch.testing.assert_close(solution.value, torch.tensor([1.0, -0.5, 0.0, 0.0], dtype=torch.float64))
    assert reference.spectra[0].products == 3  # one for the residual
    assert reference.spectra[0].lowest == pytest.approx(-2)
    assert reference.spectra[0].negative == 1
