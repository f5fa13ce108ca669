"""Solvers that account for the optimiser of a level."""

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from molweight.errors import ConfigError
from molweight.mlo.solvers._base import Operator, Outcome, Solution, Solver, Stats, at_least, fill
from molweight.mlo.solvers._registry import solvers

__all__ = ["AdaptedSolver", "SecondMoments", "Unrolled"]

_GROWTH = 10.0
"""Growth of a series' terms, against the first, at which it is called divergent."""


@dataclass(frozen=True)
class AdaptedSolver(Solver):
    """Base of solvers that use the diagonal preconditioner of an optimiser: ``P = 1 / (sqrt(second moment) + eps)``.

    Args:
        eps: Added to the root of the second moments, relative to its mean, because losses may have any unit; otherwise
            a variable without gradients so far would dominate.
    """

    eps: float = 1e-2

    def adapted(self, moments: Tensor | None, lr: float) -> Solver:
        """This solver, adapted to a level's optimiser.

        Args:
            moments: Second moments of the level's gradients, flat and bias-corrected; ``None`` for an optimiser without
                them.
            lr: Its learning rate.
        """
        return _AtLevel(self, moments, lr)

    def solve(self, operator: Operator, b: Tensor, start: Tensor | None = None) -> Solution:  # noqa: ARG002 (direct)
        """Solve without an optimiser: ``P`` is the identity and the learning rate 1."""
        return self.apply(operator, b, torch.ones_like(b), 1.0)

    def scale(self, moments: Tensor) -> Tensor:
        """``P``, by which the optimiser multiplies a gradient."""
        root = moments.sqrt()
        return 1 / (root + self.eps * root.mean()).clamp_min(torch.finfo(root.dtype).tiny)

    @abstractmethod
    def apply(self, operator: Operator, b: Tensor, scale: Tensor, lr: float) -> Solution:
        """The solution for a given diagonal.

        Args:
            operator: The map ``v -> A v``.
            b: Right-hand side.
            scale: ``P``, flat.
            lr: Learning rate of the level.
        """


@dataclass(frozen=True)
class _AtLevel(Solver):
    """A solver bound to the optimiser of a level."""

    inner: AdaptedSolver
    moments: Tensor | None
    lr: float

    def solve(self, operator: Operator, b: Tensor, start: Tensor | None = None) -> Solution:  # noqa: ARG002 (direct)
        if self.moments is None:
            return self.inner.apply(operator, b, torch.ones_like(b), self.lr)
        if self.moments.shape != b.shape:
            raise ConfigError(f"got second moments of {self.moments.numel()} variables, but the level has {b.numel()}.")
        return self.inner.apply(operator, b, self.inner.scale(self.moments.to(b)), self.lr)


@solvers.register("sama")
@dataclass(frozen=True)
class SecondMoments(AdaptedSolver):
    """``x = P b / mean(P)``: the identity, preconditioned by the optimiser of the level; no products.

    One step of Adam moves a variable by its gradient times ``P``, so directions in which Adam takes small steps have
    little weight. Only the factor ``P`` of the derivative of Adam's update is used. Without second moments (other
    optimisers, the first step) the result is ``b``.

    Source: Choe, Mehta, Ahn, Neiswanger, Xie, Strubell, Xing, *Making scalable meta learning practical* (SAMA),
    NeurIPS 2023, algorithmic adaptation.

    Example:
        >>> solver = SecondMoments(eps=0.0).adapted(torch.tensor([1.0, 9.0]), lr=0.1)
        >>> solver.solve(lambda v: v, torch.tensor([1.0, 1.0])).value.tolist()
        [1.5, 0.5]
    """

    uses_products = False

    def __post_init__(self) -> None:
        """Reject invalid options."""
        at_least("sama", eps=(self.eps, 0))

    def apply(self, operator: Operator, b: Tensor, scale: Tensor, lr: float) -> Solution:
        """The scaled right-hand side, by factors of mean one, so that the result has the size of ``b``."""
        del operator, lr
        scale = scale / scale.mean()
        value = torch.where(scale.isfinite().all(), scale * b, b)
        return Solution(value, Stats(fill(b, 0), None, fill(b, Outcome.UNCHECKED)))


@solvers.register("unrolled")
@dataclass(frozen=True)
class Unrolled(AdaptedSolver):
    """``x = r * sum_{j < steps} (I - r P A)^j P b``: unrolled differentiation of the optimiser's last steps.

    At a point where the gradient vanishes this is the derivative of ``steps`` steps ``-r P gradient`` with respect to a
    change of the gradient, i.e. truncated back-propagation through the optimiser in use, its second moments held
    constant and without momentum; with many steps it tends to ``A^-1 b``.

    Precondition: ``r P A`` is positive definite with eigenvalues below 2. Adam with momentum also trains at points
    where the largest one is above 2; there the series diverges, as the steps without momentum would. It then ends
    before the residual, in the norm of ``P``, exceeds 10 times that of ``b``, and the outcome is ``DIVERGED``: use a
    smaller ``lr`` or fewer steps.

    Source: Shaban, Cheng, Hatch, Boots, *Truncated back-propagation for bilevel optimization*, AISTATS 2019.

    Args:
        eps: See :class:`AdaptedSolver`; 0 for the steps of Adam itself.
        steps: Number of steps; each after the first costs one product.
        lr: ``r``; the learning rate of the level's optimiser if ``None``.

    Example:
        >>> solution = Unrolled(steps=60, lr=0.3).solve(lambda v: 2 * v, torch.tensor([4.0, 6.0]))
        >>> [round(value, 4) for value in solution.value.tolist()]
        [2.0, 3.0]
        >>> Unrolled(steps=60, lr=2.0).solve(lambda v: 2 * v, torch.tensor([4.0, 6.0])).stats.outcome.name
        'DIVERGED'
    """

    steps: int = 5
    lr: float | None = None

    def __post_init__(self) -> None:
        """Reject invalid options."""
        at_least("unrolled", steps=(self.steps, 1), eps=(self.eps, 0))
        if self.lr is not None:
            at_least("unrolled", lr=(self.lr, torch.finfo(torch.float64).tiny))

    def apply(self, operator: Operator, b: Tensor, scale: Tensor, lr: float) -> Solution:
        """The terms of the series, while they are finite and do not grow; ``b`` if the first is not finite."""
        rate = lr if self.lr is None else self.lr
        term = rate * scale * b
        code = torch.where(term.isfinite().all(), fill(b, Outcome.UNCHECKED), fill(b, Outcome.NON_FINITE))
        value = torch.where(code == Outcome.UNCHECKED, term, b)
        # A term is r P times the residual before it, so that no product is spent on checking.
        most, taken = _GROWTH * _size(term, scale), fill(b, 0)
        for _ in range(self.steps - 1):
            term = term - rate * scale * operator(term)
            size = _size(term, scale)
            found = torch.where(size <= most, Outcome.UNCHECKED, Outcome.DIVERGED)
            found = torch.where(size.isfinite(), found, Outcome.NON_FINITE)
            code = torch.where(code == Outcome.UNCHECKED, found, code)
            value = torch.where(code == Outcome.UNCHECKED, value + term, value)
            taken = taken + (code == Outcome.UNCHECKED)
        return Solution(value, Stats(taken, None, code))


def _size(term: Tensor, scale: Tensor) -> Tensor:
    """The norm in which the terms shrink if the eigenvalues of ``r P A`` are between 0 and 2: ``|P^(-1/2) term|``."""
    size: Tensor = (term / scale.sqrt()).norm()
    return size
