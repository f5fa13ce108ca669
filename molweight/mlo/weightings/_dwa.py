"""Dynamic weight average."""

from collections.abc import Sequence

import torch
from torch import Tensor

from molweight.mlo.weightings._base import Needs, Signals, Weighting, check_options
from molweight.mlo.weightings._registry import weightings

__all__ = ["DynamicWeightAverage"]


@weightings.register("dwa")
class DynamicWeightAverage(Weighting):
    """``weights = softmax(r / temperature)``, ``r_k`` the ratio of objective k's mean loss in the last two windows.

    Objectives that fall slowly get more weight. Source: Liu, Johns, Davison, CVPR 2019, with windows of steps instead
    of epochs.

    Args:
        names: Names of the objectives.
        temperature: Larger values are closer to equal weights.
        window: Number of averaged steps; the weights are equal during the first two windows.

    Example:
        >>> weighting = DynamicWeightAverage(["stuck", "falling"], window=1, temperature=1.0)
        >>> for loss in (4.0, 2.0):
        ...     weighting.update(Signals(torch.tensor([4.0, loss]), torch.ones(2)))
        >>> weighting.as_dict()["stuck"] > 0.6
        True
    """

    needs = Needs.LOSSES
    _sum: Tensor
    _known: Tensor
    _windows: Tensor
    _count: Tensor

    def __init__(self, names: Sequence[str], *, temperature: float = 2.0, window: int = 10) -> None:
        """Start from equal weights."""
        super().__init__(names)
        check_options(
            (temperature > 0, "temperature", temperature, "must be positive"),
            (window >= 1, "window", window, "must be at least 1"),
        )
        self.temperature, self.window = temperature, window
        self.register_buffer("_sum", torch.zeros(len(self.names)))
        self.register_buffer("_known", torch.zeros(len(self.names)))
        self.register_buffer("_windows", torch.zeros(2, len(self.names)))
        self.register_buffer("_count", torch.zeros(()))

    @property
    def weights(self) -> Tensor:
        """The K weights; equal until two windows are full."""
        older, newer = self._windows
        # A window with a mean of zero has no ratio, and one without finite losses no mean; both count as "neither
        # faster nor slower than the rest".
        known = (older.abs() > 0) & newer.isfinite() & older.isfinite()
        ratio = torch.where(known, newer / torch.where(known, older, 1.0), 1.0)
        return torch.softmax(ratio / self.temperature, 0)

    def update(self, signals: Signals) -> None:
        """Add the finite losses to the window, and close it when it is full."""
        self._sum.add_(signals.losses.nan_to_num(0.0, 0.0, 0.0).to(self._sum))
        self._known.add_(signals.losses.isfinite())
        self._count.add_(1)
        full = self._count == self.window
        closed = torch.stack([self._windows[1], self._sum / self._known])
        self._windows.copy_(torch.where(full, closed, self._windows))
        self._sum.mul_(~full)
        self._known.mul_(~full)
        self._count.mul_(~full)
