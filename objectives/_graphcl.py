"""Graph contrastive learning between two augmented views."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from molweight.arguments import check_choice
from molweight.errors import OptionError
from molweight.graphs import GraphBatch
from molweight.objectives._augment import AUGMENTATIONS, apply, random_edit
from molweight.objectives._base import Encode, Objective, check_share, draw_seed, register
from molweight.objectives._contrast import nt_xent

__all__ = ["GraphCL", "TwoViews"]


@dataclass(frozen=True)
class TwoViews:
    """Two views of the same molecules, in the same order.

    Args:
        first: One view.
        second: The other.
        seeds: Seeds of the encoder's dropout, one per view.
    """

    first: GraphBatch
    second: GraphBatch
    seeds: tuple[int, int]


@register("graphcl")
class GraphCL(Objective):
    """Distinguish two random views of a molecule from views of the other molecules in the batch.

    In each view each molecule is changed by one augmentation, chosen at random:

    - ``node_drop`` removes a share ``strength`` of its atoms;
    - ``subgraph`` keeps a connected part, grown from a random atom to a share ``1 - strength``;
    - ``edge_perturb`` removes a share ``strength`` of its bonds. The published method may add bonds as well; an added
      bond has no type, so none are added here;
    - ``attribute_mask`` masks a share ``strength`` of its atoms.

    Shares are rounded down to whole atoms and bonds, so no view loses a molecule. A head ``d -> d -> d`` projects the
    molecules' vectors, and :func:`molweight.objectives.building_blocks.nt_xent` compares them: all ``2G - 1`` other
    vectors are candidates, as in SimCLR, whose loss is bounded below and defined for a single molecule.

    The two views are encoded one after the other, which keeps the statistics of batch normalisation per view; a single
    call would take as long (``experiments/benchmarks/benchmark_objectives.py``).

    Source: You et al., *Graph Contrastive Learning with Augmentations*, NeurIPS 2020.

    Args:
        width: Size of the encoder's vectors.
        augmentations: Names to choose from.
        strength: Share of atoms or bonds to change.
        temperature: Temperature of the loss.

    Raises:
        ConfigError: If an option is out of range.

    Example:
        >>> from molweight.graphs import build_dataset
        >>> batch = build_dataset(["CCCCCO", "c1ccccc1"], cache=False).graphs([0, 1])
        >>> views = GraphCL(width=8, augmentations=["node_drop"]).draw(batch, torch.Generator().manual_seed(0))
        >>> views.first.ptr.tolist()
        [0, 5, 10]
    """

    family: ClassVar[str] = "contrastive"
    paper: ClassVar[str] = "You et al., NeurIPS 2020"
    cost: ClassVar[float] = 2.0
    learnable: ClassVar[Mapping[str, tuple[float, float]]] = {"temperature": (0.01, 1.0)}

    def __init__(
        self,
        width: int,
        *,
        augmentations: Sequence[str] = tuple(AUGMENTATIONS),
        strength: float = 0.2,
        temperature: float = 0.1,
    ) -> None:
        """Create the projection head."""
        super().__init__(width)
        check_share("graphcl", "strength", strength)
        for name in augmentations:
            check_choice("objective 'graphcl'", "augmentations", name, tuple(AUGMENTATIONS))
        if not augmentations:
            raise OptionError(
                "augmentations", list(augmentations), "must name at least one", owner="objective 'graphcl'"
            )
        if temperature <= 0:
            raise OptionError("temperature", temperature, "must be positive", owner="objective 'graphcl'")
        self.augmentations, self.strength, self.temperature = tuple(augmentations), strength, temperature
        self.head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))

    def draw(self, batch: GraphBatch, generator: torch.Generator) -> TwoViews:
        """Augment each molecule twice."""
        first, second = (
            apply(batch, random_edit(batch, self.augmentations, self.strength, generator)) for _ in range(2)
        )
        return TwoViews(first, second, (draw_seed(generator), draw_seed(generator)))

    def loss(self, encoder: Encode, views: TwoViews) -> Tensor:
        """NT-Xent between the projections of the two views."""
        first = self.head(encoder(views.first, seed=views.seeds[0]).graphs)
        second = self.head(encoder(views.second, seed=views.seeds[1]).graphs)
        return nt_xent(first, second, self.temperature)
