"""MolCLR: contrast views with masked atoms and deleted bonds."""

from collections.abc import Mapping
from typing import ClassVar, Final

import torch
from torch import Tensor, nn

from molweight.arguments import check_choice
from molweight.errors import OptionError
from molweight.graphs import GraphBatch
from molweight.objectives._augment import Edit, apply, grow, random_edges, share
from molweight.objectives._base import Encode, Objective, check_share, draw_seed, register
from molweight.objectives._contrast import nt_xent
from molweight.objectives._graphcl import TwoViews
from molweight.objectives._segments import random_subset

__all__ = ["MolCLR"]

_AUGMENTATIONS = ("mask", "subgraph", "either")

Change = tuple[Tensor, Tensor]
"""Which atoms to mask, ``N`` bool, and which edges to delete, ``E`` bool."""


@register("molclr")
class MolCLR(Objective):
    """Distinguish two views of a molecule, with masked atoms and deleted bonds, from views of the other molecules.

    In each of the two views each molecule is changed in one of two ways:

    - ``"mask"``: a share ``rate`` of its atoms, at least one, is masked, and a share ``rate`` of its bonds is deleted;
    - ``"subgraph"``: a connected part of a share ``rate`` of its atoms, around a random one, is masked, and all bonds
      at these atoms are deleted.

    Shares are rounded down. ``"either"`` chooses one of the two at random for each molecule and view. A head
    ``d -> d -> d/2`` projects the molecules' vectors, and :func:`molweight.objectives.building_blocks.nt_xent` compares
    them.

    The two views are encoded one after the other, which keeps the statistics of batch normalisation per view; a single
    call would take as long (``experiments/benchmarks/benchmark_objectives.py``).

    Source: Wang et al., *Molecular contrastive learning of representations via graph neural networks*, Nature Machine
    Intelligence 2022, with the settings of their code.

    Args:
        width: Size of the encoder's vectors.
        augmentation: ``"mask"``, ``"subgraph"`` or ``"either"``.
        rate: Share of atoms and bonds to change.
        temperature: Temperature of the loss.

    Raises:
        ConfigError: If an option is out of range.

    Example:
        >>> from molweight.graphs import build_dataset
        >>> batch = build_dataset(["CCCCCCCO"], cache=False).graphs([0])
        >>> views = MolCLR(width=8).draw(batch, torch.Generator().manual_seed(0))
        >>> int((views.first.x[:, 0] == 119).sum()), batch.num_edges - views.first.num_edges
        (2, 2)
    """

    family: ClassVar[str] = "contrastive"
    paper: ClassVar[str] = "Wang et al., Nature Machine Intelligence 2022"
    cost: ClassVar[float] = 2.0
    learnable: ClassVar[Mapping[str, tuple[float, float]]] = {"temperature": (0.01, 1.0)}

    def __init__(self, width: int, *, augmentation: str = "mask", rate: float = 0.25, temperature: float = 0.1) -> None:
        """Create the projection head."""
        super().__init__(width)
        check_share("molclr", "rate", rate)
        check_choice("objective 'molclr'", "augmentation", augmentation, _AUGMENTATIONS)
        if temperature <= 0:
            raise OptionError("temperature", temperature, "must be above 0", owner="objective 'molclr'")
        self.augmentation, self.rate, self.temperature = augmentation, rate, temperature
        self.head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, max(width // 2, 1)))

    def draw(self, batch: GraphBatch, generator: torch.Generator) -> TwoViews:
        """Change each molecule twice."""
        first, second = (apply(batch, self._edit(batch, generator)) for _ in range(2))
        return TwoViews(first, second, (draw_seed(generator), draw_seed(generator)))

    def loss(self, encoder: Encode, views: TwoViews) -> Tensor:
        """NT-Xent between the projections of the two views."""
        first = self.head(encoder(views.first, seed=views.seeds[0]).graphs)
        second = self.head(encoder(views.second, seed=views.seeds[1]).graphs)
        return nt_xent(first, second, self.temperature)

    def _edit(self, batch: GraphBatch, generator: torch.Generator) -> Edit:
        if self.augmentation == "either":
            one, other = (change(batch, self.rate, generator) for change in _CHANGES.values())
            atoms, edges = _either(batch, one, other, generator)
        else:
            atoms, edges = _CHANGES[self.augmentation](batch, self.rate, generator)
        return Edit(mask_atoms=atoms, drop_edges=edges)


def _mask(batch: GraphBatch, rate: float, generator: torch.Generator) -> Change:
    """Mask atoms and delete bonds, independently of each other."""
    atoms = random_subset(batch.batch, batch.ptr, share(batch.ptr, rate).clamp(min=1), generator)
    return atoms, random_edges(batch, rate, generator)


def _cut(batch: GraphBatch, rate: float, generator: torch.Generator) -> Change:
    """Mask a connected part and delete the bonds at its atoms."""
    atoms = grow(batch, share(batch.ptr, rate), generator)
    return atoms, atoms[batch.edge_index].any(0)


def _either(batch: GraphBatch, one: Change, other: Change, generator: torch.Generator) -> Change:
    """Choose one of two changes for each molecule."""
    choice = torch.rand(batch.num_graphs, generator=generator, device=batch.device) < 0.5  # noqa: PLR2004 - one half
    of_atom = choice[batch.batch]
    of_edge = of_atom[batch.edge_index[0]]
    return torch.where(of_atom, one[0], other[0]), torch.where(of_edge, one[1], other[1])


_CHANGES: Final = {"mask": _mask, "subgraph": _cut}
