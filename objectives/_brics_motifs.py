"""BRICS motifs: predict which of the corpus's most frequent fragments a molecule has."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from molweight.arrays import Column
from molweight.errors import ConfigError, DataError, OptionError
from molweight.graphs import GraphBatch, TargetSpec
from molweight.objectives._base import Encode, Objective, column_of, corpus_column, draw_seed, register
from molweight.objectives._rdkit_brics import motif_codes

__all__ = ["BRICS_CODES", "BricsMotifs", "Motifs"]

BRICS_CODES: Final = TargetSpec(
    "brics_motifs", version=1, dim=1, dtype="int32", compute=motif_codes, per="atom", chunk=128
)
"""Number of each BRICS fragment, at its first atom."""

_FREE: Final = 2**40
"""Placeholder for unused entries of the vocabulary, for corpora with few fragments; not the number of any fragment."""


@dataclass(frozen=True)
class Motifs:
    """Molecules with the motifs they have.

    Args:
        graphs: The molecules.
        labels: 1 where a molecule has a motif, ``G x V``.
        known: Which molecules have fragments, ``G`` bool.
        used: 1 for used entries of the vocabulary, ``V``.
        seed: Seed of the encoder's dropout.
    """

    graphs: GraphBatch
    labels: Tensor
    known: Tensor
    used: Tensor
    seed: int


@register("brics_motifs")
class BricsMotifs(Objective):
    """Predict which BRICS fragments a molecule is made of, from its vector.

    A molecule is cut at all BRICS bonds; its fragments are identified by RDKit's SMILES with numbered attachment
    points. The motifs are the fragments that occur most often in the corpus (:meth:`prepare`). Binary cross-entropy,
    averaged over molecules and motifs; the head is linear. Molecules that could not be cut have no fragments, not even
    themselves, and do not count.

    Source: after Zhang et al., *Motif-based Graph Self-Supervised Learning for Molecular Property Prediction* (MGSSL),
    NeurIPS 2021; Degen et al., *On the Art of Compiling and Using 'Drug-Like' Chemical Fragment Spaces* (BRICS),
    ChemMedChem 2008.

    Args:
        width: Size of the encoder's vectors.
        vocabulary: Maximum number of motifs to predict, ``V``; a corpus with fewer fragments has fewer.

    Raises:
        ConfigError: If ``vocabulary`` is below 1.

    Example:
        >>> BricsMotifs(width=8).head.out_features
        512
    """

    family: ClassVar[str] = "motif"
    paper: ClassVar[str] = "after Zhang et al., NeurIPS 2021 (MGSSL)"
    targets: tuple[TargetSpec, ...] = (BRICS_CODES,)

    motifs: Tensor

    def __init__(self, width: int, *, vocabulary: int = 512) -> None:
        """Create the head; the motifs are set by :meth:`prepare` or by a saved state."""
        super().__init__(width)
        if vocabulary < 1:
            raise OptionError("vocabulary", vocabulary, "must be at least 1", owner="objective 'brics_motifs'")
        self.head = nn.Linear(width, vocabulary)
        self.register_buffer("motifs", torch.full((vocabulary,), _FREE))

    def prepare(self, columns: Mapping[str, Column]) -> None:
        """Find the most frequent fragments of the corpus; ties are ordered by number.

        Args:
            columns: ``{"brics_motifs": A x 1}``, over all atoms of the corpus.

        Raises:
            DataError: If the column is missing or holds no fragment.
        """
        codes = corpus_column(columns, BRICS_CODES).ravel()
        found, counts = np.unique(codes[codes != 0], return_counts=True)
        if len(found) == 0:
            raise DataError("objective 'brics_motifs': the corpus has no fragments; use a corpus of valid molecules.")
        most = found[np.argsort(-counts, kind="stable")[: len(self.motifs)]]
        motifs = np.full(len(self.motifs), _FREE)
        motifs[: len(most)] = np.sort(most)
        self.motifs.copy_(torch.from_numpy(motifs))

    def draw(self, batch: GraphBatch, generator: torch.Generator) -> Motifs:
        """Look up the motifs; only the dropout seed is random."""
        used = self.motifs < _FREE
        if batch.device.type == "cpu" and not used.any():
            raise ConfigError("objective 'brics_motifs' has no motifs: call prepare() or load a saved state first.")
        codes = column_of(batch, BRICS_CODES).squeeze(1).long()
        size, dtype = len(self.motifs), self.head.weight.dtype
        place = torch.searchsorted(self.motifs, codes).clamp(max=size - 1)
        known = (self.motifs[place] == codes).to(dtype)  # 0 means no fragment, so it is not a motif
        labels = known.new_zeros(batch.num_graphs * size).index_add_(0, batch.batch * size + place, known)
        fragments = codes.new_zeros(batch.num_graphs).index_add_(0, batch.batch, (codes != 0).long())
        return Motifs(batch, labels.view(-1, size).clamp(max=1), fragments > 0, used.to(dtype), draw_seed(generator))

    def loss(self, encoder: Encode, views: Motifs) -> Tensor:
        """Binary cross-entropy of the motifs."""
        guesses = self.head(encoder(views.graphs, seed=views.seed).graphs)
        each = functional.binary_cross_entropy_with_logits(guesses, views.labels, reduction="none")
        known = views.known.to(each.dtype)
        mean = (each * known[:, None]).sum(0) / known.sum().clamp(min=1)
        return (mean * views.used).sum() / views.used.sum()
