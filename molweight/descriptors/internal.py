"""Names that other packages of molweight use; not public: they change without notice."""

from molweight.descriptors._parse import parse_smiles
from molweight.descriptors._rdkit_counts import (
    COUNTS,
    MACCS_KEYS,
    TORSIONS,
    ecfp_counts,
    fcfp_counts,
    maccs_keys,
    torsion_counts,
)
from molweight.descriptors._rdkit_descriptors import DESCRIPTORS, compute_descriptors
from molweight.descriptors._rdkit_fast_descriptors import CHEAP_DESCRIPTORS, FAST_DESCRIPTORS, cheap_descriptors
from molweight.descriptors._rdkit_fingerprints import (
    MACCS_BITS,
    ecfp_bits,
    folded_counts,
    maccs_bits,
    path_bits,
    unpack,
)
from molweight.descriptors._rdkit_groups import GROUPS
from molweight.descriptors._targets import FAST_VALUES, FUNCTIONAL_GROUPS

__all__ = [
    "CHEAP_DESCRIPTORS",
    "COUNTS",
    "DESCRIPTORS",
    "FAST_DESCRIPTORS",
    "FAST_VALUES",
    "FUNCTIONAL_GROUPS",
    "GROUPS",
    "MACCS_BITS",
    "MACCS_KEYS",
    "TORSIONS",
    "cheap_descriptors",
    "compute_descriptors",
    "ecfp_bits",
    "ecfp_counts",
    "fcfp_counts",
    "folded_counts",
    "maccs_bits",
    "maccs_keys",
    "parse_smiles",
    "path_bits",
    "torsion_counts",
    "unpack",
]
