"""Ridge and regularised logistic regression to convergence, and the derivative through their solution."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from molweight.mlo._head_labels import HeadLabels
from molweight.mlo.solvers import Outcome, Stats

__all__ = ["SolvedHead", "solve_head"]

_NEWTON: Final = 50
"""Maximum number of Newton steps; a regularised logistic regression takes about six."""
_HALVINGS: Final = 30
_DECREMENT: Final = 1e-20
"""Squared Newton decrement below which one final step is taken; the remaining error is far below that of float32."""
_GRID: Final = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
"""Ridge strengths tried by leave-one-out, in units of the vectors' total variance, the largest first."""


@dataclass(frozen=True)
class SolvedHead:
    """The minimum of ``mean loss + decay |w|^2`` over a linear head, target by target.

    Args:
        vectors: Training rows, ``G x (D + 1)`` with a column of ones, in float64.
        labels: Their labels.
        head: Weights and, last, the bias: ``T x (D + 1)``.
        decay: Ridge strength of each target, ``T``.
        stats: Largest number of Newton steps of a target, and the worst outcome: ``NON_FINITE`` if the vectors are not
            finite or too large, with a head of NaN; ``BUDGET_SPENT`` if a minimum was not reached.
    """

    vectors: Tensor
    labels: HeadLabels
    head: Tensor
    decay: Tensor
    stats: Stats

    @property
    def loss(self) -> Tensor:
        """The mean loss on the training rows, without the ridge."""
        return self.labels.loss(self.vectors @ self.head.T)

    def outer(self, vectors: Tensor, labels: HeadLabels) -> tuple[Tensor, Tensor, Tensor]:
        """The loss of the head on other rows, differentiated through the solve.

        With ``v = d outer / d head`` and ``q = H^-1 v``, the implicit function theorem gives for the training rows ``d
        outer / d z = -d <gradient of the fit, q> / d z``. The ridge strength is treated as a constant.

        Args:
            vectors: ``M x D``.
            labels: Their labels, as shares of the whole outer loss.

        Returns:
            The loss, 0-dim; its derivatives with respect to the training rows, ``G x D``, and to ``vectors``, ``M x
            D``.
        """
        others = _with_ones(vectors)
        labels = labels.to(others)
        outputs = others @ self.head.T
        slope = labels.slope(outputs)
        adjoint = torch.stack([self._solve(target, others.T @ slope[:, target]) for target in range(len(self.head))])
        own = self.vectors @ self.head.T
        # <gradient, q> = sum over rows and targets of slope(x h_t) (x q_t), whose derivative in x has two terms.
        curved = self.labels.curvature(own) * (self.vectors @ adjoint.T)
        fitted = -(self.labels.slope(own) @ adjoint + curved @ self.head)
        return labels.loss(outputs), fitted[:, :-1], (slope @ self.head)[:, :-1]

    def _solve(self, target: int, right: Tensor) -> Tensor:
        fit = _Fit(self.vectors, self.labels.column(target), float(self.decay[target]))
        return torch.cholesky_solve(right[:, None], fit.factor(self.head[target]))[:, 0]


@torch.no_grad()
def solve_head(vectors: Tensor, labels: HeadLabels, decay: float | None = None) -> SolvedHead:
    """Fit a linear head to convergence: one convex problem per target, whose minimum is unique.

    For numbers this is ridge regression, one Newton step; for classes regularised logistic regression by Newton's
    method with step halving. Everything is computed in float64. The bias is not penalised.

    Without a strength, one is chosen for each target by the leave-one-out loss: exact for the squared error, and for
    the cross-entropy the approximation of one Newton step (Rad & Maleki, *J. R. Stat. Soc. B* 82, 2020).

    Source: differentiable closed-form heads: Bertinetto et al., *Meta-learning with differentiable closed-form
    solvers* (R2-D2, LR-D2), ICLR 2019.

    Args:
        vectors: ``G x D``.
        labels: Their labels.
        decay: Ridge strength for all targets; chosen if ``None``.

    Example:
        >>> x, y = torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[0.0], [1.0], [2.0]])
        >>> solved = solve_head(x, HeadLabels.of(y, torch.tensor([False])), decay=2 / 3)
        >>> [round(value, 4) for value in solved.head[0].tolist()]  # cov / (var + decay) = (2/3) / (2/3 + 2/3)
        [0.5, 0.5]
    """
    rows = _with_ones(vectors)
    labels = labels.to(rows)
    scale = float((vectors.double() - vectors.double().mean(dim=0)).square().mean(dim=0).sum().clamp_min(1e-12))
    strengths = [factor * scale for factor in _GRID] if decay is None else [decay]
    found = [_fit_target(rows, labels.column(target), strengths) for target in range(labels.labels.shape[1])]
    heads, chosen = torch.stack([one.head for one in found]), rows.new_tensor([one.strength for one in found])
    steps, outcome = max(one.steps for one in found), max(one.outcome for one in found)
    return SolvedHead(rows, labels, heads, chosen, Stats(torch.tensor(steps), None, torch.tensor(outcome)))


