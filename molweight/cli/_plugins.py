"""The option that names modules of other people."""

from molweight.cli._parser import Parser, names

__all__ = ["add_plugin_option"]


def add_plugin_option(parser: Parser) -> None:
    """Add ``--plugin``."""
    parser.add_argument("--plugin", type=names, default=[], help="modules that register further names: a,b,c")
