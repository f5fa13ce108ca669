"""Options of ``molweight benchmark``."""

import os

from molweight.cli._output import add_safe_csv_option
from molweight.cli._parser import Parser

__all__ = ["parser"]


def parser() -> Parser:
    """Options of the command."""
    made = Parser(
        prog="molweight benchmark",
        description="Run tables x methods x seeds; what is finished is kept; a run that fails is a row that says why.",
    )
    add = made.add_argument
    add("study", type=str, help="YAML file: tables, methods, seeds, and options that all runs share")
    add("--output", type=str | None, default=None, help="folder of the results; runs/NAME of the file by default")
    add("--workers", type=int, default=os.cpu_count() or 1, help="processes, each with one thread")
    add("--executor", type=str, default="processes", help="processes, or ray (pip install 'molweight[scale]')")
    add("--address", type=str | None, default=None, help="of a Ray cluster that is running; started here by default")
    add_safe_csv_option(made)
    add("--quiet", action="store_true", help="no progress bar, no messages but the page")
    return made
