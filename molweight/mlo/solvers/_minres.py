"""The reference for comparing solvers: dense for small matrices, otherwise MINRES to convergence."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from molweight.errors import ConfigError
from molweight.mlo.solvers._base import Operator, Outcome, Solution, Solver, Stats
from molweight.mlo.solvers._dense import materialize

__all__ = ["MinresReference", "Spectrum"]


@dataclass(frozen=True)
class Spectrum:
    """Facts about the matrix ``A`` from a reference solve.

    After a product that is not finite, ``lowest``, ``highest`` and ``nearest`` are NaN.

    Args:
        variables: Size of ``A``.
        method: ``"dense"`` (all eigenvalues) or ``"minres"`` (Ritz values: the extremes of the spectrum in the Krylov
            space of the right-hand side).
        products: Number of products with ``A``.
        residual: ``|b - (A + damping I) x| / |b|`` of the solution.
        lowest: Lowest eigenvalue of ``A``, without damping.
        highest: Highest eigenvalue of ``A``.
        negative: Number of eigenvalues that are negative beyond rounding; with ``"minres"`` a lower bound.
        nearest: Least ``|eigenvalue + damping|``: near zero the system is nearly singular and its solution arbitrary.
        indefinite: Whether ``A + damping I`` has a negative eigenvalue, so that CG's precondition does not hold.
    """

    variables: int
    method: str
    products: int
    residual: float
    lowest: float
    highest: float
    negative: int
    nearest: float
    indefinite: bool


class MinresReference(Solver):
    """Solves ``(A + damping I) x = b`` for a symmetric ``A`` as accurately as possible, regardless of the cost.

    Up to ``limit`` variables by the eigenvalues of the dense matrix; beyond that by MINRES (Paige & Saunders 1975),
    which unlike CG is valid for indefinite matrices, on a stored and fully reorthogonalised Lanczos basis.

    Args:
        damping: Added to the diagonal.
        limit: Largest dense problem.
        iterations: Maximum number of products of MINRES; the basis takes as many vectors.
        tolerance: MINRES stops once ``|b - A x| <= tolerance * |b|``.

    Raises:
        ConfigError: If an option is out of range.

    Example:
        >>> matrix = torch.tensor([[2.0, 0.0], [0.0, -1.0]])
        >>> for limit in (0, 2):
        ...     exact = MinresReference(damping=0.5, limit=limit)
        ...     value = exact.solve(lambda v: matrix @ v, torch.tensor([5.0, 1.0])).value
        ...     print([round(x, 4) for x in value.tolist()], exact.spectra[0].method, exact.spectra[0].indefinite)
        [2.0, -2.0] minres True
        [2.0, -2.0] dense True
    """

    def __init__(
        self, damping: float = 0.0, *, limit: int = 3_000, iterations: int = 300, tolerance: float = 1e-6
    ) -> None:
        """Store the options."""
        if not 0 <= damping < math.inf or limit < 0 or iterations < 1 or not 0 < tolerance < 1:
            raise ConfigError(
                "the reference needs a finite damping >= 0, limit >= 0, iterations >= 1 and 0 < tolerance < 1, got "
                f"{damping}, {limit}, {iterations} and {tolerance}."
            )
        self.damping, self.limit, self.iterations, self.tolerance = damping, limit, iterations, tolerance
        self.spectra: list[Spectrum] = []
        """One entry per solve, in order."""

    def solve(self, operator: Operator, b: Tensor, start: Tensor | None = None) -> Solution:  # noqa: ARG002 (from zero)
        """Solve, and append the estimated spectrum to :attr:`spectra`.

        The answer is zero if a product is not finite.
        """
        value, spectrum = self._dense(operator, b) if b.numel() <= self.limit else self._minres(operator, b)
        self.spectra.append(spectrum)
        done = Outcome.CONVERGED if spectrum.residual <= self.tolerance else Outcome.BUDGET_SPENT
        if not (math.isfinite(spectrum.lowest) and math.isfinite(spectrum.residual)):
            done = Outcome.NON_FINITE
        counts = (torch.full((), number, device=b.device) for number in (spectrum.products, int(done)))
        iterations, code = counts
        return Solution(value, Stats(iterations, b.new_tensor(spectrum.residual), code))

    def _dense(self, operator: Operator, b: Tensor) -> tuple[Tensor, Spectrum]:
        matrix = materialize(operator, b)
        if not bool(matrix.isfinite().all()):
            return self._failed("dense", b, b.numel())
        # Products of a symmetric operator are symmetric only up to rounding; `eigh` would read one triangle.
        # Eigenvalues instead of a factorisation, because they are also reported.
        values, vectors = torch.linalg.eigh((matrix + matrix.T) / 2)
        value = vectors @ ((vectors.T @ b) / (values + self.damping))
        return value, self._spectrum(values, "dense", b, self._residual(matrix @ value, value, b), b.numel())

    def _minres(self, operator: Operator, b: Tensor) -> tuple[Tensor, Spectrum]:
        # The whole basis is stored: without reorthogonalisation, Lanczos vectors lose orthogonality as soon as a Ritz
        # value converges, and the extremes of the spectrum would be reported several times.
        basis, bands = b.new_zeros(min(self.iterations, b.numel()) + 1, b.numel()), _Bands()
        norm = float(b.norm())
        basis[0] = b / max(norm, torch.finfo(b.dtype).tiny)
        answer, residual = torch.zeros(1), 1.0
        for step in range(len(basis) - 1):
            remainder = operator(basis[step])
            # Read to the host on purpose: this is a reference, and the small problem is solved on the CPU anyway.
            bands.diagonal.append(float(remainder @ basis[step]))
            # One pass of Gram-Schmidt leaves an error of the size of what cancelled; a second one removes it: twice is
            # enough (Parlett 1980, after Kahan).
            for _ in range(2):
                remainder = remainder - basis[: step + 1].T @ (basis[: step + 1] @ remainder)
            bands.below.append(float(remainder.norm()))
            if not math.isfinite(bands.below[-1]):  # whatever is not finite in the product reaches this norm
                return self._failed("minres", b, step + 1)
            # If the remainder is of rounding size, the Krylov space is invariant and the solution in it is exact. The
            # remainder's direction is noise, so it must not be normalised into the basis.
            exhausted = bands.below[-1] <= torch.finfo(b.dtype).eps * max(map(abs, bands.diagonal + bands.below))
            basis[step + 1] = remainder / (1.0 if exhausted else bands.below[-1])
            if exhausted or step % 10 == 9 or step == len(basis) - 2:  # noqa: PLR2004 (each check costs a small solve)
                answer, residual = bands.least_squares(self.damping)
            # The residual of the recursion is the stopping criterion; the true one is reported below.
            if exhausted or residual <= self.tolerance:
                break
        value = norm * (basis[: len(answer)].T @ answer.to(b))
        values = torch.linalg.eigvalsh(bands.matrix()[:-1])
        return value, self._spectrum(
            values, "minres", b, self._residual(operator(value), value, b), len(bands.diagonal) + 1
        )

    def _failed(self, method: str, b: Tensor, products: int) -> tuple[Tensor, Spectrum]:
        """The answer zero and an unknown spectrum, after a product that is not finite."""
        value = 0 * b  # not finite where ``b`` is not
        residual = self._residual(value, value, b)
        return value, self._spectrum(b.new_tensor([math.nan]), method, b, residual, products)

    def _residual(self, product: Tensor, value: Tensor, b: Tensor) -> float:
        """The true residual, which unlike that of the recursion includes rounding errors."""
        return float((b - product - self.damping * value).norm() / b.norm().clamp_min(torch.finfo(b.dtype).tiny))

    def _spectrum(self, values: Tensor, method: str, b: Tensor, residual: float, products: int) -> Spectrum:
        # Eigenvalues below n eps |A| have a sign that may be rounding alone (backward error of `eigh`).
        rounding = torch.finfo(b.dtype).eps * len(values) * float(values.abs().max())
        lowest = float(values[0])
        return Spectrum(
            variables=b.numel(),
            method=method,
            products=products,
            residual=residual,
            lowest=lowest,
            highest=float(values[-1]),
            negative=int((values < -rounding).sum()),
            nearest=float((values + self.damping).abs().min()),
            indefinite=lowest + self.damping < -rounding,
        )


class _Bands:
    """The tridiagonal matrix of a Lanczos process, in float64 on the CPU."""

    def __init__(self) -> None:
        self.diagonal: list[float] = []
        self.below: list[float] = []

    def matrix(self) -> Tensor:
        """``(m + 1) x m``: the tridiagonal matrix and the row that leads out of the basis."""
        size = len(self.diagonal)
        matrix = torch.zeros(size + 1, size, dtype=torch.float64)
        matrix[:size].diagonal().copy_(torch.tensor(self.diagonal, dtype=torch.float64))
        below = torch.tensor(self.below, dtype=torch.float64)
        matrix.diagonal(-1).copy_(below)
        matrix.diagonal(1).copy_(below[:-1])
        return matrix

    def least_squares(self, damping: float) -> tuple[Tensor, float]:
        """Coordinates of the solution in the basis for a right-hand side of norm one, and the residual's norm."""
        matrix = self.matrix()
        matrix.diagonal().add_(damping)
        unit = torch.zeros(len(matrix), 1, dtype=torch.float64)
        unit[0] = 1.0
        # By singular values: for an indefinite system close to singular the matrix loses rank to working precision,
        # and a QR solve would return an answer of arbitrary size.
        answer = torch.linalg.lstsq(matrix, unit, driver="gelsd").solution
        return answer.squeeze(1), float((matrix @ answer - unit).norm())
