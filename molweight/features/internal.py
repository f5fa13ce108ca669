"""Names that other packages of molweight use; not public: they change without notice."""

from molweight.features._feature_set import COLUMN_PREFIX, check_features, feature_columns
from molweight.features._sets import DESCRIPTORS, ECFP_COUNTS, FAST, GROUP_COUNTS, MACCS, MINIMOL

__all__ = [
    "COLUMN_PREFIX",
    "DESCRIPTORS",
    "ECFP_COUNTS",
    "FAST",
    "GROUP_COUNTS",
    "MACCS",
    "MINIMOL",
    "check_features",
    "feature_columns",
]
