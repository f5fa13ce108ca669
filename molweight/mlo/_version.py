"""Version of the interface of :mod:`molweight.mlo`, and of its separate distribution, ``molweight-mlo``."""

__all__ = ["__version__"]

__version__ = "0.1.0"
