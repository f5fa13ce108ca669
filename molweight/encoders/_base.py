"""The base class of encoders."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from molweight.distributed import Team, gather, spread_all, team
from molweight.graphs import GraphBatch
from molweight.typing import GraphLike

__all__ = [
    "Encoder",
    "Encoding",
    "Share",
    "dropout",
    "dropout_generator",
    "encode_share",
    "in_share",
    "one_mask_for_all_rows",
    "share_of",
]

_LEVELS = 2**16


class Encoding(NamedTuple):
    """The output of an encoder for ``G`` molecules with ``N`` atoms in all.

    Args:
        nodes: One vector per atom, ``N x d``.
        graphs: One vector per molecule, ``G x d``.
    """

    nodes: Tensor
    graphs: Tensor


class Encoder(nn.Module, ABC):
    """A graph neural network that maps molecules to vectors, as a pure function of its parameters.

    Pure means that ``forward`` changes no buffers and reads no hidden random state, so that two evaluations with the
    same parameters and seed agree, and all derivatives of a training step belong to the same function. Layers use only
    index-based reductions, which are correct to second order with or without torch-scatter.

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
            seed: Seed of the dropout masks. ``None`` disables dropout, also in training mode.

        Returns:
            Vectors of atoms and of molecules.
        """

    def __call__(self, graphs: GraphLike, seed: int | None = None) -> Encoding:
        """Encode a batch of molecules; see :meth:`forward`.

        For a padded batch, the vectors of padding atoms come last, and those of padding molecules are left out.
        """
        others = None if in_share() else team()
        if others is not None and isinstance(graphs, GraphBatch) and graphs.num_graphs >= others.size:
            return Encoding(*encode_share(self, graphs, seed, others))
        encoding: Encoding = super().__call__(graphs, seed)
        padding = graphs.padding if isinstance(graphs, GraphBatch) else 0
        return Encoding(encoding.nodes, encoding.graphs[:-padding]) if padding else encoding


_one_mask: ContextVar[bool] = ContextVar("one_mask", default=False)


@contextmanager
def one_mask_for_all_rows() -> Iterator[None]:
    """Context in which :func:`dropout` drops the same channels for all atoms and molecules.

    A seed then corresponds to one network with some channels removed, independent of its input: the prediction for a
    molecule does not depend on the order of its atoms or on the rest of the batch. Masks per row would depend on the
    position.
    Source: Gal and Ghahramani, *A Theoretically Grounded Application of Dropout in Recurrent Neural Networks*, NeurIPS
    2016, where one mask is used for all steps of a sequence.

    Yields:
        Nothing.

    Example:
        >>> with one_mask_for_all_rows():
        ...     dropped = dropout(torch.ones(3, 100), 0.5, torch.Generator().manual_seed(0))
        >>> torch.equal(dropped[0], dropped[2]), 30 < (dropped[0] == 0).sum() < 70
        (True, tensor(True))
    """
    token = _one_mask.set(True)
    try:
        yield
    finally:
        _one_mask.reset(token)


def dropout_generator(seed: int | None, device: torch.device) -> torch.Generator | None:
    """The generator of all dropout masks of a forward pass; ``None`` for no dropout."""
    return None if seed is None else torch.Generator(device).manual_seed(seed)


def dropout(rows: Tensor, rate: float, generator: torch.Generator | None) -> Tensor:
    """Set random entries to 0 and scale up the others, so that the expectation is preserved.

    The mask uses 16 random bits per entry, so ``rate`` is exact to 1 in 65,536; this is seven times as fast as
    ``torch.nn.functional.dropout`` on CPU. Source: Srivastava et al., JMLR 2014.

    Args:
        rows: Any matrix.
        rate: Probability of an entry to be set to 0, at least 0 and below 1.
        generator: Generator of the mask; ``None`` returns ``rows`` unchanged.

    Returns:
        A matrix like ``rows``.

    Example:
        >>> ones = torch.ones(1000, 10)
        >>> half = dropout(ones, 0.5, torch.Generator().manual_seed(0))
        >>> sorted(half.unique().tolist()), bool((half.mean() - 1).abs() < 0.05)
        ([0.0, 2.0], True)
    """
    dropped = min(round(rate * _LEVELS), _LEVELS - 1)
    if generator is None or dropped == 0:
        return rows
    shape = (1, *rows.shape[1:]) if _one_mask.get() else rows.shape  # also drawn for no rows: the next mask is the same
    keep = _random_bits(shape, rows.device, generator) >= dropped - _LEVELS // 2
    return rows * keep.to(rows.dtype).mul_(_LEVELS / (_LEVELS - dropped))


def _random_bits(shape: Sequence[int], device: torch.device, generator: torch.Generator) -> Tensor:
    count = math.prod(shape)
    words = torch.empty(-(-count // 4), dtype=torch.int64, device=device)
    words.random_(-(2**63), None, generator=generator)
    return words.view(torch.int16)[:count].view(*shape)


_inside: ContextVar[bool] = ContextVar("inside", default=False)


def in_share() -> bool:
    """Whether an encoder is processing a share of a batch, so that batch statistics involve the other processes."""
    return _inside.get()


@dataclass(frozen=True)
class Share:
    """The part of a batch that a process encodes.

    Args:
        graphs: First molecule, and the one after the last.
        atoms: The same for their atoms.
        batch: These molecules.
    """

    graphs: tuple[int, int]
    atoms: tuple[int, int]
    batch: GraphBatch


def share_of(whole: GraphBatch, team: Team) -> Share:
    """The molecules that this process encodes: consecutive ones, with about equally many atoms in each process.

    Args:
        whole: The batch, with at least as many molecules as there are processes.
        team: The processes.
    """
    first = whole.ptr.tolist()
    cuts = [0]
    for rank in range(1, team.size):
        wanted = first[-1] * rank / team.size
        nearest = min(range(len(first)), key=lambda place: abs(first[place] - wanted))
        cuts.append(min(max(nearest, cuts[-1] + 1), whole.num_graphs - team.size + rank))
    low, high = [*cuts, whole.num_graphs][team.rank : team.rank + 2]
    return Share((low, high), (first[low], first[high]), _select(whole, (low, high), (first[low], first[high])))


def _select(whole: GraphBatch, graphs: tuple[int, int], atoms: tuple[int, int]) -> GraphBatch:
    source = whole.edge_index[0]
    edges = ((source >= atoms[0]) & (source < atoms[1])).nonzero().squeeze(1)  # the edges of views may be in any order
    of_graphs, of_atoms = slice(*graphs), slice(*atoms)
    return replace(
        whole,
        x=whole.x[of_atoms],
        edge_index=whole.edge_index[:, edges] - atoms[0],
        edge_attr=whole.edge_attr[edges],
        batch=whole.batch[of_atoms] - graphs[0],
        ptr=whole.ptr[graphs[0] : graphs[1] + 1] - atoms[0],
        num_graphs=graphs[1] - graphs[0],
        y=None if whole.y is None else whole.y[of_graphs],
        columns={name: column[of_graphs] for name, column in whole.columns.items()},
        atom_columns={name: column[of_atoms] for name, column in whole.atom_columns.items()},
    )


def encode_share(encoder: nn.Module, whole: GraphBatch, seed: int | None, team: Team) -> tuple[Tensor, Tensor]:
    """The vectors of all atoms and molecules of a batch; this process computes its share.

    Args:
        encoder: The encoder; its gradients are sums over the processes.
        whole: The batch.
        seed: Seed of dropout; each process draws separate masks.
        team: The processes.

    Returns:
        ``N x d`` and ``G x d``, equal in all processes.
    """
    share = share_of(whole, team)
    params = spread_all(dict(encoder.named_parameters()))
    own_seed = None if seed is None else seed + team.rank
    with _working_on_share():
        nodes, graphs = functional_call(encoder, params, (share.batch, own_seed))
    return gather(nodes, share.atoms, whole.num_nodes), gather(graphs, share.graphs, whole.num_graphs)


@contextmanager
def _working_on_share() -> Iterator[None]:
    token = _inside.set(True)
    try:
        yield
    finally:
        _inside.reset(token)
