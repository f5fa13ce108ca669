"""Modules of other people that register further names."""

import sys
from collections.abc import Sequence
from importlib import import_module

from molweight.cli._parser import Parser, names
from molweight.errors import ConfigError

__all__ = ["add_plugin_option", "import_plugins"]


def add_plugin_option(parser: Parser) -> None:
    """Add ``--plugin``."""
    parser.add_argument("--plugin", type=names, default=[], help="modules that register further names: a,b,c")


def import_plugins(modules: Sequence[str]) -> None:
    """Import modules, from the folder the command is run in too.

    Args:
        modules: Names of modules.

    Raises:
        ConfigError: If one cannot be imported.
    """
    for module in modules:
        _import_plugin(module)


def _import_plugin(module: str) -> None:
    sys.path.insert(0, "")  # the folder the command is run in, as for `python -m`
    try:
        import_module(module)
    except (ImportError, SyntaxError, ValueError) as error:
        raise ConfigError(f"--plugin {module!r} cannot be imported: {error}. Name an importable module.") from error
    finally:
        sys.path.remove("")
