"""Version of the interface of :mod:`molweight.mlo`, which is also that of its own distribution, ``molweight-mlo``."""

__all__ = ["__version__"]

__version__ = "0.1.0"
