"""Help in plain words."""

import re
from argparse import Action
from typing import Final

from jsonargparse import DefaultHelpFormatter

__all__ = ["Formatter", "plain"]

_MARKUP: Final = (
    (re.compile(r":[a-z]+:`~?([^`]*)`"), r"\1"),  # a reference: :class:`molweight.TapWeight`
    (re.compile(r"``([^`]*)``"), r"\1"),
)
_FUNCTION: Final = re.compile(r"<function [^>]*>")
"""How jsonargparse shows the type of an option that a function reads; here, those are the ones that take lists."""


class Formatter(DefaultHelpFormatter):
    """Help without the markup of the docstrings that some of it is taken from."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """A description with lines of its own is kept as it is written."""
        return text if "\n" in text else super()._fill_text(text, width, indent)

    def _expand_help(self, action: Action) -> str:
        return _FUNCTION.sub("list a,b,c", plain(super()._expand_help(action)))


def plain(text: str) -> str:
    """Words of a docstring without its markup.

    Args:
        text: The words.

    Example:
        >>> plain("``'auto'``, see :class:`molweight.mlo.Loop`")
        "'auto', see molweight.mlo.Loop"
    """
    for pattern, words in _MARKUP:
        text = pattern.sub(words, text)
    return text
