"""``molweight report``: a run as one page for people."""

from pathlib import Path

from jsonargparse import Namespace

from molweight.cli._output import add_output_options, begin, result
from molweight.cli._parser import Parser
from molweight.training import load

__all__ = ["parser", "run"]


def parser() -> Parser:
    """Options of the command."""
    made = Parser(prog="molweight report", description="Write an HTML page that needs no network and no other file.")
    add = made.add_argument
    add("--config", action="config", help="YAML file with any of these options")
    add("run", type=str, help="folder of a run: runs/NAME")
    add("--output", type=str | None, default=None, help="where to; report.html in the folder of the run if left out")
    add("--device", type=str, default="auto", help="auto, cpu, cuda, cuda:1")
    add_output_options(made)
    return made


def run(options: Namespace) -> None:
    """Load, gather, write."""
    begin(options)
    path = load(options.run, options.device).report(options.output or Path(options.run, "report.html"))
    result(options, {"report": str(path)}, f"written to {path}")
