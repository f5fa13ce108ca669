"""What other packages of molweight use of this one; not public: names change here without notice."""

from molweight.encoders._embedding import merge_handedness
from molweight.encoders._recalibrate_norm import calibrate

__all__ = ["calibrate", "merge_handedness"]
