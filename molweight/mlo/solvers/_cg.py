"""Conjugate gradients."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from molweight.mlo.solvers._base import Operator, Outcome, Solution, Solver, Stats, at_least, fill
from molweight.mlo.solvers._registry import solvers

__all__ = ["ConjugateGradient"]


@dataclass(frozen=True)
class _State:
    """One iterate: solution, residual, direction, squared residual, iterations done and the outcome so far."""

    x: Tensor
    r: Tensor
    p: Tensor
    rr: Tensor
    iterations: Tensor
    code: Tensor


@solvers.register("cg")
@dataclass(frozen=True)
class ConjugateGradient(Solver):
    """Conjugate gradients on ``(A + damping I) x = b`` (Hestenes & Stiefel 1952).

    Precondition: ``A + damping I`` is positive definite. Where a direction of negative or zero curvature is met, the
    iterate so far is returned and the statistics say so (truncated Newton; Dembo & Steihaug 1983); if it is met at
    once, the answer is ``b``, that of the identity. With exact products the error in the ``A``-norm falls at least
    by ``(sqrt(c) - 1) / (sqrt(c) + 1)`` per iteration, ``c`` the condition number.

    Args:
        iterations: Most products spent (one more when started from a non-zero vector).
        damping: Added to the diagonal.
        tolerance: Stop once ``|b - A x| <= tolerance * |b|``. On an accelerator the remaining iterations run without
            changing the answer, which is cheaper than asking the device after each.

    Example:
        >>> matrix = torch.tensor([[2.0, 1.0], [1.0, 3.0]])
        >>> solution = ConjugateGradient(iterations=2).solve(lambda v: matrix @ v, torch.tensor([3.0, 4.0]))
        >>> [round(x, 4) for x in solution.value.tolist()], solution.stats.converged
        ([1.0, 1.0], True)
    """

    uses_start = True

    iterations: int = 5
    damping: float = 0.0
    tolerance: float = 1e-6

    def __post_init__(self) -> None:
        """Refuse impossible options."""
        at_least("cg", iterations=(self.iterations, 1), damping=(self.damping, 0), tolerance=(self.tolerance, 0))

    def solve(self, operator: Operator, b: Tensor, start: Tensor | None = None) -> Solution:
        """Iterate from ``start``, or from zero."""
        bb = b @ b
        target = self.tolerance**2 * bb
        state = _first(b if start is None else b - self._product(operator, start), start, target)
        for _ in range(self.iterations):
            if b.device.type == "cpu" and state.code != Outcome.BUDGET_SPENT:
                break
            state = _advance(state, self._product(operator, state.p), target)
        return _finish(state, b, bb)

    def _product(self, operator: Operator, vector: Tensor) -> Tensor:
        product = operator(vector)
        return product.add(vector, alpha=self.damping) if self.damping else product


def _first(r: Tensor, start: Tensor | None, target: Tensor) -> _State:
    x = torch.zeros_like(r) if start is None else start
    rr = r @ r
    code = torch.where(rr <= target, Outcome.CONVERGED, Outcome.BUDGET_SPENT)
    code = torch.where(rr.isfinite(), code, Outcome.NON_FINITE)
    return _State(x, r, r, rr, fill(r, 0), code)


def _advance(state: _State, product: Tensor, target: Tensor) -> _State:
    """One iteration, or the same state where the solve has ended (the choice is made on the device)."""
    curvature = state.p @ product
    running = state.code == Outcome.BUDGET_SPENT
    good = running & curvature.isfinite() & (curvature > 0)
    step = torch.where(good, state.rr / curvature, 0.0)
    r = torch.where(good, state.r - step * product, state.r)
    rr = torch.where(good, r @ r, state.rr)
    p = torch.where(good, r + (rr / state.rr) * state.p, state.p)
    stopped = torch.where(curvature.isfinite(), Outcome.NEGATIVE_CURVATURE, Outcome.NON_FINITE)
    going = torch.where(rr <= target, Outcome.CONVERGED, Outcome.BUDGET_SPENT)
    code = torch.where(running, torch.where(good, going, stopped), state.code)
    return _State(state.x + step * state.p, r, p, rr, state.iterations + good, code)


def _finish(state: _State, b: Tensor, bb: Tensor) -> Solution:
    stuck = (state.iterations == 0) & (state.code == Outcome.NEGATIVE_CURVATURE)
    lost = state.code == Outcome.NON_FINITE
    state = replace(state, x=torch.where(stuck | (lost & (state.iterations == 0)), b, state.x))
    scale = bb.clamp_min(torch.finfo(b.dtype).tiny)
    return Solution(state.x, Stats(state.iterations, (state.rr / scale).sqrt(), state.code))
