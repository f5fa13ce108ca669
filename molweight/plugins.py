"""Modules of other people that register further names."""

import sys
from collections.abc import Sequence
from importlib import import_module

from molweight.errors import ConfigError

__all__ = ["import_plugins"]


def import_plugins(modules: Sequence[str], option: str = "--plugin") -> None:
    """Import modules, from the folder the command is run in too.

    Args:
        modules: Names of modules.
        option: Where they were named, for the message.

    Raises:
        ConfigError: If one cannot be imported.
    """
    for module in modules:
        _import_plugin(module, option)


def _import_plugin(module: str, option: str) -> None:
    sys.path.insert(0, "")  # the folder the command is run in, as for `python -m`
    try:
        import_module(module)
    except (ImportError, SyntaxError, ValueError) as error:
        raise ConfigError(f"{option} {module!r} cannot be imported: {error}. Name an importable module.") from error
    finally:
        sys.path.remove("")
