"""SchNet: continuous filters over the distances between atoms."""

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from molweight.encoders._sums import segment_sizes
from molweight.errors import OptionError
from molweight.graphs import ATOM_SIZES

__all__ = ["Conformers", "SchNet", "SchNetLayer", "near_pairs"]

_STEP: Final = 0.01
"""Resolution of distances in Angstrom: finer than conformers are accurate, with few values to tabulate filters for."""


@dataclass(frozen=True)
class Conformers:
    """``G`` molecules in space, ``N`` atoms in all.

    Args:
        elements: Atomic numbers as in the first column of the atom features, ``N`` int64.
        batch: Molecule of each atom, ``N`` int64, ascending.
        num_graphs: ``G``.
        pairs: Ordered pairs of interacting atoms, ``2 x P`` int64: source and target.
        steps: Distance of each pair in hundredths of an Angstrom, ``P`` int64.
    """

    elements: Tensor
    batch: Tensor
    num_graphs: int
    pairs: Tensor
    steps: Tensor

    @property
    def num_nodes(self) -> int:
        """``N``, the number of atoms."""
        return len(self.elements)


def near_pairs(positions: Tensor, batch: Tensor, ptr: Tensor, cutoff: float) -> tuple[Tensor, Tensor]:
    """Ordered pairs of atoms of the same molecule within a cutoff distance.

    Args:
        positions: In Angstrom, ``N x 3``.
        batch: Molecule of each atom, ``N`` int64, ascending.
        ptr: First atom of each molecule and the total, ``G + 1`` int64.
        cutoff: In Angstrom.

    Returns:
        The pairs, ``2 x P``, and their distances in hundredths of an Angstrom, ``P`` int64.

    Example:
        >>> places = torch.tensor([[0.0, 0, 0], [1.5, 0, 0], [9.0, 0, 0], [0.0, 0, 0]])
        >>> near_pairs(places, torch.tensor([0, 0, 0, 1]), torch.tensor([0, 3, 4]), cutoff=2.0)
        (tensor([[0, 1],
                [1, 0]]), tensor([150, 150]))
    """
    sizes = ptr.diff()[batch]
    source = torch.repeat_interleave(sizes)
    first = (sizes.cumsum(0) - sizes)[source]
    target = ptr[batch[source]] + torch.arange(len(source), device=source.device) - first
    distances = (positions[source] - positions[target]).norm(dim=1)
    kept = ((distances < cutoff) & (source != target)).nonzero().squeeze(1)
    return torch.stack([source[kept], target[kept]]), (distances[kept] / _STEP).round().long()


class SchNetLayer(nn.Module):
    """One interaction: each atom sums messages of the others, weighted by a filter of their distance.

    It is PyG's ``InteractionBlock`` at rounded distances: its filter network is evaluated once per distinct distance
    and looked up for every pair.

    Args:
        width: Size of the vectors.
        gaussians: Number of radial functions.
        filters: Size of the filters.
        cutoff: Distance in Angstrom beyond which atoms do not interact.
    """

    def __init__(self, width: int, gaussians: int, filters: int, cutoff: float) -> None:
        """Create PyG's block; its parts are called separately."""
        from torch_geometric.nn.models.schnet import InteractionBlock  # takes seconds to import

        super().__init__()
        self.block = InteractionBlock(width, gaussians, filters, cutoff)

    def forward(self, nodes: Tensor, conformers: Conformers, radial: Tensor, envelope: Tensor) -> Tensor:
        """The update of the vectors, ``N x d``.

        Args:
            nodes: Vectors of the atoms, ``N x d``.
            conformers: The molecules.
            radial: Radial functions at every rounded distance, ``D x gaussians``.
            envelope: Envelope with which the filters vanish smoothly at the cutoff, ``D x 1``.
        """
        filters = self.block.mlp(radial) * envelope
        source, target = conformers.pairs
        sent = self.block.conv.lin1(nodes)
        messages = sent.index_select(0, source) * filters.index_select(0, conformers.steps)
        gathered = self.block.conv.lin2(sent.new_zeros(sent.shape).index_add(0, target, messages))
        added: Tensor = self.block.lin(self.block.act(gathered))
        return added


class SchNet(nn.Module):
    """Vectors of molecules from the positions of their atoms, invariant to rotation, translation and reflection.

    It takes :class:`Conformers` instead of graphs, so it is not in ``encoders.available()``: tables have no positions.
    It is used by objectives that compare graphs with conformers. Defaults are those of GraphMVP.

    Source: Schütt et al., *SchNet: A continuous-filter convolutional neural network for modeling quantum
    interactions*, NeurIPS 2017; Liu et al., *Pre-training Molecular Graph Representation with 3D Geometry*, ICLR 2022.

    Args:
        width: Size ``d`` of the vectors.
        layers: Number of interactions.
        filters: Size of the filters.
        gaussians: Number of radial functions between 0 and the cutoff.
        cutoff: Distance in Angstrom beyond which atoms do not interact.

    Raises:
        ConfigError: If an option is out of range.

    Example:
        >>> pairs, steps = near_pairs(torch.tensor([[0.0, 0, 0], [1.5, 0, 0]]), *torch.tensor([[0, 0], [0, 2]]), 10.0)
        >>> ethane = Conformers(torch.tensor([5, 5]), torch.tensor([0, 0]), 1, pairs, steps)
        >>> SchNet(width=8, layers=2)(ethane).shape
        torch.Size([1, 8])
    """

    radial: Tensor
    envelope: Tensor

    def __init__(
        self, width: int, *, layers: int = 6, filters: int = 128, gaussians: int = 51, cutoff: float = 10.0
    ) -> None:
        """Create the embedding, the layers, and the tables of radial functions."""
        from torch_geometric.nn.models.schnet import GaussianSmearing, ShiftedSoftplus  # takes seconds to import

        super().__init__()
        _check(cutoff, width=width, layers=layers, filters=filters, gaussians=gaussians)
        self.cutoff = cutoff
        self.elements = nn.Embedding(ATOM_SIZES[0], width)
        self.layers = nn.ModuleList(SchNetLayer(width, gaussians, filters, cutoff) for _ in range(layers))
        self.head = nn.Sequential(nn.Linear(width, width), ShiftedSoftplus(), nn.Linear(width, width))
        distances = _STEP * torch.arange(round(cutoff / _STEP) + 1)
        self.register_buffer("radial", GaussianSmearing(0.0, cutoff, gaussians)(distances), persistent=False)
        envelope = 0.5 * (torch.cos(distances * math.pi / cutoff) + 1)
        self.register_buffer("envelope", envelope[:, None], persistent=False)

    def forward(self, conformers: Conformers) -> Tensor:
        """Mean of the vectors of each molecule's atoms, ``G x d``."""
        nodes = self.elements(conformers.elements)
        for layer in self.layers:
            nodes = nodes + layer(nodes, conformers, self.radial, self.envelope)
        vectors = self.head(nodes)
        total = vectors.new_zeros(conformers.num_graphs, vectors.size(1)).index_add(0, conformers.batch, vectors)
        count = segment_sizes(conformers.batch, conformers.num_graphs)
        mean: Tensor = total / count.clamp(min=1)[:, None].to(total.dtype)
        return mean


def _check(cutoff: float, **sizes: int) -> None:
    least = {"gaussians": 2}
    for name, value in sizes.items():
        if value < least.get(name, 1):
            raise OptionError(name, value, f"must be at least {least.get(name, 1)}", owner="SchNet")
    if not _STEP < cutoff < math.inf:
        raise OptionError("cutoff", cutoff, f"must be a distance in Angstrom above {_STEP}", owner="SchNet")
