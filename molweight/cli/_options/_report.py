"""Options of ``molweight report``."""

from molweight.cli._output import add_output_options
from molweight.cli._parser import Parser

__all__ = ["parser"]


def parser() -> Parser:
    """Options of the command."""
    made = Parser(
        example="molweight report runs/my runs/other --output comparison.html",
        prog="molweight report",
        description="Write an HTML page that needs no network and no other file.",
    )
    add = made.add_argument
    add("--config", action="config", help="YAML file with any of these options")
    add("runs", type=str, nargs="+", help="folders of runs: runs/NAME; several are compared side by side")
    add(
        "--output",
        type=str | None,
        default=None,
        help="file to write; by default RUN/report.html, or ./comparison.html for several runs",
    )
    add("--device", type=str, default="auto", help="auto, cpu, cuda, cuda:1")
    add_output_options(made)
    return made
