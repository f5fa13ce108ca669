"""``molweight report``: a run as one HTML page, or several runs side by side."""

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import Namespace

from molweight.cli._output import begin, result
from molweight.runs import load, report_runs

__all__ = ["run"]


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
    """The last components of the paths; the whole paths if two of these are the same."""
    short = [Path(folder).resolve().name for folder in folders]
    return short if len(set(short)) == len(short) else list(folders)
