"""The version, in one place: packaging, the command line, files and citations read it from here."""

__all__ = ["__version__"]

__version__ = "0.1.0"
