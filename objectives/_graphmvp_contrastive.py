"""GraphMVP, contrastive part: match a molecule's graph with its conformer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from molweight.arguments import check_choice
from molweight.encoders import SchNet
from molweight.errors import OptionError
from molweight.graphs import GraphBatch, TargetSpec
from molweight.objectives._base import Encode, Objective, draw_seed, register
from molweight.objectives._conformers import CONFORMERS, Embedded, embedded
from molweight.objectives._contrast import ebm_nce, info_nce
from molweight.objectives._segments import random_partner

__all__ = ["GraphAndConformer", "GraphMVPContrastive"]

_LOSSES = ("info_nce", "ebm_nce")


@dataclass(frozen=True)
class GraphAndConformer:
    """Molecules with their conformers, as far as they have one.

    Args:
        graphs: The molecules.
        space: Their conformers.
        negatives: Negatives for each molecule with a conformer, ``2 x C`` positions among these: the first row for its
            graph, the second for its conformer; ``2 x 0`` if there is no other molecule.
        seed: Seed of the encoder's dropout.
    """

    graphs: GraphBatch
    space: Embedded
    negatives: Tensor
    seed: int


@register("graphmvp_contrastive")
class GraphMVPContrastive(Objective):
    """Match graphs and conformers: distinguish a molecule's conformer from others by its graph, and vice versa.

    The graph passes through the encoder, the conformer (ETKDGv3, one per molecule) through a separate
    :class:`molweight.encoders.SchNet`. Their vectors are normalised to length 1 and compared by
    :func:`molweight.objectives.building_blocks.info_nce` or :func:`molweight.objectives.building_blocks.ebm_nce`, in
    both directions. Molecules without a conformer are ignored; without any conformer the loss is 0.

    Source: Liu et al., *Pre-training Molecular Graph Representation with 3D Geometry* (GraphMVP), ICLR 2022, eqs. 4-5.

    Args:
        width: Size of the encoder's vectors.
        contrast: ``"info_nce"`` or ``"ebm_nce"``.
        temperature: Temperature of the loss.
        layers: Interactions of SchNet.
        filters: Size of its filters.
        gaussians: Number of its radial functions.
        cutoff: Cutoff distance of its interactions, in Angstrom.

    Raises:
        ConfigError: If an option is out of range.

    Example:
        >>> from molweight.graphs import attach_targets, build_dataset
        >>> data = attach_targets(build_dataset(["CCO", "CCN", "c1ccccc1"], cache=False), [CONFORMERS])
        >>> views = GraphMVPContrastive(width=8, layers=1).draw(data.graphs(range(3)), torch.Generator().manual_seed(0))
        >>> views.space.known.tolist(), views.space.conformers.num_nodes
        ([0, 1, 2], 12)
    """

    family: ClassVar[str] = "contrastive"
    paper: ClassVar[str] = "Liu et al., ICLR 2022 (GraphMVP)"
    targets: tuple[TargetSpec, ...] = (CONFORMERS,)
    cost: ClassVar[float] = 2.0
    learnable: ClassVar[Mapping[str, tuple[float, float]]] = {"temperature": (0.01, 1.0)}

    def __init__(
        self,
        width: int,
        *,
        contrast: str = "info_nce",
        temperature: float = 0.1,
        layers: int = 6,
        filters: int = 128,
        gaussians: int = 51,
        cutoff: float = 10.0,
    ) -> None:
        """Create SchNet."""
        super().__init__(width)
        check_choice("objective 'graphmvp_contrastive'", "contrast", contrast, _LOSSES)
        if temperature <= 0:
            raise OptionError("temperature", temperature, "must be above 0", owner="objective 'graphmvp_contrastive'")
        self.contrast, self.temperature = contrast, temperature
        self.space = SchNet(width, layers=layers, filters=filters, gaussians=gaussians, cutoff=cutoff)

    def draw(self, batch: GraphBatch, generator: torch.Generator) -> GraphAndConformer:
        """Find the conformers and choose the negatives."""
        space = embedded(batch, self.space.cutoff)
        partners = [random_partner(len(space.known), generator) for _ in range(2)]
        negatives = torch.stack([space.known[:0] if places is None else places for places in partners])
        return GraphAndConformer(batch, space, negatives, draw_seed(generator))

    def loss(self, encoder: Encode, views: GraphAndConformer) -> Tensor:
        """Mean of the two directions."""
        graphs = encoder(views.graphs, seed=views.seed).graphs.index_select(0, views.space.known)
        conformers = self.space(views.space.conformers)
        first, second = nn.functional.normalize(graphs, dim=1), nn.functional.normalize(conformers, dim=1)
        if self.contrast == "info_nce":
            return (info_nce(first, second, self.temperature) + info_nce(second, first, self.temperature)) / 2
        one, other = views.negatives
        forth = ebm_nce(first, second, second[one], self.temperature)
        return (forth + ebm_nce(second, first, first[other], self.temperature)) / 2
