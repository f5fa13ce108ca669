"""Truncated Neumann series."""

from dataclasses import dataclass

import torch
from torch import Tensor

from molweight.mlo.solvers._base import Operator, Outcome, Solution, Solver, Stats, at_least, fill
from molweight.mlo.solvers._registry import solvers
from molweight.mlo.solvers._spectrum import largest_eigenvalue_bound

__all__ = ["Neumann"]

_GROWTH = 10.0
"""Residual growth, against the right-hand side, at which the series is called divergent.

An indefinite matrix makes the residual grow by a constant factor per term; the slower growth of a few terms with a step
that is slightly too long is tolerated.
"""


@solvers.register("neumann")
@dataclass(frozen=True)
class Neumann(Solver):
    """``x = step * sum_j (I - step (A + damping I))^j b``, truncated (Lorraine et al. 2020).

    Precondition: ``A + damping I`` is positive definite and ``step < 2 / lambda_max``. The component along an
    eigenvector of eigenvalue ``a`` has relative error ``(1 - step * a)^iterations``. ``step=None`` uses ``1 / bound``,
    with an estimated upper bound of ``lambda_max`` (see ``probes``), so it converges for every positive definite
    matrix. If the curvature is zero, the result is the start, or zero, and the statistics report it.

    Args:
        iterations: Terms of the series, one product each.
        damping: Added to the diagonal.
        step: Step of the series, or ``None`` to measure a safe one.
        probes: Number of products for estimating the step (Lanczos steps). A single one may give a step that is too
            large.
        tolerance: Stop once ``|b - A x| <= tolerance * |b|``.

    Example:
        >>> solution = Neumann(iterations=50, step=0.5).solve(lambda v: 2 * v, torch.tensor([4.0, 6.0]))
        >>> solution.value.tolist(), solution.stats.converged
        ([2.0, 3.0], True)
    """

    uses_start = True

    iterations: int = 10
    damping: float = 0.0
    step: float | None = None
    probes: int = 3
    tolerance: float = 1e-6

    def __post_init__(self) -> None:
        """Reject invalid options."""
        at_least("neumann", iterations=(self.iterations, 1), damping=(self.damping, 0), tolerance=(self.tolerance, 0))
        at_least("neumann", probes=(self.probes, 1))
        if self.step is not None:
            at_least("neumann", step=(self.step, torch.finfo(torch.float64).tiny))

    def solve(self, operator: Operator, b: Tensor, start: Tensor | None = None) -> Solution:
        """Sum the series for the residual of ``start``, or of zero if that has a smaller residual."""

        def product(vector: Tensor) -> Tensor:
            return operator(vector).add(vector, alpha=self.damping)

        # The series is summed for the residual, so that a start only has to be added: x = start + series(b - A start).
        x, r = (torch.zeros_like(b), b) if start is None else _first(b, b - product(start), start)
        step = self._step(product, r)
        norm, iterations = b.norm(), fill(b, 0)
        code = _judge(r.norm(), norm, self.tolerance)
        # A zero step means zero curvature in the whole Krylov space. It has its own outcome, because its remedy differs
        # from that of too few terms.
        code = torch.where((step == 0) & (code == Outcome.BUDGET_SPENT), Outcome.NEGATIVE_CURVATURE, code)
        for _ in range(self.iterations):
            if b.device.type == "cpu" and code != Outcome.BUDGET_SPENT:
                break
            running = code == Outcome.BUDGET_SPENT
            # r_(j+1) = (I - step A) r_j is both the next term of the series, up to the step, and the true residual: no
            # product is spent on checking.
            proposal = r - step * product(r)
            sound = running & proposal.norm().isfinite() & (proposal.norm() <= _GROWTH * norm)
            # The outcome describes the proposal, but a divergent or infinite one is not used, so that the result is
            # finite.
            code = torch.where(running, _judge(proposal.norm(), norm, self.tolerance), code)
            x = torch.where(sound, x + step * r, x)
            r = torch.where(sound, proposal, r)
            iterations = iterations + sound
        residual = r.norm() / norm.clamp_min(torch.finfo(b.dtype).tiny)
        return Solution(x, Stats(iterations, residual, code))

    def _step(self, product: Operator, r: Tensor) -> Tensor:
        if self.step is not None:
            return torch.full((), self.step, dtype=r.dtype, device=r.device)
        bound = largest_eigenvalue_bound(product, r, self.probes)
        # A matrix of zeros has no safe step: zero, so that nothing moves and the outcome says so.
        return torch.where(bound <= torch.finfo(r.dtype).tiny, 0.0, 1.0 / bound)


def _first(b: Tensor, r: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
    """The start with its residual, or zero unless the start's residual is smaller (chosen on the device)."""
    better = r.norm() < b.norm()  # false for NaN
    return torch.where(better, start, 0.0), torch.where(better, r, b)


def _judge(residual: Tensor, norm: Tensor, tolerance: float) -> Tensor:
    code = torch.where(residual <= tolerance * norm, Outcome.CONVERGED, Outcome.BUDGET_SPENT)
    code = torch.where(residual > _GROWTH * norm, Outcome.DIVERGED, code)
    return torch.where(residual.isfinite(), code, Outcome.NON_FINITE)
