"""Labels of a linear head, and the convex loss on them with its derivatives."""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["HeadLabels"]


@dataclass(frozen=True)
class HeadLabels:
    """Labels of ``G`` rows for ``T`` targets; each target has classes or numbers.

    The loss is the mean over the known labels of the cross-entropy or of the squared error.

    Args:
        labels: ``G x T``; 0 where missing.
        shares: ``G x T``: weight of each label in the mean; sums to one, 0 where the label is missing.
        classes: ``T`` booleans: whether the labels of a target are classes, 0 or 1.
        bounds: ``G x T``: -1 where the true value is below the label, 1 where it is above, else 0; or ``None``.
    """

    labels: Tensor
    shares: Tensor
    classes: Tensor
    bounds: Tensor | None = None

    @classmethod
    def of(
        cls, labels: Tensor, classes: Tensor, *, bounds: Tensor | None = None, weights: Tensor | None = None
    ) -> "HeadLabels":
        """The labels of a table.

        Args:
            labels: ``G x T``, NaN where missing.
            classes: ``T`` booleans.
            bounds: ``G x T``, as above.
            weights: ``G x T``, non-negative; equal if ``None``.

        Example:
            >>> table = HeadLabels.of(torch.tensor([[1.0], [float("nan")], [3.0]]), torch.tensor([False]))
            >>> table.shares[:, 0].tolist(), table.loss(torch.zeros(3, 1)).item()
            ([0.5, 0.0, 0.5], 5.0)
        """
        known = ~labels.isnan()
        shares = known.to(labels.dtype) if weights is None else weights.to(labels.dtype) * known
        total = shares.sum()
        return cls(labels.nan_to_num(), shares / torch.where(total > 0, total, 1.0), classes, bounds)

    @property
    def quadratic(self) -> bool:
        """Whether the loss is a quadratic function of the outputs (reads the device)."""
        return self.bounds is None and not bool(self.classes.any())

    def to(self, like: Tensor) -> "HeadLabels":
        """The same in the floating-point type and on the device of a tensor."""
        bounds = None if self.bounds is None else self.bounds.to(like.device)
        return HeadLabels(self.labels.to(like), self.shares.to(like), self.classes.to(like.device), bounds)

    def column(self, target: int) -> "HeadLabels":
        """The labels of one target, with their weights in the mean over all targets."""
        at = slice(target, target + 1)
        bounds = None if self.bounds is None else self.bounds[:, at]
        return HeadLabels(self.labels[:, at], self.shares[:, at], self.classes[at], bounds)

    def loss(self, outputs: Tensor) -> Tensor:
        """The mean, 0-dim.

        Args:
            outputs: ``G x T``: logits, or values in the units of the labels.
        """
        return (self.each(outputs) * self.shares).sum()

    def each(self, outputs: Tensor) -> Tensor:
        """The loss of each label, ``G x T``; arbitrary where the label is missing."""
        error = self._error(outputs)
        logistic = torch.nn.functional.softplus(outputs) - self.labels * outputs
        return torch.where(self.classes, logistic, error.square())

    def slope(self, outputs: Tensor) -> Tensor:
        """Derivative of the mean with respect to each output, ``G x T``."""
        return self.shares * torch.where(self.classes, outputs.sigmoid() - self.labels, 2 * self._error(outputs))

    def curvature(self, outputs: Tensor) -> Tensor:
        """Second derivative of the mean with respect to each output, ``G x T``, not negative."""
        chance = outputs.sigmoid()
        missed = torch.where(self._kept(outputs - self.labels), 0.0, 2.0).to(outputs)
        return self.shares * torch.where(self.classes, chance * (1 - chance), missed)

    def _error(self, outputs: Tensor) -> Tensor:
        error = outputs - self.labels
        return error.masked_fill(self._kept(error), 0.0)

    def _kept(self, error: Tensor) -> Tensor:
        """Mask of the entries whose label is a bound that the output satisfies."""
        if self.bounds is None:
            return torch.zeros_like(error, dtype=torch.bool)
        return (self.bounds > 0) & (error > 0) | (self.bounds < 0) & (error < 0)
