"""The error of a file that can be read, but contains no molecules."""

from molweight.errors import DataError

__all__ = ["NoMoleculesError"]


class NoMoleculesError(DataError):
    """A file without a molecule: a named one is refused, one that was found by scanning a folder is left out."""
