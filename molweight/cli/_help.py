"""Help in plain words."""

import re
import sys
from argparse import SUPPRESS, Action
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NoReturn

from jsonargparse import DefaultHelpFormatter

__all__ = ["Formatter", "HelpAll", "plain", "rare_options", "short_usage", "with_example"]

_MANY: Final = 20
"""Number of options above which help lists only the common ones."""
_SHOWN: Final = ("help", "help_all")
_PRINT_CONFIG: Final = "--print_config"

_MARKUP: Final = (
    (re.compile(r":[a-z]+:`~?([^`]*)`"), r"\1"),  # a reference: :class:`molweight.Job`
    (re.compile(r"``([^`]*)``"), r"\1"),
)
_FUNCTION: Final = re.compile(r"<function [^>]*>")
"""How jsonargparse shows the type of an option that is parsed by a function; here, the options that take lists."""


_CHOICES: Final = (re.compile(r"Literal\[([^\]]*)\]"), re.compile(r"Union\[([^\]]*)\]"))
"""Types with several choices, the inner ones first."""


class Formatter(DefaultHelpFormatter):
    """Help formatter that removes the markup of docstrings."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Keep the line breaks of a paragraph that has any: examples."""
        fill = super()._fill_text
        return "\n\n".join(part if "\n" in part else fill(part, width, indent) for part in text.split("\n\n"))

    def _format_action_invocation(self, action: Action) -> str:
        """The option without jsonargparse's flags of ``--print_config``, which change how a file looks."""
        return _PRINT_CONFIG if _prints(action) else super()._format_action_invocation(action)

    def _expand_help(self, action: Action) -> str:
        if _prints(action):
            return "print all options as a file for --config and exit"
        text = _FUNCTION.sub("list a,b,c", plain(super()._expand_help(action)))
        for pattern in _CHOICES:
            text = pattern.sub(lambda found: found[1].replace("'", "").replace(", ", " | "), text)
        return text


class HelpAll(Action):
    """``--help_all``."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        """Take no value."""
        super().__init__(option_strings, dest, nargs=0, default=SUPPRESS, help=options["help"])

    def __call__(self, parser: Any, *arguments: object) -> NoReturn:  # noqa: ARG002 - as argparse calls it
        """Print and exit."""
        sys.stdout.write(parser.format_all())
        raise SystemExit(0)


def _prints(action: Action) -> bool:
    return _PRINT_CONFIG in action.option_strings


def with_example(description: str, example: str) -> str:
    """A description followed by example command lines.

    Example:
        >>> print(with_example("List names.", "molweight list solvers"))
        List names.
        <BLANKLINE>
        example:
          molweight list solvers
    """
    lines = example.splitlines()
    return "\n  ".join([f"{description}\n\nexample{'s' * (len(lines) > 1)}:", *lines])


def short_usage(prog: str, actions: Iterable[Action]) -> str:
    """The usage in one line: the positional arguments, and that there are options."""
    forms = {"?": "[{0}]", "*": "[{0} ...]", "+": "{0} [{0} ...]"}
    positional = [action for action in actions if not action.option_strings]
    words = [forms.get(str(action.nargs), "{0}").format(action.dest.upper()) for action in positional]
    return " ".join([prog, *words, "[options]"])


def rare_options(actions: Iterable[Action], sections: Mapping[Any, Collection[str]]) -> list[Action]:
    """The options that ``--help`` leaves to ``--help_all``; none if there are few options.

    Args:
        actions: All arguments.
        sections: Names of the common options, by section.
    """
    listed = [action for action in actions if action.help != SUPPRESS and action.option_strings]
    if len(listed) <= _MANY:
        return [action for action in listed if action.dest == "help_all"]
    common = {name for names in sections.values() for name in names}
    in_section = [item for item in listed if vars(item).get("container") in sections]
    rare = [*filter(_prints, listed), *(item for item in in_section if item.dest not in common)]
    return [item for item in rare if item.dest not in _SHOWN]


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
