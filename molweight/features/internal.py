"""Names that other packages of molweight use; not public: they change without notice."""

from molweight.features._matrix import (
    COLUMN_PREFIX,
    check_features,
    feature_columns,
    feature_values,
    is_sparse,
)
from molweight.features._sets import DESCRIPTORS, ECFP_COUNTS, FAST, GROUP_COUNTS, MACCS, MINIMOL
from molweight.features._standardiser_state import SCALE_MEDIAN, scale_from_state, scale_state

__all__ = [
    "COLUMN_PREFIX",
    "DESCRIPTORS",
    "ECFP_COUNTS",
    "FAST",
    "GROUP_COUNTS",
    "MACCS",
    "MINIMOL",
    "SCALE_MEDIAN",
    "check_features",
    "feature_columns",
    "feature_values",
    "is_sparse",
    "scale_from_state",
    "scale_state",
]
