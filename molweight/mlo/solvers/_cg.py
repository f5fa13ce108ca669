"""Conjugate gradients."""

from dataclasses import dataclass

import torch
from torch import Tensor

from molweight.mlo.solvers._base import Operator, Outcome, Solution, Solver, Stats, at_least, fill
from molweight.mlo.solvers._registry import solvers

__all__ = ["ConjugateGradient"]


@dataclass(frozen=True)
class _State:
    """One iterate: solution, its residual ``r`` with ``rr = |r|^2``, direction, iterations done, outcome so far.

    ``cold`` says that the iteration began at zero.
    """

    x: Tensor
    r: Tensor
    p: Tensor
    rr: Tensor
    iterations: Tensor
    code: Tensor
    cold: Tensor


@solvers.register("cg")
@dataclass(frozen=True)
class ConjugateGradient(Solver):
    """Conjugate gradients on ``(A + damping I) x = b`` (Hestenes & Stiefel 1952).

    Precondition: ``A + damping I`` is positive definite. At a direction of negative or zero curvature, the current
    iterate is returned and the statistics report it (truncated Newton; Dembo & Steihaug 1983); if this happens at the
    first direction, the result is the start or, without one, ``b``, as for the identity. A start that is no better than
    zero is not used. The reported residual is that of the result. With exact products the error in the ``A``-norm falls
    at least by ``(sqrt(c) - 1) / (sqrt(c) + 1)`` per iteration, ``c`` the condition number.

    Args:
        iterations: Maximum number of products (one more when started from a non-zero vector).
        damping: Added to the diagonal.
        tolerance: Stop once ``|b - A x| <= tolerance * |b|``. On an accelerator the remaining iterations run without
            changing the result, which is cheaper than synchronising after each one.

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
        """Reject invalid options."""
        at_least("cg", iterations=(self.iterations, 1), damping=(self.damping, 0), tolerance=(self.tolerance, 0))

    def solve(self, operator: Operator, b: Tensor, start: Tensor | None = None) -> Solution:
        """Iterate from ``start``, or from zero if that has a smaller residual."""
        # Squared norms throughout: the recursion needs |r|^2 anyway, so a root per iteration would be wasted.
        bb = b @ b
        target = self.tolerance**2 * bb
        state = _zero(b, bb, target) if start is None else _first(b, b - self._product(operator, start), start, target)
        for _ in range(self.iterations):
            # A stopping test would synchronise with an accelerator, so there the remaining iterations run on a frozen
            # state. On the CPU the test is immediate.
            if b.device.type == "cpu" and state.code != Outcome.BUDGET_SPENT:
                break
            state = _advance(state, self._product(operator, state.p), target)
        # A zero right-hand side: 0 / tiny is a residual of zero where 0 / 0 would be NaN.
        scale = bb.clamp_min(torch.finfo(b.dtype).tiny)
        return Solution(state.x, Stats(state.iterations, (state.rr / scale).sqrt(), state.code))

    def _product(self, operator: Operator, vector: Tensor) -> Tensor:
        product = operator(vector)
        # Plus: damping moves the whole spectrum up, away from the negative curvature that a network in training has.
        # Not in place, because an operator may return a tensor that it keeps.
        return product.add(vector, alpha=self.damping) if self.damping else product


def _zero(b: Tensor, bb: Tensor, target: Tensor) -> _State:
    cold = torch.ones_like(bb, dtype=torch.bool)
    return _State(torch.zeros_like(b), b, b, bb, fill(b, 0), _outcome(bb, target), cold)


def _first(b: Tensor, r: Tensor, start: Tensor, target: Tensor) -> _State:
    """The start, or zero where the start's residual is larger than that of zero (chosen on the device)."""
    zero = _zero(b, b @ b, target)
    # Negated "less than", so that a start whose residual is NaN counts as no better than zero.
    cold = ~(r @ r < zero.rr)
    x, r = torch.where(cold, zero.x, start), torch.where(cold, b, r)
    rr = r @ r
    return _State(x, r, r, rr, zero.iterations, _outcome(rr, target), cold)


def _outcome(rr: Tensor, target: Tensor) -> Tensor:
    # "Budget spent" is the default outcome of a running solve, unless something else happens.
    code = torch.where(rr <= target, Outcome.CONVERGED, Outcome.BUDGET_SPENT)
    return torch.where(rr.isfinite(), code, Outcome.NON_FINITE)


def _advance(state: _State, product: Tensor, target: Tensor) -> _State:
    """One iteration, or the unchanged state if the solve has ended (chosen on the device)."""
    # p^T A p <= 0 violates the precondition of CG: the quadratic model is unbounded below along p, and the step to its
    # "minimum" would lead to a maximum.
    curvature = state.p @ product
    running, sound = state.code == Outcome.BUDGET_SPENT, curvature.isfinite()
    good = running & sound & (curvature > 0)
    # From zero the first direction is b. A full step along it is the identity's result, which is better than nothing,
    # and its residual follows from the same recursion as for any other step.
    fallback = running & sound & ~good & state.cold & (state.iterations == 0)
    step = torch.where(good, state.rr / curvature, fallback.to(curvature))
    # torch.where and no in-place operation: a finished state must keep its values, and only the device knows which
    # states are finished. NaN in the branch not taken is harmless, because nothing here is differentiated.
    moved = good | fallback
    r = torch.where(moved, state.r - step * product, state.r)
    rr = torch.where(moved, r @ r, state.rr)
    # Fletcher-Reeves; the ratio of successive |r|^2 makes the new direction conjugate to all earlier ones.
    p = torch.where(good, r + (rr / state.rr) * state.p, state.p)
    stopped = torch.where(sound, Outcome.NEGATIVE_CURVATURE, Outcome.NON_FINITE)
    going = torch.where(rr <= target, Outcome.CONVERGED, Outcome.BUDGET_SPENT)
    code = torch.where(running, torch.where(good, going, stopped), state.code)
    x = torch.where(moved, state.x + step * state.p, state.x)
    return _State(x, r, p, rr, state.iterations + good, code, state.cold)
