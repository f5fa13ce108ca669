"""Names that other packages of molweight use; not public: they change without notice."""

from molweight.objectives._base import FAMILIES
from molweight.objectives._descriptors import FAST_VALUES
from molweight.objectives._rdkit_fast_descriptors import CHEAP_DESCRIPTORS, FAST_DESCRIPTORS, cheap_descriptors
from molweight.objectives._rdkit_groups import parse as parse_smiles
from molweight.objectives._source_pool import SourcePool

__all__ = [
    "CHEAP_DESCRIPTORS",
    "FAMILIES",
    "FAST_DESCRIPTORS",
    "FAST_VALUES",
    "SourcePool",
    "cheap_descriptors",
    "parse_smiles",
]
