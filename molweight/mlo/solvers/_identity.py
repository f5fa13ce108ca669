"""The identity in place of the inverse."""

from dataclasses import dataclass

import torch
from torch import Tensor

from molweight.mlo.solvers._base import Operator, Outcome, Solution, Solver, Stats, at_least, fill
from molweight.mlo.solvers._registry import solvers

__all__ = ["Identity"]


@solvers.register("identity")
@dataclass(frozen=True)
class Identity(Solver):
    """``x = scale * b``: the first term of the Neumann series, free of products.

    This is the rule of one-step differentiation (T1-T2, Luketina et al. 2016; first-order DARTS, Liu et al. 2019).
    No precondition; no guarantee either, unless the curvature is close to a multiple of the identity.

    Args:
        scale: Factor on ``b``, positive; an estimate of one over the typical curvature. It scales the answer only.

    Example:
        >>> import torch
        >>> Identity().solve(lambda v: 2 * v, torch.tensor([1.0, 2.0])).value.tolist()
        [1.0, 2.0]
    """

    uses_products = False

    scale: float = 1.0

    def __post_init__(self) -> None:
        """Reject invalid options."""
        at_least("identity", scale=(self.scale, torch.finfo(torch.float64).tiny))

    def solve(self, operator: Operator, b: Tensor, start: Tensor | None = None) -> Solution:  # noqa: ARG002 (by design)
        """The right-hand side itself, scaled; the operator is never applied."""
        # The same tensor, not a copy: nothing downstream writes into a solution.
        value = b if self.scale == 1.0 else self.scale * b
        return Solution(value, Stats(fill(b, 0), None, fill(b, Outcome.UNCHECKED)))
