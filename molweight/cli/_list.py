"""``molweight list``: names that can be used."""

import sys
from collections.abc import Callable, Sequence
from typing import Final

from jsonargparse import Namespace

from molweight import datasets, encoders, objectives
from molweight.cli._parser import Parser
from molweight.errors import UnknownNameError
from molweight.mlo import solvers, weightings

__all__ = ["parser", "run"]

_KINDS: Final[dict[str, Callable[[], Sequence[str]]]] = {
    "objectives": objectives.available,
    "encoders": encoders.available,
    "weightings": weightings.available,
    "solvers": solvers.available,
    "datasets": datasets.available,
}


def parser() -> Parser:
    """Options of the command."""
    made = Parser(prog="molweight list", description="List what is available.", exit_on_error=True)
    made.add_argument("kind", nargs="?", default=None, help=f"one of {', '.join(_KINDS)}; all of them if left out")
    return made


def run(options: Namespace) -> None:
    """Print one name per line, or a paragraph per kind."""
    if options.kind is None:
        for kind, names in _KINDS.items():
            sys.stdout.write(f"{kind}: {', '.join(names())}\n")
        return
    if options.kind not in _KINDS:
        raise UnknownNameError("kind", options.kind, _KINDS)
    sys.stdout.write("".join(f"{_line(options.kind, name)}\n" for name in _KINDS[options.kind]()))


def _line(kind: str, name: str) -> str:
    if kind == "objectives":
        found = objectives.get(name)
        return f"{name:<22} {found.family:<12} {found.paper}"
    if kind == "datasets":
        table = datasets.TABLES[name]
        return f"{name:<14} {table.task:<15} {table.metric:<8}"
    return name
