"""Help in plain words."""

import re
from argparse import Action
from typing import Final

from jsonargparse import DefaultHelpFormatter

__all__ = ["Formatter", "plain"]

_MARKUP: Final = (
    (re.compile(r":[a-z]+:`~?([^`]*)`"), r"\1"),  # a reference: :class:`molweight.Job`
    (re.compile(r"``([^`]*)``"), r"\1"),
)
_FUNCTION: Final = re.compile(r"<function [^>]*>")
"""How jsonargparse shows the type of an option that is parsed by a function; here, the options that take lists."""


class Formatter(DefaultHelpFormatter):
    """Help formatter that removes the markup of docstrings."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Keep the line breaks of a description."""
        return text if "\n" in text else super()._fill_text(text, width, indent)

    def _expand_help(self, action: Action) -> str:
        return _FUNCTION.sub("list a,b,c", plain(super()._expand_help(action)))


def plain(text: str) -> str:
    """Text of a docstring without its markup.

    Args:
        text: The text.

    Example:
        >>> plain("``'auto'``, see :class:`molweight.mlo.Loop`")
        "'auto', see molweight.mlo.Loop"
    """
    for pattern, words in _MARKUP:
        text = pattern.sub(words, text)
    return text
