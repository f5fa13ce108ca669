"""A parser whose refusals are one paragraph, with the nearest names."""

import re
from collections.abc import Iterable
from typing import Any, NoReturn

from jsonargparse import ArgumentParser

from molweight.errors import ConfigError, suggest

__all__ = ["Parser", "names"]


class Parser(ArgumentParser):
    """jsonargparse's parser, raising :class:`ConfigError` where it would print the usage and exit."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Say what was wrong in one paragraph; an unknown option is answered with the nearest ones."""
        found = re.search(r"[Uu]nrecognized arguments?:\s*(--?[^\s=]+)", message)
        if found:
            option = found.group(1)
            clause = suggest(option.lstrip("-"), self.option_names())
            raise ConfigError(f"unknown option {option};{clause} See '{self.prog} --help'.") from ex
        raise ConfigError(f"{_one_paragraph(message)} See '{self.prog} --help'.") from ex

    def option_names(self) -> list[str]:
        """Names of all options, without the dashes."""
        return [name.lstrip("-") for action in self._actions for name in action.option_strings]


def _one_paragraph(message: str) -> str:
    text = re.sub(r"\s+", " ", message).strip()
    return text if text.endswith(".") else f"{text}."


def names(value: Any) -> list[str]:
    """A list of names as typed on the command line, ``a,b,c``, or as it stands in a YAML file.

    Args:
        value: Text with commas, or a list.

    Raises:
        ValueError: If it is neither.

    Example:
        >>> names("a, b"), names(["a", "b"]), names("")
        (['a', 'b'], ['a', 'b'], [])
    """
    if isinstance(value, str):
        return [part.strip() for part in value.strip("[]").split(",") if part.strip()]
    if isinstance(value, Iterable) and all(isinstance(part, str) for part in value):
        return list(value)
    raise ValueError(f"names separated by commas are needed, got {value!r}")
