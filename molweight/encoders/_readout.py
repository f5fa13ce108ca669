"""From vectors of atoms to vectors of molecules."""

import torch
from torch import Tensor, nn

from molweight.arguments import check_choice
from molweight.encoders._attention import AttentionReadout
from molweight.encoders._set2set import Set2SetReadout
from molweight.encoders._sums import segment_sizes, segment_sum

__all__ = ["READOUTS", "build_readout", "readout"]

READOUTS = ("mean", "sum", "max", "attention", "set2set")
_FIXED = READOUTS[:3]


class _Fixed(nn.Module):
    """A readout without parameters."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, nodes: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
        return readout(self.name, nodes, batch, num_graphs)


def build_readout(name: str, width: int) -> nn.Module:
    """A readout by name: a module that is called with ``nodes``, ``batch``, ``num_graphs``, like :func:`readout`.

    Args:
        name: ``"mean"``, ``"sum"``, ``"max"``, ``"attention"`` or ``"set2set"``.
        width: Size of the input and output vectors.

    Raises:
        ConfigError: If the name is unknown.
    """
    check_choice("encoder", "readout", name, READOUTS)
    if name in _FIXED:
        return _Fixed(name)
    return AttentionReadout(width) if name == "attention" else Set2SetReadout(width)


def readout(name: str, nodes: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
    """Pool the atoms of each molecule with index-based operations that are correct to second order.

    Readouts with parameters are modules: see :func:`build_readout`.

    Args:
        name: ``"mean"``, ``"sum"`` or ``"max"``.
        nodes: Vectors of atoms, ``N x d``.
        batch: Molecule of each atom, ``N`` int64.
        num_graphs: ``G``.

    Returns:
        Vectors of molecules, ``G x d``; zeros for a molecule without atoms.

    Raises:
        ConfigError: If the name is unknown.

    Example:
        >>> atoms = torch.tensor([[1.0, 4.0], [3.0, 2.0], [5.0, 5.0]])
        >>> readout("max", atoms, torch.tensor([0, 0, 1]), 2).tolist()
        [[3.0, 4.0], [5.0, 5.0]]
    """
    check_choice("encoder", "readout", name, _FIXED)
    if name == "max":
        return _max(nodes, batch, num_graphs)
    total = segment_sum(nodes, batch, num_graphs)
    if name == "sum":
        return total
    return total / segment_sizes(batch, num_graphs).clamp_(min=1).to(nodes.dtype)[:, None]


def _max(nodes: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
    # The first atom with the maximum is found outside the graph; gathering it is differentiable to any order.
    with torch.no_grad():
        column = batch[:, None].expand_as(nodes)
        low = nodes.new_full((num_graphs, nodes.size(1)), -torch.inf)
        highest = low.scatter_reduce(0, column, nodes, "amax")
        rows = torch.arange(len(nodes), device=nodes.device)[:, None].expand_as(nodes)
        candidate = torch.where(nodes == highest.index_select(0, batch), rows, len(nodes))
        none = torch.full(highest.shape, len(nodes), device=nodes.device)
        first = none.scatter_reduce(0, column, candidate, "amin")
    padded = torch.cat([nodes, nodes.new_zeros(1, nodes.size(1))])
    return padded.gather(0, first)
