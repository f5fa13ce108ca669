"""What other packages of molweight use of this one; not public: names change here without notice."""

from molweight.objectives._base import FAMILIES
from molweight.objectives._source_pool import SourcePool

__all__ = [
    "FAMILIES",
    "SourcePool",
]
