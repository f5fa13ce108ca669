"""The exact answer for small problems."""

from dataclasses import dataclass

import torch
from torch import Tensor

from molweight.errors import ConfigError
from molweight.mlo.solvers._base import Operator, Outcome, Solution, Solver, Stats, at_least, fill
from molweight.mlo.solvers._registry import solvers

__all__ = ["Dense", "materialize"]


@solvers.register("dense")
@dataclass(frozen=True)
class Dense(Solver):
    """Builds the matrix from ``n`` products and factorises it; the reference for the other solvers.

    Precondition: ``A + damping I`` is not singular; it may be indefinite.

    Args:
        damping: Added to the diagonal.
        limit: Largest ``n`` accepted; the matrix takes ``n^2`` numbers and ``n^3`` operations.

    Example:
        >>> matrix = torch.tensor([[2.0, 1.0], [1.0, 3.0]])
        >>> [round(x, 4) for x in Dense().solve(lambda v: matrix @ v, torch.tensor([3.0, 4.0])).value.tolist()]
        [1.0, 1.0]
    """

    damping: float = 0.0
    limit: int = 5_000

    def __post_init__(self) -> None:
        """Reject invalid options."""
        at_least("dense", damping=(self.damping, 0), limit=(self.limit, 1))

    def solve(self, operator: Operator, b: Tensor, start: Tensor | None = None) -> Solution:  # noqa: ARG002 (exact)
        """Solve by an LU factorisation.

        Raises:
            ConfigError: If the problem is larger than ``limit``, or the matrix singular or not finite.
        """
        if b.numel() > self.limit:
            raise ConfigError(
                f"solver 'dense' is for up to {self.limit} variables, got {b.numel()}. Use 'cg', or raise its limit."
            )
        matrix = materialize(operator, b)
        # In place on the diagonal: the matrix was just stacked and is not shared, so n^2 numbers need not be copied
        # again.
        matrix.diagonal().add_(self.damping)
        _check_regular(matrix)
        # LU, not Cholesky: the Hessian of a network in training is indefinite, and its solution is still well defined.
        value = torch.linalg.solve(matrix, b)
        residual = (matrix @ value - b).norm() / b.norm().clamp_min(torch.finfo(b.dtype).tiny)
        return Solution(value, Stats(fill(b, b.numel()), residual, fill(b, Outcome.CONVERGED)))


def materialize(operator: Operator, like: Tensor) -> Tensor:
    """The matrix of ``operator``, column by column.

    Args:
        operator: Linear map on flat vectors.
        like: A vector of the operator's length, dtype and device.

    Returns:
        ``n x n`` tensor.
    """
    return torch.stack(
        [operator(column) for column in torch.eye(like.numel(), dtype=like.dtype, device=like.device)], 1
    )


def _check_regular(matrix: Tensor) -> None:
    if not bool(matrix.isfinite().all()):
        raise ConfigError("the curvature matrix is not finite. Look at the loss for overflow or division by zero.")
    # LU of a singular matrix may return huge numbers without an error. Singular values reveal it at a cost of the same
    # order; the bound is the usual one for numerical rank.
    spectrum = torch.linalg.svdvals(matrix)
    if bool(spectrum[-1] <= torch.finfo(matrix.dtype).eps * len(spectrum) * spectrum[0]):
        raise ConfigError(
            f"the curvature matrix is singular (singular values from {float(spectrum[-1]):.1e} to "
            f"{float(spectrum[0]):.1e}). Set damping > 0, or add a proximal or weight-decay term to the loss."
        )
