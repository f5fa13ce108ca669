"""Encoding a batch in several processes: each encodes its share of the molecules, and all get every vector."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

from torch import Tensor, nn
from torch.func import functional_call

from molweight.distributed import Team, gather, spread
from molweight.graphs import GraphBatch

__all__ = ["Share", "encode_share", "in_share", "share_of"]

_inside: ContextVar[bool] = ContextVar("inside", default=False)


def in_share() -> bool:
    """Whether an encoder is at work on a share of a batch, so that statistics of the batch need the other processes."""
    return _inside.get()


@dataclass(frozen=True)
class Share:
    """Which part of a batch a process encodes.

    Args:
        graphs: First molecule and the one after the last.
        atoms: The same for their atoms.
        batch: These molecules.
    """

    graphs: tuple[int, int]
    atoms: tuple[int, int]
    batch: GraphBatch


def share_of(whole: GraphBatch, team: Team) -> Share:
    """The molecules that this process encodes: consecutive ones, with about as many atoms as every other process has.

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
    edges = ((source >= atoms[0]) & (source < atoms[1])).nonzero().squeeze(1)  # views may have any order of edges
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
    """The vectors of all atoms and molecules of a batch, of which this process computes its share.

    Args:
        encoder: The encoder; its gradients are sums over the processes.
        whole: The batch.
        seed: Of dropout; each process draws masks of its own.
        team: The processes.

    Returns:
        ``N x d`` and ``G x d``, equal in all processes.
    """
    share = share_of(whole, team)
    params = {name: spread(tensor) for name, tensor in encoder.named_parameters()}
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
