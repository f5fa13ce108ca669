"""The options that name plug-in modules, and allow a file to name them."""

from molweight.cli._parser import UNTRUSTED, Parser, names

__all__ = ["TRUST", "add_plugin_option"]

TRUST = "--trust"
"""Counts only on the command line: a file cannot declare itself trusted."""


def add_plugin_option(parser: Parser) -> None:
    """Add ``--plugin`` and ``--trust``."""
    add = parser.section(UNTRUSTED).add_argument
    add("--plugin", type=names, default=[], help="modules that register further names: a,b,c")
    add(TRUST, action="store_true", help="import the modules that an options file or a run names")
