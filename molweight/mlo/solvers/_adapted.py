"""Solvers that account for the optimiser of a level."""

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from molweight.errors import ConfigError
from molweight.mlo.solvers._base import Operator, Outcome, Solution, Solver, Stats, at_least, fill
from molweight.mlo.solvers._registry import solvers

__all__ = ["AdaptedSolver", "SecondMoments", "Unrolled"]


@dataclass(frozen=True)
class AdaptedSolver(Solver):
    """Base of solvers that use the diagonal preconditioner of an optimiser: ``P = 1 / (sqrt(second moment) + eps)``.

    Args:
        eps: Added to the root of the second moments, relative to its mean; otherwise a variable without gradients so
            far would dominate.
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
        """``P`` up to a factor, of mean one."""
        root = moments.sqrt()
        # Relative to the mean, because losses may have any unit; with mean one, so that the result has the size of b.
        scale = 1 / (root + self.eps * root.mean()).clamp_min(torch.finfo(root.dtype).tiny)
        return scale / scale.mean()

    @abstractmethod
    def apply(self, operator: Operator, b: Tensor, scale: Tensor, lr: float) -> Solution:
        """The solution for a given diagonal.

        Args:
            operator: The map ``v -> A v``.
            b: Right-hand side.
            scale: ``P``, flat, of mean one.
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
    """``x = P b``: the identity, preconditioned by the optimiser of the level; no products.

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

    def __post_init__(self) -> None:
        """Reject invalid options."""
        at_least("sama", eps=(self.eps, 0))

    def apply(self, operator: Operator, b: Tensor, scale: Tensor, lr: float) -> Solution:
        """The scaled right-hand side."""
        del operator, lr
        value = torch.where(scale.isfinite().all(), scale * b, b)
        return Solution(value, Stats(fill(b, 0), None, fill(b, Outcome.UNCHECKED)))


@solvers.register("unrolled")
@dataclass(frozen=True)
class Unrolled(AdaptedSolver):
    """``x = r * sum_{j < steps} (I - r P A)^j P b``: unrolled differentiation of the optimiser's last steps.

    At a point where the gradient vanishes this is the derivative of ``steps`` steps ``-r P gradient`` with respect to a
    change of the gradient, i.e. truncated back-propagation through the optimiser in use, its second moments held
    constant; with many steps it tends to ``A^-1 b``. Precondition: ``r P A`` has eigenvalues below 2.

    Source: Shaban, Cheng, Hatch, Boots, *Truncated back-propagation for bilevel optimization*, AISTATS 2019.

    Args:
        eps: See :class:`AdaptedSolver`.
        steps: Number of steps; each after the first costs one product.
        lr: ``r``; the learning rate of the level's optimiser if ``None``.

    Example:
        >>> solution = Unrolled(steps=60, lr=0.3).solve(lambda v: 2 * v, torch.tensor([4.0, 6.0]))
        >>> [round(value, 4) for value in solution.value.tolist()]
        [2.0, 3.0]
    """

    steps: int = 5
    lr: float | None = None

    def __post_init__(self) -> None:
        """Reject invalid options."""
        at_least("unrolled", steps=(self.steps, 1), eps=(self.eps, 0))
        if self.lr is not None:
            at_least("unrolled", lr=(self.lr, torch.finfo(torch.float64).tiny))

    def apply(self, operator: Operator, b: Tensor, scale: Tensor, lr: float) -> Solution:
        """Horner's scheme, from the last step back to the first."""
        rate = lr if self.lr is None else self.lr
        first = rate * scale * b
        value = first
        for _ in range(self.steps - 1):
            value = first + value - rate * scale * operator(value)
        finite = value.isfinite().all()
        code = torch.where(finite, fill(b, Outcome.UNCHECKED), fill(b, Outcome.NON_FINITE))
        return Solution(torch.where(finite, value, b), Stats(fill(b, self.steps - 1), None, code))
