"""Names that other packages of molweight use; not public: they change without notice."""

from molweight.options._encoder import AUTO, INITS, SHIPPED
from molweight.options._field import OLD_NAMES, current_names, option_names
from molweight.options._job import GROUPS
from molweight.options._pretraining import DEFAULT_OBJECTIVES

__all__ = ["AUTO", "DEFAULT_OBJECTIVES", "GROUPS", "INITS", "OLD_NAMES", "SHIPPED", "current_names", "option_names"]
