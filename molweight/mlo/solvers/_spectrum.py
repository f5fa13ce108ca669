"""A cheap upper bound on the spectrum."""

import torch
from torch import Tensor

from molweight.mlo.solvers._base import Operator

__all__ = ["largest_eigenvalue_bound"]


def largest_eigenvalue_bound(operator: Operator, start: Tensor, steps: int) -> Tensor:
    """An upper estimate of the largest absolute eigenvalue in the Krylov space of ``start``.

    ``steps`` Lanczos iterations give a tridiagonal matrix whose Gershgorin bound, the last off-diagonal included,
    covers the Ritz values and their residual (Zhou & Li 2011). For few steps it is not a strict bound, but it errs
    upwards: a bound that is too large slows a Neumann series down, one that is too small makes it diverge. There is no
    host synchronisation.

    Args:
        operator: Symmetric map on flat vectors.
        start: Any vector; the right-hand side, as only its Krylov space matters.
        steps: Products spent.

    Returns:
        0-dim tensor, positive.
    """
    tiny = torch.finfo(start.dtype).tiny
    previous, vector = torch.zeros_like(start), start / start.norm().clamp_min(tiny)
    below = start.new_zeros(())
    bound = torch.full((), tiny, dtype=start.dtype, device=start.device)
    for _ in range(steps):
        # No reorthogonalisation: for a handful of steps the loss of orthogonality is far below the slack of the bound.
        product = operator(vector) - below * previous
        diagonal = vector @ product
        remainder = product - diagonal * vector
        above = remainder.norm()
        # Gershgorin row of the tridiagonal matrix. `above`, the entry that leads out of the basis, is included: without
        # it this would be a lower estimate, and a step that is too long diverges.
        bound = torch.maximum(bound, diagonal.abs() + below + above)
        # An exhausted space leaves a remainder of zero; dividing by tiny keeps it zero where 0 / 0 would spread NaN.
        previous, vector, below = vector, remainder / above.clamp_min(tiny), above
    return bound
