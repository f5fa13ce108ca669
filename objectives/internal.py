"""Names that other packages of molweight use; not public: they change without notice."""

from molweight.objectives._base import FAMILIES
from molweight.objectives._source_pool import SourcePool

__all__ = ["FAMILIES", "SourcePool"]
