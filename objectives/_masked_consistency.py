"""Masked consistency: a molecule with masked atoms gets the vector of the intact one."""

from typing import ClassVar

import torch
from torch import Tensor

from molweight.graphs import GraphBatch
from molweight.objectives._augment import Edit, apply, share
from molweight.objectives._base import Encode, Objective, check_share, draw_seed, register
from molweight.objectives._graphcl import TwoViews
from molweight.objectives._segments import random_subset

__all__ = ["MaskedConsistency", "embedding_rank", "embedding_spread"]


def embedding_spread(vectors: Tensor) -> Tensor:
    """Spread of molecule vectors: root mean square distance per entry to their mean.

    Args:
        vectors: ``G x d``.

    Returns:
        A scalar; 0 if all are the same.

    Example:
        >>> embedding_spread(torch.ones(5, 3)).item(), embedding_spread(torch.tensor([[1.0], [3.0]])).item()
        (0.0, 1.0)
    """
    return (vectors - vectors.mean(0)).square().mean().sqrt()


def embedding_rank(vectors: Tensor) -> Tensor:
    r"""Effective number of dimensions of molecule vectors: the participation ratio of their covariance.

    It is ``(\sum l)^2 / \sum l^2`` for the eigenvalues ``l`` of the covariance.

    Args:
        vectors: ``G x d``.

    Returns:
        A scalar between 1 (all on a line) and ``d``; 0 if all are the same.

    Example:
        >>> embedding_rank(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])).item()
        2.0
    """
    centred = vectors - vectors.mean(0)
    products = centred.T @ centred
    smallest = torch.finfo(vectors.dtype).tiny
    return products.trace().square() / products.square().sum().clamp(min=smallest)


@register("masked_consistency")
class MaskedConsistency(Objective):
    """Give a molecule with masked atoms the same vector as the intact one.

    A share ``rate`` of a molecule's atoms, at least one, is masked. The loss is the squared distance between the
    vectors of the two views per entry, averaged over molecules. ImageMol uses the distance itself, which is not
    differentiable where the views agree. Both views have the same dropout masks.

    Collapse: alone, this objective is minimal if all molecules get the same vector, and training drives the encoder
    there. On 256 molecules of ZINC, 60 steps reduce the vectors' spread by nine tenths with layer normalisation; batch
    normalisation preserves the spread, but in a single direction (``tests/objectives/test_masked_consistency.py``). Use
    it with other objectives. A run with no other objective warns;
    :func:`molweight.objectives.building_blocks.embedding_spread` and
    :func:`molweight.objectives.building_blocks.embedding_rank` measure it.

    Source: Zeng et al., *Accurate prediction of molecular properties and drug targets using a self-supervised image
    representation learning framework* (ImageMol), Nature Machine Intelligence 2022: mask-based contrastive learning.

    Args:
        width: Size of the encoder's vectors.
        rate: Share of atoms to mask; ImageMol masks one square of 16 x 16 in 224 x 224 pixels.

    Example:
        >>> from molweight.graphs import build_dataset
        >>> batch = build_dataset(["CCCO", "CC"], cache=False).graphs([0, 1])
        >>> views = MaskedConsistency(width=8).draw(batch, torch.Generator().manual_seed(0))
        >>> torch.bincount(batch.batch[views.second.x[:, 0] == 119]).tolist()
        [1, 1]
    """

    family: ClassVar[str] = "contrastive"
    paper: ClassVar[str] = "Zeng et al., Nature Machine Intelligence 2022 (ImageMol)"
    cost: ClassVar[float] = 2.0
    collapses: ClassVar[bool] = True

    def __init__(self, width: int, *, rate: float = 0.15) -> None:
        """Store the rate; there is no head."""
        super().__init__(width)
        check_share("masked_consistency", "rate", rate)
        self.rate = rate

    def draw(self, batch: GraphBatch, generator: torch.Generator) -> TwoViews:
        """Choose and mask atoms."""
        masked = random_subset(batch.batch, batch.ptr, share(batch.ptr, self.rate).clamp(min=1), generator)
        seed = draw_seed(generator)
        return TwoViews(batch, apply(batch, Edit(mask_atoms=masked)), (seed, seed))

    def loss(self, encoder: Encode, views: TwoViews) -> Tensor:
        """Mean squared difference of the two views."""
        first, second = (
            encoder(graphs, seed=seed).graphs
            for graphs, seed in zip((views.first, views.second), views.seeds, strict=True)
        )
        return (first - second).square().mean()
