"""Names that other packages of molweight use; not public: they change without notice."""

from molweight.encoders._base import one_mask_for_all_rows
from molweight.encoders._embedding import merge_handedness
from molweight.encoders._recalibrate_norm import calibrate
from molweight.encoders._sums import segment_sizes, segment_sum

__all__ = ["calibrate", "merge_handedness", "one_mask_for_all_rows", "segment_sizes", "segment_sum"]
