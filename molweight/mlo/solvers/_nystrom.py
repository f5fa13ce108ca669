"""Low-rank approximation of the matrix, inverted in closed form."""

from dataclasses import dataclass

import torch
from torch import Tensor

from molweight.errors import OptionError
from molweight.mlo.solvers._base import Operator, Outcome, Solution, Solver, Stats, at_least, fill
from molweight.mlo.solvers._registry import solvers

__all__ = ["Nystrom"]


@solvers.register("nystrom")
@dataclass(frozen=True)
class Nystrom(Solver):
    """Replaces ``A`` by its Nystrom approximation ``A S (S^T A S)^+ S^T A`` and inverts that plus the damping.

    Precondition: ``damping > 0``, and ``A`` positive semi-definite; negative curvature in the sketch is dropped and
    reported. Exact for a matrix of rank up to ``rank``. Outside the sketched space the solution is ``b / damping``, so
    the damping should be near the bulk of the spectrum, not near zero.

    Sources: Frangella, Tropp, Udell, SIAM J. Matrix Anal. 2023 (randomised sketch); Hataya & Yamada, AISTATS 2023
    (hypergradients). On an accelerator, the two small eigenvalue problems synchronise with the device.

    Args:
        rank: Number of sketched directions, one product each.
        damping: Added to the diagonal; positive.
        seed: Seed of the Gaussian sketch; the same sketch is drawn in every solve. A job passes one that follows from
            its own seed.
        check: Compute the residual, at the cost of one more product.
        tolerance: Relative residual below which the solve counts as converged.

    Example:
        >>> diagonal = torch.tensor([3.0, 0.0, 0.0, 0.0])
        >>> solution = Nystrom(rank=1, damping=1.0).solve(lambda v: diagonal * v, torch.ones(4))
        >>> [round(x, 4) for x in solution.value.tolist()], solution.stats.converged
        ([0.25, 1.0, 1.0, 1.0], True)
    """

    rank: int = 10
    damping: float = 1.0
    seed: int = 0
    check: bool = True
    tolerance: float = 1e-3

    def __post_init__(self) -> None:
        """Reject invalid options."""
        smallest = torch.finfo(torch.float32).tiny
        at_least("nystrom", rank=(self.rank, 1), damping=(self.damping, smallest), tolerance=(self.tolerance, 0))
        if not 0 <= self.seed < 2**32:
            raise OptionError("seed", self.seed, f"must be at least 0 and below {2**32}", owner="solver 'nystrom'")

    def solve(self, operator: Operator, b: Tensor, start: Tensor | None = None) -> Solution:  # noqa: ARG002 (direct)
        """Sketch, factorise and invert."""
        basis, values, negative, finite = self._decompose(operator, b)
        # Woodbury with an orthonormal basis: the sketched part is divided by (value + damping), the rest by the
        # damping. Written with b - U U^T b instead of two large terms that cancel.
        inside = basis.T @ b
        value = basis @ (inside / (values + self.damping)) + (b - basis @ inside) / self.damping
        # A product that is not finite invalidates the whole sketch; b is the identity's result.
        value = torch.where(finite, value, b)
        residual, good = None, torch.full_like(finite, fill_value=False)
        if self.check:
            # NaN in the check must not hide the answer; the outcome below already says that something was not finite.
            gap = b - operator(value).nan_to_num() - self.damping * value
            residual = gap.norm() / b.norm().clamp_min(torch.finfo(b.dtype).tiny)
            good = residual <= self.tolerance
        code = torch.where(good, Outcome.CONVERGED, Outcome.BUDGET_SPENT if self.check else Outcome.UNCHECKED)
        code = torch.where(negative, Outcome.NEGATIVE_CURVATURE, code)
        code = torch.where(finite, code, Outcome.NON_FINITE)
        return Solution(value, Stats(fill(b, min(self.rank, b.numel())), residual, code))

    def _decompose(self, operator: Operator, like: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Orthonormal ``n x r`` basis, eigenvalues, whether curvature was negative, and whether all was finite."""
        rank = min(self.rank, like.numel())
        # Seeded per solve, so that the same point gives the same hypergradient, and a resumed run the same weights.
        generator = torch.Generator(device=like.device).manual_seed(self.seed)
        sketch = torch.randn(rank, like.numel(), dtype=like.dtype, device=like.device, generator=generator)
        image = torch.stack([operator(row) for row in sketch])
        # eigh raises on NaN, which would end a run for one bad batch: it gets zeros instead, and `finite` decides the
        # outcome.
        finite = image.isfinite().all()
        image = torch.where(finite, image, 0.0)
        core = image @ sketch.T
        # S^T A S is symmetric up to rounding; eigh reads only one triangle, so symmetrise first.
        values, vectors = torch.linalg.eigh((core + core.T) / 2)
        floor = torch.finfo(like.dtype).eps * rank * values.abs().max()
        # Directions of negative or vanishing curvature are dropped, not mirrored: the approximation has to be positive
        # semi-definite, or adding the damping could make it singular.
        half = image.T @ (vectors * _inverse_root(values, floor))
        squares, rotation = torch.linalg.eigh(half.T @ half)
        # Through the r x r Gram matrix, since n is the number of parameters of a network. That squares the condition
        # number, which the floor below accounts for.
        basis = half @ (rotation * _inverse_root(squares, torch.finfo(like.dtype).eps * rank * squares.abs().max()))
        # Ten times the floor: eigenvalues that are zero up to rounding have either sign.
        return basis, squares.clamp_min(0.0), (values < -10 * floor).any(), finite


def _inverse_root(values: Tensor, floor: Tensor) -> Tensor:
    """``values^(-1/2)``, zero where a value is not above ``floor``."""
    return torch.where(values > floor, values.clamp_min(torch.finfo(values.dtype).tiny).rsqrt(), 0.0)
