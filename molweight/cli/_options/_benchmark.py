"""Options of ``molweight benchmark``."""

import os

from molweight.cli._output import add_safe_csv_option
from molweight.cli._parser import Parser

__all__ = ["parser"]


def parser() -> Parser:
    """Options of the command."""
    made = Parser(
        prog="molweight benchmark",
        example="molweight benchmark study.yaml --workers 2",
        description="Run tables x methods x seeds. Finished runs are kept; a failed run is recorded with its reason.",
    )
    add = made.add_argument
    add("study", type=str, help="YAML file: tables, methods, seeds, and options that all runs share")
    add(
        "--output",
        type=str | None,
        default=None,
        help="folder for the results; by default runs/ and the name of the file",
    )
    add("--workers", type=int, default=os.cpu_count() or 1, help="number of processes, each with one thread")
    add("--executor", type=str, default="processes", help="processes, or ray (pip install 'molweight[scale]')")
    add(
        "--address",
        type=str | None,
        default=None,
        help="address of a running Ray cluster; by default, one is started here",
    )
    add_safe_csv_option(made)
    add("--quiet", action="store_true", help="print only the page, no progress bar or messages")
    return made
