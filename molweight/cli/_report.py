"""``molweight report``: a run as one page for people, or several side by side."""

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import Namespace

from molweight.cli._output import add_output_options, begin, result
from molweight.cli._parser import Parser
from molweight.runs import load, report_runs

__all__ = ["parser", "run"]


def parser() -> Parser:
    """Options of the command."""
    made = Parser(prog="molweight report", description="Write an HTML page that needs no network and no other file.")
    add = made.add_argument
    add("--config", action="config", help="YAML file with any of these options")
    add("runs", type=str, nargs="+", help="folders of runs: runs/NAME; several are put side by side")
    add("--output", type=str | None, default=None, help="where to; RUN/report.html, for several ./comparison.html")
    add("--device", type=str, default="auto", help="auto, cpu, cuda, cuda:1")
    add_output_options(made)
    return made


def run(options: Namespace) -> None:
    """Load, gather, write."""
    begin(options)
    loaded = [load(folder, options.device) for folder in options.runs]
    if len(loaded) == 1:
        path = loaded[0].report(options.output or Path(options.runs[0], "report.html"))
    else:
        path = report_runs(loaded, _names(options.runs), options.output or "comparison.html")
    result(options, {"report": str(path)}, f"written to {path}")


def _names(folders: Sequence[str]) -> list[str]:
    """The last parts of the paths; where two are the same, the paths."""
    short = [Path(folder).resolve().name for folder in folders]
    return short if len(set(short)) == len(short) else list(folders)
