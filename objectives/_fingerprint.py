"""Fingerprint: predict the bits or the counts of a structural fingerprint."""

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from molweight.arguments import check_choice
from molweight.arrays import Uint8Array
from molweight.descriptors.internal import ecfp_bits, folded_counts, path_bits, unpack
from molweight.errors import OptionError
from molweight.graphs import GraphBatch, TargetSpec
from molweight.objectives._base import (
    Encode,
    Objective,
    column_of,
    draw_seed,
    known_rows,
    mean_of_known,
    register,
)
from molweight.objectives._functional_groups import LabelledGraphs

__all__ = ["Fingerprint", "fingerprint_spec"]

_Compute = Callable[..., Uint8Array]
_KINDS: dict[str, _Compute] = {
    "ecfp": ecfp_bits,
    "path": path_bits,
    "counts": folded_counts,
}


def fingerprint_spec(kind: str = "ecfp", bits: int = 512) -> TargetSpec:
    """The target of a fingerprint: its bits, packed eight to a byte, or its counts, a byte each.

    It is missing for molecules without any bit: those that were given up, and for paths those without a bond.

    Args:
        kind: ``"ecfp"`` (radius 2), ``"path"`` (up to 7 bonds) or ``"counts"`` (of ECFP).
        bits: Its length.

    Returns:
        A spec named after both.

    Raises:
        OptionError: If there is no such kind, or ``bits`` is below 1.

    Example:
        >>> fingerprint_spec("path", 512).name, fingerprint_spec().dim
        ('path_512', 64)
    """
    check_choice("objective 'fingerprint'", "kind", kind, tuple(_KINDS))
    if bits < 1:
        raise OptionError("bits", bits, "must be at least 1", owner="objective 'fingerprint'")
    width = bits if kind == "counts" else -(-bits // 8)
    compute = partial(_KINDS[kind], bits=bits)
    return TargetSpec(f"{kind}_{bits}", 1, dim=width, dtype="uint8", compute=compute, missing=0)


@register("fingerprint")
class Fingerprint(Objective):
    """Predict the bits of a molecule's fingerprint from its vector.

    Binary cross-entropy, averaged over molecules and bits; the head is linear. The fingerprint is ECFP4 (RDKit's Morgan
    generator with radius 2), or with ``kind="path"`` RDKit's path fingerprint of up to 7 bonds, KPGT's choice. With
    ``kind="counts"`` the loss is the mean squared error of ``log(1 + count)`` of each ECFP4 substructure.
    Molecules without a fingerprint, or with an empty one, do not count.

    Source: Li et al., *A knowledge-guided pre-training framework for improving molecular representation learning*
    (KPGT), Nature Communications 2023.

    Args:
        width: Size of the encoder's vectors.
        kind: ``"ecfp"``, ``"path"`` or ``"counts"``.
        bits: Length of the fingerprint.

    Raises:
        ConfigError: If an option is out of range.

    Example:
        >>> Fingerprint(width=8).head.out_features, Fingerprint(width=8, kind="path").targets[0].name
        (512, 'path_512')
    """

    family: ClassVar[str] = "property"
    paper: ClassVar[str] = "Li et al., Nature Communications 2023 (KPGT)"
    targets: tuple[TargetSpec, ...] = (fingerprint_spec(),)

    def __init__(self, width: int, *, kind: str = "ecfp", bits: int = 512) -> None:
        """Create the head."""
        super().__init__(width)
        self.bits, self.counts = bits, kind == "counts"
        self.targets = (fingerprint_spec(kind, bits),)
        self.head = nn.Linear(width, bits)

    def draw(self, batch: GraphBatch, generator: torch.Generator) -> LabelledGraphs:
        """Unpack the bits, or take the logarithm of the counts; only the dropout seed is random."""
        column = column_of(batch, self.targets[0])
        stored = column.nan_to_num().to(torch.uint8)
        bits = stored.float().log1p() if self.counts else unpack(stored, self.bits)
        return LabelledGraphs(batch, bits.to(self.head.weight.dtype), known_rows(column), draw_seed(generator))

    def loss(self, encoder: Encode, views: LabelledGraphs) -> Tensor:
        """Binary cross-entropy of the bits, or squared error of the counts' logarithms."""
        guesses = self.head(encoder(views.graphs, seed=views.seed).graphs)
        loss = functional.mse_loss if self.counts else functional.binary_cross_entropy_with_logits
        return mean_of_known(loss(guesses, views.labels, reduction="none"), views.known)
