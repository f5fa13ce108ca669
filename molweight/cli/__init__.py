"""The command line: ``molweight fit``, ``molweight list``."""

from molweight.cli._main import main

__all__ = ["main"]