def _with_ones(vectors: Tensor) -> Tensor:
    vectors = vectors.detach().double()
    return torch.cat([vectors, vectors.new_ones(len(vectors), 1)], dim=1)


@dataclass(frozen=True)
class _Minimum:
    """The head of one target, ``D + 1``, with its ridge strength, the Newton steps, and their outcome."""

    head: Tensor
    strength: float
    steps: int
    outcome: Outcome


@dataclass(frozen=True)
class _Fit:
    """The problem of one target: ``mean loss + strength |w|^2``, times the share of this target's labels."""

    rows: Tensor
    labels: HeadLabels
    strength: float

    def minimum(self, head: Tensor) -> _Minimum:
        """The minimum by Newton's method from a start."""
        for number in range(1, _NEWTON + 1):
            gradient = self.rows.T @ self.labels.slope(self._outputs(head))[:, 0] + 2 * self._ridge() * head
            step = torch.cholesky_solve(gradient[:, None], self.factor(head))[:, 0]
            decrement = float(gradient @ step)  # the Newton decrement: twice the expected decrease
            if not math.isfinite(decrement):
                return _Minimum(torch.full_like(head, math.nan), self.strength, number, Outcome.NON_FINITE)
            if self.labels.quadratic or decrement <= _DECREMENT:
                return _Minimum(head - step, self.strength, number, Outcome.CONVERGED)
            head = self._descended(head, step, decrement)
        return _Minimum(head, self.strength, _NEWTON, Outcome.BUDGET_SPENT)

    def factor(self, head: Tensor) -> Tensor:
        """Cholesky factor of the Hessian; NaN if that is not finite."""
        weight = self.labels.curvature(self._outputs(head))
        matrix = self.rows.T @ (self.rows * weight) + torch.diag(2 * self._ridge())
        # Without labels of positive curvature the bias has none: any positive number makes its step zero instead of
        # NaN.
        floor = torch.finfo(matrix.dtype).eps * matrix.diagonal().max().clamp_min(1.0)
        eye = torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
        factor, failed = torch.linalg.cholesky_ex(matrix + floor * eye)
        return torch.where(failed == 0, factor, math.nan)

    def left_out(self, head: Tensor) -> float:
        """The leave-one-out loss of each row, as a share of the whole loss."""
        outputs = self._outputs(head)
        leverage = torch.linalg.solve_triangular(self.factor(head), self.rows.T, upper=False).square().sum(dim=0)
        rest = (1 - self.labels.curvature(outputs) * leverage[:, None]).clamp_min(1e-6)
        return float(self.labels.loss(outputs + self.labels.slope(outputs) * leverage[:, None] / rest))

    def _descended(self, head: Tensor, step: Tensor, decrement: float) -> Tensor:
        """The head after step halving until Armijo's condition holds."""
        start, size = self._penalised(head), 1.0
        for _ in range(_HALVINGS):
            moved = head - size * step
            # The slack allows for rounding: at the minimum no step lowers the loss further.
            if self._penalised(moved) <= start - 1e-4 * size * decrement + 1e-14 * (1 + start.abs()):
                return moved
            size /= 2
        return head

    def _outputs(self, head: Tensor) -> Tensor:
        return self.rows @ head[:, None]

    def _penalised(self, head: Tensor) -> Tensor:
        return self.labels.loss(self._outputs(head)) + (self._ridge() * head**2).sum()

    def _ridge(self) -> Tensor:
        """Penalty per entry of the head; none for the bias."""
        penalty = self.rows.new_ones(self.rows.shape[1]) * (self.labels.shares.sum() * self.strength)
        penalty[-1] = 0.0
        return penalty


def _fit_target(rows: Tensor, labels: HeadLabels, strengths: Sequence[float]) -> _Minimum:
    """The minimum of one target at the best ridge strength."""
    fit = _Fit(rows, labels, strengths[0])
    found = best = fit.minimum(rows.new_zeros(rows.shape[1]))
    least = fit.left_out(best.head) if len(strengths) > 1 else 0.0
    for strength in strengths[1:]:  # from the strongest: each minimum is close to the previous one
        fit = _Fit(rows, labels, strength)
        found = fit.minimum(found.head)
        score = fit.left_out(found.head)
        if score < least:
            least, best = score, found
    return best
