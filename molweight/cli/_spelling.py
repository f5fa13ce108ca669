"""Options in messages, spelled as on the command line."""

import ast
import json
import re
import shlex
from collections.abc import Callable, Collection
from typing import Final

from molweight.cli._parser import as_names
from molweight.errors import as_argument

__all__ = ["as_typed"]

_CALLED: Final = {"method": "split", "options": "split_options", "size": "corpus_size"}
"""Arguments of the library whose command-line option has another name."""
_LIKE_AN_OPTION: Final = re.compile(r"'?-\D")


def as_typed(options: Collection[str]) -> Callable[[str, str], str]:
    """A function that writes an option in a message: ``--split random`` for ``method='random'``.

    Args:
        options: Names of the command's options; other names are written as Python arguments.

    Example:
        >>> from molweight.errors import Message, mention
        >>> typed = as_typed(["batch_size", "encoder_options", "split", "targets"])
        >>> print(Message(f"{mention('method', 'random')}, {mention('targets', ['a', 'p(Ki (nM))'])}").written(typed))
        --split random, --targets 'a,p(Ki (nM))'
        >>> print(Message(mention("targets", ["Ki, human", "b"])).written(typed))
        --targets '"Ki, human",b'
        >>> print(Message(f"{mention('encoder_options.norm', 'x')}; {mention('targets', [...])}").written(typed))
        --encoder_options.norm x; --targets a,b
        >>> print(Message(mention("seed", 3)).written(typed))
        seed=3
        >>> print(Message(f"{mention('targets', ['-logS'])}, {mention('split', None)}").written(typed))
        --targets=-logS, --split null
    """

    def write(name: str, value: str) -> str:
        option, dot, part = name.partition(".")
        option = option if option in options else _CALLED.get(option, "")
        if option not in options:
            return as_argument(name, value)
        typed = _typed(value)
        return f"--{option}{dot}{part}{'=' if _LIKE_AN_OPTION.match(typed) else ' '}{typed}"

    return write


def _typed(text: str) -> str:
    """A Python value as typed in a shell."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):  # an option's value may be any object
        return shlex.quote(text)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if value is ... or value == [...]:
        return "NAME" if value is ... else "a,b"
    return shlex.quote(as_names(map(str, value)) if isinstance(value, list | tuple) else str(value))
