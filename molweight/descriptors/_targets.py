"""The values that both an objective and a feature set use: computed and cached once for both."""

from typing import Final

from molweight.descriptors._rdkit_fast_descriptors import FAST_DESCRIPTORS, fast_descriptors
from molweight.descriptors._rdkit_groups import GROUPS, count_groups
from molweight.graphs import TargetSpec

__all__ = ["FAST_VALUES", "FUNCTIONAL_GROUPS"]

FAST_VALUES: Final = TargetSpec(
    "fast_descriptors", version=3, dim=len(FAST_DESCRIPTORS), dtype="float32", compute=fast_descriptors
)
"""A set that takes a third of the time, with Molecular Quantum Numbers and autocorrelations."""

FUNCTIONAL_GROUPS: Final = TargetSpec(
    "functional_groups", version=2, dim=len(GROUPS), dtype="uint8", compute=count_groups, missing=255
)
"""Counts of RDKit's ``fr_*`` groups, at most 255 of each."""
