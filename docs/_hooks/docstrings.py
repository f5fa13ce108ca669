"""Docstrings are read in an editor as well: what is written for that becomes Markdown before the reference is built."""

import re
from typing import Any, Final

from griffe import Extension, Object

_ROLE: Final = re.compile(r":(?:class|func|meth|data|attr|mod):`~?([\w.]+)`")
_TABLE: Final = re.compile(r"^(=+(?: =+)+\n.*?\n=+(?: =+)+\n(?:.*?\n=+(?: =+)+(?:\n|$))?)", re.MULTILINE | re.DOTALL)
_LITERAL: Final = re.compile(r"^::\n\n", re.MULTILINE)
_DOCTEST: Final = re.compile(r"^(?P<indent> *)>>> .*(?:\n(?P=indent)\S.*|\n(?P=indent) +\S.*)*", re.MULTILINE)


class Docstrings(Extension):
    """Turns roles into links, tables and examples into blocks."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite the docstring of each object that is found in the sources."""
        if obj.name == "__init__" and obj.is_function:  # the class says what is to be known; its signature is shown
            obj.docstring = None
        if obj.docstring is not None:
            obj.docstring.value = _as_markdown(obj.docstring.value)


def _as_markdown(text: str) -> str:
    text = _LITERAL.sub("", _TABLE.sub(r"```text\n\1```\n", text))
    text = _DOCTEST.sub(r"\g<indent>```pycon\n\g<0>\n\g<indent>```", text)
    return _ROLE.sub(_link, text)


def _link(match: re.Match[str]) -> str:
    """A link to a name of the package, and code otherwise: what it is relative to is not known here."""
    name = match[1]
    if not name.startswith("molweight."):
        return f"`{name}`"
    return f'<autoref optional identifier="{name}"><code>{name}</code></autoref>'
