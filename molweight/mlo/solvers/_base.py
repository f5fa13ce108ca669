"""The base class of solvers, and their result."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, TypeAlias

import torch
from torch import Tensor

from molweight.errors import OptionError

__all__ = ["Operator", "Outcome", "Solution", "Solver", "Stats", "at_least", "fill"]

Operator: TypeAlias = Callable[[Tensor], Tensor]
"""A symmetric linear map on flat vectors: ``matvec(v) -> A v``."""


class Outcome(IntEnum):
    """How a solve ended."""

    CONVERGED = 0
    BUDGET_SPENT = 1
    NEGATIVE_CURVATURE = 2
    DIVERGED = 3
    NON_FINITE = 4
    UNCHECKED = 5

    @property
    def advice(self) -> str:
        """The outcome in words, with advice."""
        return _ADVICE[self]


_ADVICE = {
    Outcome.CONVERGED: "the residual is below the tolerance",
    Outcome.BUDGET_SPENT: "all iterations were used; raise iterations, damping or tolerance if the residual matters",
    Outcome.NEGATIVE_CURVATURE: "a direction of negative or zero curvature was met; raise damping or use Gauss-Newton",
    Outcome.DIVERGED: "the residual grew; lower the step, or raise damping if the curvature is negative",
    Outcome.NON_FINITE: "a product was not finite; look at the loss for overflow or division by zero",
    Outcome.UNCHECKED: "an approximation by design; its residual is not computed",
}


@dataclass(frozen=True)
class Stats:
    """Statistics of a solve, as tensors on its device, so that storing them needs no synchronisation.

    Args:
        iterations: Number of iterations that changed the solution, 0-dim int64.
        residual: ``|b - A x| / |b|`` at the end, 0-dim; ``None`` if it was not computed.
        code: The :class:`Outcome`, 0-dim int64.
    """

    iterations: Tensor
    residual: Tensor | None
    code: Tensor

    @property
    def outcome(self) -> Outcome:
        """How the solve ended (reads the device)."""
        return Outcome(int(self.code))

    @property
    def converged(self) -> bool:
        """Whether the residual fell below the tolerance (reads the device)."""
        return self.outcome is Outcome.CONVERGED

    @property
    def reason(self) -> str:
        """Why the solve ended, with advice (waits for the device)."""
        return self.outcome.advice

    def summary(self) -> dict[str, float | int | str]:
        """The fields as plain numbers and words for a log (waits for the device)."""
        shown: dict[str, float | int | str] = {"iterations": int(self.iterations), "outcome": self.outcome.name.lower()}
        if self.residual is not None:
            shown["residual"] = float(self.residual)
        return shown


@dataclass(frozen=True)
class Solution:
    """The result of a solver with its statistics; the value is always finite if ``b`` is.

    Args:
        value: Flat vector, the approximate ``A^-1 b``.
        stats: Statistics of the solve.
    """

    value: Tensor
    stats: Stats


class Solver(ABC):
    """Approximates ``(A + damping I)^-1 b`` for a symmetric ``A`` that is given only by its products."""

    uses_start: ClassVar[bool] = False
    """Whether :meth:`solve` makes use of ``start``."""
    uses_products: ClassVar[bool] = True
    """Whether :meth:`solve` applies the operator."""

    @abstractmethod
    def solve(self, operator: Operator, b: Tensor, start: Tensor | None = None) -> Solution:
        """Solve for one right-hand side.

        Args:
            operator: The map ``v -> A v`` on flat vectors of the length of ``b``.
            b: Right-hand side, 1-D.
            start: Initial value, e.g. the solution of a similar problem; solvers that cannot use it ignore it.

        Returns:
            The approximate solution with its statistics.
        """


def at_least(solver: str, **bounds: tuple[float, float]) -> None:
    """Refuse options below their bound.

    Args:
        solver: Name of the solver, for the message.
        **bounds: Option name to (value, least allowed value).

    Raises:
        OptionError: For the first option that is too small.
    """
    for name, (value, least) in bounds.items():
        # Negated, so that NaN is refused too.
        if not value >= least:
            # The bound of an option that must be positive is the smallest normal number of a type.
            reason = (
                "must be positive" if 0 < least <= torch.finfo(torch.float32).tiny else f"must be at least {least:g}"
            )
            raise OptionError(name, value, reason, owner=f"solver {solver!r}")


def fill(like: Tensor, value: int) -> Tensor:
    """A 0-dim int64 on the device of ``like``, written by a kernel instead of copied from the host."""
    return torch.full((), value, dtype=torch.int64, device=like.device)
