"""The loss of a linear head on an encoder's vectors, as a function of the variables of both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from molweight.errors import ConfigError, OptionError
from molweight.mlo._head_labels import HeadLabels
from molweight.mlo._vectors import Params

__all__ = ["HeadLoss"]


@dataclass(frozen=True)
class HeadLoss:
    """The loss of a linear head on vectors; an ordinary loss, whose head :class:`ClosedFormGraph` can solve.

    Args:
        vectors: One function per part of the rows, from the variables to the vectors of that part, ``rows x D``. Parts
            bound the memory, because only one graph is in memory at a time.
        labels: Labels of all rows, in the order of the parts.
        weight: Name of the head's weight among the variables, ``T x D``.
        bias: Name of its bias, ``T``.
        decay: Strength of the ridge, ``decay |w|^2`` next to the mean loss of a target; ``None`` to choose one per
            target by leave-one-out. It is used by the solve, not by the loss itself.

    Raises:
        ConfigError: If there are no parts, or ``decay`` is not positive.

    Example:
        >>> x, y = torch.eye(2), torch.tensor([[1.0], [3.0]])
        >>> loss = HeadLoss([lambda p: x * p["encoder.w"]], HeadLabels.of(y, torch.tensor([False])))
        >>> variables = {"encoder.w": torch.ones(()), "head.weight": torch.ones(1, 2), "head.bias": torch.zeros(1)}
        >>> loss(variables).item()  # ((1 - 1)^2 + (1 - 3)^2) / 2
        2.0
    """

    vectors: Sequence[Callable[[Params], Tensor]]
    labels: HeadLabels
    weight: str = "head.weight"
    bias: str = "head.bias"
    decay: float | None = None

    def __post_init__(self) -> None:
        """Refuse a loss that cannot be solved."""
        if not self.vectors:
            raise ConfigError("a loss of a linear head needs the vectors of at least one batch.")
        if self.decay is not None and not self.decay > 0:
            raise OptionError("decay", self.decay, "must be positive: otherwise the head may not be unique")

    def __call__(self, params: Params) -> Tensor:
        """The loss of the head among the variables, without the ridge."""
        outputs = torch.cat([part(params) for part in self.vectors]) @ params[self.weight].T + params[self.bias]
        return self.labels.to(outputs).loss(outputs)

    @torch.no_grad()
    def encode(self, params: Params) -> Tensor:
        """The vectors of all rows, ``G x D``, without a graph."""
        return torch.cat([part(params) for part in self.vectors])

    def pull(self, params: Params, cotangents: Tensor) -> list[Tensor]:
        """Pull derivatives with respect to the vectors back to the variables, one part at a time.

        Args:
            params: Leaves that require gradients.
            cotangents: ``G x D``.

        Returns:
            One tensor per variable, in order.
        """
        inputs, at = list(params.values()), 0
        total = [torch.zeros_like(tensor) for tensor in inputs]
        for part in self.vectors:
            found = part(params)
            seeds = cotangents[at : at + len(found)].to(found)
            at += len(found)
            for sum_, grad in zip(total, torch.autograd.grad(found, inputs, seeds, allow_unused=True), strict=True):
                if grad is not None:
                    sum_.add_(grad)
        return total
