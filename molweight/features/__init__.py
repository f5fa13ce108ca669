"""Molecule-level features: numbers that a model reads next to the vector of a molecule's graph.

Feature sets are found by name (``descriptors``, ``fast_descriptors``, ``functional_groups``, ``ecfp_counts``,
``fcfp_counts``, ``torsion_counts``, ``maccs``, ``minimol``, and those of plugins); a column of the user's table is
written ``column:NAME``. :func:`feature_matrix` computes them in parallel and caches them next to the dataset;
:class:`Standardiser` puts them into units that a network can read.
"""

from typing import TYPE_CHECKING

from molweight.deprecation import moved_names
from molweight.features import _sets  # noqa: F401 - they register themselves
from molweight.features._feature_set import FeatureSet, available, get, register
from molweight.features._matrix import feature_matrix, feature_names
from molweight.features._standardiser import Standardiser

__all__ = [
    "FeatureSet",
    "Standardiser",
    "available",
    "feature_matrix",
    "feature_names",
    "get",
    "register",
]

if not TYPE_CHECKING:  # so that type checkers report names that have moved
    __getattr__ = moved_names(__name__, "internal")
