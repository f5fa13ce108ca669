"""Normalisation layers that are pure functions of their input and parameters."""

import torch
from torch import Tensor, nn

from molweight.arguments import check_choice
from molweight.distributed import each, spread
from molweight.encoders._base import in_share

__all__ = ["NORMS", "BatchNorm", "build_norm", "normalised"]

NORMS = ("batch", "layer", "none")


class BatchNorm(nn.Module):
    """Batch normalisation that does not update its running statistics in ``forward``.

    In training mode it normalises by the statistics of the batch. In evaluation mode it uses ``running_mean`` and
    ``running_var``, which only :func:`molweight.encoders.internal.calibrate` changes; before the first call these are 0
    and 1. Derivative passes therefore cannot change them, and functional calls need no special care. A batch of one row
    is mapped to ``bias``, up to rounding.

    Source: Ioffe & Szegedy, ICML 2015; Wu & Johnson, *Rethinking "Batch" in BatchNorm*, arXiv 2105.07576.

    Args:
        width: Number of columns.
        eps: Added to the variance.

    Example:
        >>> norm = BatchNorm(2)
        >>> norm(torch.tensor([[1.0, -1.0], [3.0, 1.0]])).detach().round(decimals=4)
        tensor([[-1., -1.],
                [ 1.,  1.]])
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, width: int, eps: float = 1e-5) -> None:
        """Initialise the scale to one and the bias to zero."""
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_var", torch.ones(width))

    def forward(self, rows: Tensor, counts: Tensor | None = None) -> Tensor:
        """Normalise the columns of ``rows``, ``n x width``.

        Args:
            rows: The rows.
            counts: Number of equal rows that each one represents, ``n``, 0 for a row that does not count; ``None`` for
                one each.
        """
        if self.training and in_share():
            return self._over_processes(rows, counts)
        if self.training and counts is not None:
            return self._weighted(rows, counts)
        if self.training:  # torch.batch_norm, because functional.batch_norm refuses a single row
            return torch.batch_norm(rows, self.weight, self.bias, None, None, True, 0.0, self.eps, False)  # noqa: FBT003 - positional only
        return torch.batch_norm(
            rows,
            self.weight,
            self.bias,
            self.running_mean,
            self.running_var,
            False,  # noqa: FBT003 - positional only
            0.0,
            self.eps,
            False,  # noqa: FBT003 - positional only
        )

    def _weighted(self, rows: Tensor, counts: Tensor) -> Tensor:
        shares = counts.to(rows.dtype) / counts.sum()
        # The mean is subtracted before squaring, because a difference of second moments would suffer from cancellation.
        centred = rows - shares @ rows
        variance = shares @ centred.square()
        return torch.addcmul(self.bias, centred, self.weight * (variance + self.eps).rsqrt())

    def _over_processes(self, rows: Tensor, counts: Tensor | None) -> Tensor:
        """Normalise by the statistics of all processes' rows, pooled exactly (Chan, Golub & LeVeque 1979).

        Processes exchange one row in each forward and one in each backward pass: waiting costs more than computing.
        """
        parts = rows.new_ones(len(rows)) if counts is None else counts.to(rows.dtype)
        own = parts @ rows / parts.sum().clamp(min=1)
        centred = rows - own
        found = each(torch.cat([own, parts @ centred.square(), parts.sum()[None]]))
        (means, squares), numbers = found[:, :-1].chunk(2, dim=1), found[:, -1:].detach()
        mean = (numbers * means).sum(0) / numbers.sum()
        variance = (squares + numbers * (means - mean).square()).sum(0) / numbers.sum()
        mean, variance = spread(torch.cat([mean, variance])).chunk(2)
        return torch.addcmul(self.bias, rows - mean, self.weight * (variance + self.eps).rsqrt())


def build_norm(name: str, width: int) -> nn.Module:
    """A normalisation layer by name: ``"batch"``, ``"layer"`` or ``"none"``.

    Raises:
        ConfigError: If the name is none of these.
    """
    check_choice("encoder", "norm", name, NORMS)
    if name == "batch":
        return BatchNorm(width)
    return nn.LayerNorm(width) if name == "layer" else nn.Identity()


def normalised(step: nn.Module, rows: Tensor, counts: Tensor | None) -> Tensor:
    """The rows after a layer; their counts are passed to batch normalisation.

    Args:
        step: A normalisation, or any other layer that processes rows independently.
        rows: ``n x width``.
        counts: As in :meth:`BatchNorm.forward`.
    """
    result: Tensor = step(rows, counts) if isinstance(step, BatchNorm) else step(rows)
    return result
