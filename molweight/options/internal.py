"""Names that other packages of molweight use; not public: they change without notice."""

from molweight.options._encoder import AUTO, INITS, OWN_ENCODER, SHIPPED
from molweight.options._field import OLD_NAMES, current_names, list_options, option_names
from molweight.options._job import GROUPS

__all__ = [
    "AUTO",
    "GROUPS",
    "INITS",
    "OLD_NAMES",
    "OWN_ENCODER",
    "SHIPPED",
    "current_names",
    "list_options",
    "option_names",
]
