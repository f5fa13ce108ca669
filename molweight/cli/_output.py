"""Output of commands: messages to stderr, results to stdout as text or JSON."""

import json
import logging
import math
import sys
from typing import Any

from jsonargparse import Namespace

from molweight._streams import tell
from molweight.cli._parser import UNTRUSTED, Parser
from molweight.errors import printable

__all__ = ["add_output_options", "add_safe_csv_option", "begin", "result", "say", "show"]


def add_output_options(parser: Parser) -> None:
    """Add the options that control what is printed."""
    add = parser.section("Messages", ("quiet", "json")).add_argument
    add("--quiet", action="store_true", help="print only the result, no progress bars or messages")
    add("--json", action="store_true", help="print the result as one JSON object, for scripts")


def add_safe_csv_option(parser: Parser) -> None:
    """Add the option that prevents spreadsheets from running cells of CSV files."""
    add = parser.section(UNTRUSTED).add_argument
    add("--safe_csv", action="store_true", help="put ' before cells that a spreadsheet would execute")


def begin(options: Namespace) -> None:
    """Set the log level according to ``--quiet``."""
    logging.getLogger("molweight").setLevel(logging.WARNING if options.quiet else logging.INFO)


def say(options: Namespace, text: str) -> None:
    """Print a message to standard error, unless ``--quiet`` is set."""
    if not options.quiet:
        tell(f"{text}\n")


def result(options: Namespace, values: dict[str, Any], text: str) -> None:
    """Print the result as text or JSON; NaN and infinity are ``null`` in JSON."""
    show(json.dumps(_finite(values), indent=2) if options.json else text)


def show(text: str) -> None:
    """Print to standard output; control characters are escaped.

    Args:
        text: The text; a line break is added.
    """
    sys.stdout.write(f"{printable(text)}\n")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
