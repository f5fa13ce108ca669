"""Fingerprint clusters: predict a molecule's cluster in the corpus, at three granularities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from molweight.arrays import Column
from molweight.descriptors.internal import MACCS_BITS, maccs_bits, unpack
from molweight.errors import ConfigError, DataError, OptionError
from molweight.graphs import GraphBatch, TargetSpec
from molweight.objectives._base import (
    Encode,
    Objective,
    column_of,
    corpus_column,
    draw_seed,
    known_rows,
    mean_of_known,
    register,
)
from molweight.objectives._kmeans import cluster_counts, fit_centres
from molweight.objectives._resizable_linear import ResizableLinear

__all__ = ["MACCS_KEYS", "ClusteredGraphs", "FingerprintClusters"]

MACCS_KEYS: Final = TargetSpec("maccs_keys", version=1, dim=21, dtype="uint8", compute=maccs_bits, missing=0)
"""The 167 MACCS keys, packed eight to a byte; missing for molecules without any key, e.g. hydrogen."""


@dataclass(frozen=True)
class ClusteredGraphs:
    """Molecules with their clusters.

    Args:
        graphs: The molecules.
        clusters: Cluster of each molecule, ``G`` int64 per granularity; any if the keys are missing.
        known: Which molecules have keys, ``G`` bool; ``None`` if all have.
        seed: Seed of the encoder's dropout.
    """

    graphs: GraphBatch
    clusters: tuple[Tensor, ...]
    known: Tensor | None
    seed: int


class _ClusterHead(ResizableLinear):
    """A linear head that predicts the nearest of several centres; the centres are part of its state."""

    centres: Tensor

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.register_buffer("centres", torch.zeros(1, MACCS_BITS))

    def adopt(self, centres: Tensor) -> None:
        """Set new centres and reinitialise the weights."""
        self.resize(len(centres))
        self.centres = centres.to(self.centres)

    def nearest(self, bits: Tensor) -> Tensor:
        """The nearest centre of each row, ``G`` int64."""
        return (self.centres.square().sum(1) - 2 * bits @ self.centres.T).argmin(1)


@register("fingerprint_clusters")
class FingerprintClusters(Objective):
    """Predict the cluster of a molecule's fingerprint from its vector, at several granularities.

    The MACCS keys of the corpus are clustered by k-means, once for each granularity (:meth:`prepare`). A molecule
    belongs to the nearest centre, whether or not it is in the corpus. The loss is the sum of the cross-entropies; the
    heads are linear. Small corpora are divided into fewer clusters, at the finest granularity one per ten molecules.
    Molecules without MACCS keys do not count.

    Source: Zeng et al., *Accurate prediction of molecular properties and drug targets using a self-supervised image
    representation learning framework* (ImageMol), Nature Machine Intelligence 2022: multi-granularity chemical clusters
    classification (MG3C), here on graphs.

    Args:
        width: Size of the encoder's vectors.
        clusters: Number of clusters at each granularity, for a sufficiently large corpus.

    Raises:
        ConfigError: If there is no granularity, or one with fewer than 2 clusters.

    Example:
        >>> objective = FingerprintClusters(width=8)
        >>> keys = np.random.default_rng(0).integers(0, 256, (60, 21), dtype=np.uint8)
        >>> objective.prepare({"maccs_keys": keys})
        >>> [head.out_features for head in objective.heads]
        [2, 4, 6]
    """

    family: ClassVar[str] = "motif"
    paper: ClassVar[str] = "Zeng et al., Nature Machine Intelligence 2022 (ImageMol)"
    targets: tuple[TargetSpec, ...] = (MACCS_KEYS,)

    def __init__(self, width: int, *, clusters: Sequence[int] = (100, 1000, 10_000)) -> None:
        """Create the heads; centres are set by :meth:`prepare` or by a saved state."""
        super().__init__(width)
        if not clusters or min(clusters) < 2:  # noqa: PLR2004 - one cluster is nothing to tell apart
            raise OptionError(
                "clusters", [*clusters], "must be numbers of at least 2", owner="objective 'fingerprint_clusters'"
            )
        self.clusters = tuple(clusters)
        self.heads = nn.ModuleList(_ClusterHead(width) for _ in clusters)

    def prepare(self, columns: Mapping[str, Column]) -> None:
        """Cluster the corpus; the result is cached.

        Args:
            columns: ``{"maccs_keys": n x 21}``; NaN where the keys are missing.

        Raises:
            DataError: If the column is missing, or all fingerprints are the same.
        """
        column = corpus_column(columns, MACCS_KEYS)
        packed = column[~np.isnan(column).any(axis=1)].astype(np.uint8)
        bits = unpack(torch.from_numpy(packed), MACCS_BITS).numpy()
        distinct = len(np.unique(bits, axis=0))
        if distinct < 2:  # noqa: PLR2004 - as above
            raise DataError(
                f"objective 'fingerprint_clusters': the {len(bits)} molecules of the corpus have the same fingerprint, "
                "so they cannot be clustered. Use a corpus of different molecules."
            )
        for head, count in zip(self._heads(), cluster_counts(self.clusters, len(bits), distinct), strict=True):
            head.adopt(torch.from_numpy(fit_centres(bits, count)))

    def draw(self, batch: GraphBatch, generator: torch.Generator) -> ClusteredGraphs:
        """Find the nearest centres; only the dropout seed is random."""
        heads = self._heads()
        if any(len(head.centres) == 1 for head in heads):
            raise ConfigError(
                "objective 'fingerprint_clusters' has no clusters: call prepare() or load a saved state first."
            )
        column = column_of(batch, MACCS_KEYS)
        bits = unpack(column.nan_to_num().to(torch.uint8), MACCS_BITS).to(heads[0].centres.dtype)
        nearest = tuple(head.nearest(bits) for head in heads)
        return ClusteredGraphs(batch, nearest, known_rows(column), draw_seed(generator))

    def loss(self, encoder: Encode, views: ClusteredGraphs) -> Tensor:
        """Sum over the granularities of the cross-entropy."""
        graphs = encoder(views.graphs, seed=views.seed).graphs
        losses = [
            functional.cross_entropy(head(graphs), clusters, reduction="none")[:, None]
            for head, clusters in zip(self._heads(), views.clusters, strict=True)
        ]
        return torch.stack([mean_of_known(each, views.known) for each in losses]).sum()

    def _heads(self) -> list[_ClusterHead]:
        return [head for head in self.heads if isinstance(head, _ClusterHead)]
