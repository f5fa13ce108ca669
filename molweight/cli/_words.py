"""Messages in the words of the command line."""

import re
import shlex
from collections.abc import Collection
from typing import Final

__all__ = ["as_typed"]

_ASSIGNMENT: Final = re.compile(
    r"""(?<![\w.'"/-])([a-z_]+)=('[^']*'|\[[^\]]*\]|\{[^}]*\}|\.\.\.|-?\w[\w.+-]*\b)""", re.ASCII
)
_CALLED: Final = {"method": "split", "options": "split_options"}
"""Arguments of the library whose option has another name."""
_ANY: Final = {"...": "NAME", "[...]": "a,b"}


def as_typed(message: str, options: Collection[str]) -> str:
    """A message of the library with arguments written as options: ``--split random`` for ``method='random'``.

    Args:
        message: The message.
        options: Names of the command's options; what is none of them stays as it is.

    Example:
        >>> as_typed("batch_size=0 is too small. Use method='random', or norm='batch'.", {"batch_size", "split"})
        "--batch_size 0 is too small. Use --split random, or norm='batch'."
        >>> as_typed("Name the columns (smiles=..., targets=[...]); column 'a=b' is none.", {"smiles", "targets", "a"})
        "Name the columns (--smiles NAME, --targets a,b); column 'a=b' is none."
        >>> as_typed("the usual scale: targets=['p(Ki (nM))']", {"targets"})
        "the usual scale: --targets 'p(Ki (nM))'"
    """

    def option(match: re.Match[str]) -> str:
        name, value = match.groups()
        name = name if name in options else _CALLED.get(name, name)
        return f"--{name} {_ANY.get(value) or _quoted(value)}" if name in options else match[0]

    return _ASSIGNMENT.sub(option, message)


def _quoted(value: str) -> str:
    """A value of Python as it is typed in a shell."""
    items = [part.strip().strip("'") for part in value.strip("[]").split(",")] if value.startswith("[") else [value]
    return shlex.quote(",".join(items)) if value.startswith("[") else shlex.quote(value.strip("'"))
