"""Estimation of the statistics of batch normalisation."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from molweight.distributed import alone
from molweight.encoders._base import Encoder
from molweight.encoders._norm import BatchNorm
from molweight.errors import DataError
from molweight.typing import GraphLike

__all__ = ["calibrate"]


class _Moments:
    """Count, mean and variance of the rows seen so far, pooled exactly (Chan, Golub & LeVeque 1979)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean: Tensor | None = None
        self.squares: Tensor | None = None

    def add(self, rows: Tensor, counts: Tensor | None = None) -> None:
        rows = rows.double()
        weights = rows.new_ones(len(rows)) if counts is None else counts.double()
        seen = len(rows) if counts is None else int(counts.sum())
        mean = weights @ rows / seen
        squares = weights @ (rows - mean).square()
        if self.mean is None or self.squares is None:
            self.count, self.mean, self.squares = seen, mean, squares
            return
        total = self.count + seen
        shift = mean - self.mean
        self.mean = self.mean + shift * (seen / total)
        self.squares = self.squares + squares + shift.square() * (self.count * seen / total)
        self.count = total

    def write(self, norm: BatchNorm) -> None:
        if self.mean is not None and self.squares is not None:
            norm.running_mean.copy_(self.mean)
            norm.running_var.copy_(self.squares / self.count)


def calibrate(encoder: Encoder, batches: Iterable[GraphLike]) -> None:
    """Estimate the statistics that batch normalisation uses in evaluation mode.

    One pass in training mode without dropout; each norm's running mean and variance become those of all its input rows,
    pooled exactly over the batches. With a single batch, evaluation mode then computes the same function as training
    mode. Does nothing for an encoder without batch normalisation; the encoder's mode is restored.

    Source: "precise batch norm", Wu & Johnson, *Rethinking "Batch" in BatchNorm*, arXiv 2105.07576.

    Args:
        encoder: The encoder; its buffers are written.
        batches: Molecules on the encoder's device, preferably in batches of the size used in training.

    Raises:
        DataError: If ``batches`` is empty.
    """
    norms = [module for module in encoder.modules() if isinstance(module, BatchNorm)]
    if not norms:
        return
    moments = [_Moments() for _ in norms]
    seen = 0
    with alone(), torch.no_grad(), _training_mode(encoder), _watching(norms, [item.add for item in moments]):
        for graphs in batches:
            encoder(graphs)
            seen += 1
    if seen == 0:
        raise DataError("calibrate() was given no batches; batch normalisation needs at least one.")
    with torch.no_grad():
        for norm, item in zip(norms, moments, strict=True):
            item.write(norm)


@contextmanager
def _training_mode(encoder: Encoder) -> Iterator[None]:
    modes = {module: module.training for module in encoder.modules()}
    encoder.train()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextmanager
def _watching(norms: list[BatchNorm], sinks: list[Callable[..., None]]) -> Iterator[None]:
    with ExitStack() as stack:
        for norm, sink in zip(norms, sinks, strict=True):
            stack.callback(norm.register_forward_pre_hook(_tell(sink)).remove)
        yield


def _tell(sink: Callable[..., None]) -> Callable[[nn.Module, tuple[Any, ...]], None]:
    def hook(_norm: nn.Module, inputs: tuple[Any, ...]) -> None:
        sink(*inputs)

    return hook
