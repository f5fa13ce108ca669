"""Options of ``molweight list``."""

from typing import Final

from molweight.cli._parser import Parser
from molweight.errors import UnknownNameError

__all__ = ["KINDS", "parser"]

KINDS: Final = ("objectives", "encoders", "weightings", "solvers", "checkpoints", "datasets")
"""Kinds of names that can be listed."""


def parser() -> Parser:
    """Options of the command."""
    made = Parser(
        example="molweight list objectives",
        prog="molweight list",
        description="List the available names.",
        exit_on_error=True,
    )
    made.add_argument("kind", nargs="?", default=None, type=_kind, help=f"one of {', '.join(KINDS)}; all by default")
    return made


def _kind(text: str | None) -> str | None:
    """Check the kind of names; as nothing has been imported yet, a typo is reported immediately.

    Raises:
        UnknownNameError: If there is no such kind.
    """
    if text is not None and text not in KINDS:
        raise UnknownNameError("kind", text, KINDS)
    return text
