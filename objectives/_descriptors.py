"""Descriptors: predict RDKit's descriptors of a molecule."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import torch
from torch import Tensor, nn

from molweight.arguments import check_choice
from molweight.arrays import Column
from molweight.descriptors.internal import DESCRIPTORS, FAST_VALUES, compute_descriptors
from molweight.errors import ConfigError, DataError
from molweight.graphs import GraphBatch, TargetSpec
from molweight.objectives._base import Encode, Objective, check_share, column_of, corpus_column, draw_seed, register

__all__ = ["DESCRIPTOR_VALUES", "Descriptors", "MaskedTargets"]

DESCRIPTOR_VALUES: Final = TargetSpec(
    "descriptors", version=2, dim=len(DESCRIPTORS), dtype="float32", compute=compute_descriptors
)
"""RDKit's two-dimensional descriptors without the ``fr_*`` counts; NaN where undefined."""

_KINDS: Final = {"all": DESCRIPTOR_VALUES, "fast": FAST_VALUES}
_CLAMP = 6.0


@dataclass(frozen=True)
class MaskedTargets:
    """Molecules with normalised targets, a random part of which is left out.

    Args:
        graphs: The molecules.
        values: Targets, ``G x dim``; 0 where left out.
        weights: 1 where a target counts and 0 where it is left out, ``G x dim``.
        seed: Seed of the encoder's dropout.
    """

    graphs: GraphBatch
    values: Tensor
    weights: Tensor
    seed: int


@register("descriptors")
class Descriptors(Objective):
    """Predict RDKit's 2D descriptors of a molecule from its vector, normalised over the corpus.

    The targets are the 132 descriptors in ``rdkit.Chem.Descriptors.descList`` that do not count functional groups;
    those counts are the objective ``functional_groups``. Values are z-scored by the mean and standard deviation of the
    corpus (:meth:`prepare`) and clamped to +-6. Undefined values, and descriptors that are constant over the corpus, do
    not count. In every draw a random share of the values is left out. The loss is the mean squared error over the
    remaining values; the head is linear. With ``kind="fast"`` the values are 319 that RDKit computes in compiled code,
    in a third of the time: constitution, connectivity, surface areas, charges, Molecular Quantum Numbers,
    autocorrelations.

    Source: Li et al., *A knowledge-guided pre-training framework for improving molecular representation learning*
    (KPGT), Nature Communications 2023; Burns et al., *Descriptor-based foundation models for molecular property
    prediction* (CheMeleon), arXiv 2506.15792.

    Args:
        width: Size of the encoder's vectors.
        left_out: Share of values left out in a draw.
        kind: ``"all"`` or ``"fast"``.

    Raises:
        ConfigError: If an option is out of range.

    Example:
        >>> objective = Descriptors(width=8)
        >>> objective.prepare({"descriptors": np.random.default_rng(0).normal(size=(50, 132))})
        >>> int(objective.usable.sum())
        132
    """

    family: ClassVar[str] = "property"
    paper: ClassVar[str] = "Li et al., Nature Communications 2023 (KPGT); Burns et al., 2025 (CheMeleon)"
    targets: tuple[TargetSpec, ...] = (DESCRIPTOR_VALUES,)

    mean: Tensor
    scale: Tensor
    usable: Tensor

    def __init__(self, width: int, *, left_out: float = 0.15, kind: str = "all") -> None:
        """Create the head; statistics are set by :meth:`prepare` or by a saved state."""
        super().__init__(width)
        check_share("descriptors", "left_out", left_out)
        check_choice("objective 'descriptors'", "kind", kind, tuple(_KINDS))
        self.left_out, self.spec = left_out, _KINDS[kind]
        self.targets = (self.spec,)
        self.head = nn.Linear(width, self.spec.dim)
        self.register_buffer("mean", torch.zeros(self.spec.dim))
        self.register_buffer("scale", torch.ones(self.spec.dim))
        self.register_buffer("usable", torch.zeros(self.spec.dim, dtype=torch.bool))

    def prepare(self, columns: Mapping[str, Column]) -> None:
        """Compute the mean and standard deviation of every descriptor over the corpus.

        Args:
            columns: ``{"descriptors": n x 132}``, or ``{"fast_descriptors": n x 319}``; NaN and infinities count as
                missing.

        Raises:
            DataError: If the column is missing, or has no usable values.
        """
        values = torch.as_tensor(np.asarray(corpus_column(columns, self.spec), dtype=np.float64))
        present = values.isfinite()
        count = present.sum(0).clamp(min=1)
        mean = torch.where(present, values, 0).sum(0) / count
        spread = (torch.where(present, values - mean, 0).square().sum(0) / count).sqrt()
        usable = spread > 1e-6 * mean.abs().clamp(min=1e-6)
        if not usable.any():
            raise DataError(f"no descriptor varies over the {len(values)} molecules of the corpus; use more molecules.")
        self.mean.copy_(mean)
        self.scale.copy_(torch.where(usable, spread, 1))
        self.usable.copy_(usable)

    def draw(self, batch: GraphBatch, generator: torch.Generator) -> MaskedTargets:
        """Normalise the values and choose which to leave out."""
        if batch.device.type == "cpu" and not self.usable.any():
            raise ConfigError("objective 'descriptors' has no statistics: call prepare() or load a saved state first.")
        raw = column_of(batch, self.spec)
        values = (raw - self.mean) / self.scale
        kept = torch.rand(raw.shape, generator=generator, device=raw.device) >= self.left_out
        counts = kept & values.isfinite() & self.usable
        values = torch.where(counts, values, 0).clamp(-_CLAMP, _CLAMP)
        return MaskedTargets(batch, values, counts.to(values.dtype), draw_seed(generator))

    def loss(self, encoder: Encode, views: MaskedTargets) -> Tensor:
        """Mean squared error over the values that count."""
        error = self.head(encoder(views.graphs, seed=views.seed).graphs) - views.values
        total: Tensor = (error.square() * views.weights).sum()
        return total / views.weights.sum().clamp(min=1)
