"""A parser whose refusals are one paragraph, with the nearest names."""

import re
from argparse import SUPPRESS
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from jsonargparse import ArgumentParser, Namespace

from molweight.errors import ConfigError, suggest

__all__ = ["Parser", "names"]


class Parser(ArgumentParser):
    """jsonargparse's parser, raising :class:`ConfigError` where it would print the usage and exit.

    Options are written out: an abbreviation is an unknown option, which is answered with the nearest names.
    """

    def __init__(self, *names: Any, **options: Any) -> None:
        """Create it; the arguments are those of jsonargparse."""
        super().__init__(*names, **{"allow_abbrev": False, **options})

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Say what was wrong in one paragraph; an unknown option is answered with the nearest ones."""
        found = re.search(r"[Uu]nrecognized arguments?:\s*(--?[^\s=]+)", message)
        if found:
            option = found.group(1)
            clause = suggest(option.lstrip("-"), self.option_names())
            raise ConfigError(f"unknown option {option};{clause} See '{self.prog} --help'.") from ex
        raise ConfigError(f"{_one_paragraph(message)} See '{self.prog} --help'.") from ex

    def parse_args(  # type: ignore[override]  # jsonargparse's own signature, which has none of argparse's overloads
        self,
        args: Sequence[str] | None = None,
        namespace: Namespace | None = None,
        env: bool | None = None,
        defaults: bool = True,
        **options: Any,
    ) -> Namespace:
        """Parse; a positional argument that may be left out and was is ``None``, unless a file gives it.

        Args:
            args: The arguments.
            namespace: What to add to.
            env: Whether to read the environment.
            defaults: Whether to fill in the defaults.
            **options: As of jsonargparse.
        """
        try:
            found = super().parse_args(args, namespace, env, defaults, **options)
        except (AttributeError, IndexError) as error:  # jsonargparse's own, e.g. of --config=--
            self.error(f"the options cannot be read ({error}).", error)
        if defaults:
            for action in self._actions:
                if action.default == SUPPRESS and action.nargs == "?" and action.dest not in found:
                    found[action.dest] = None
        return found

    def sized(
        self, arguments: Sequence[str], defaults: Callable[[Mapping[str, Any], Collection[str]], Mapping[str, Any]]
    ) -> None:
        """Set defaults that depend on the options that are given, for a command with the option ``preset``.

        Args:
            arguments: What was typed.
            defaults: From the given options, on the command line or in a file, and the known ones to defaults.
        """
        known = {action.dest for action in self._actions}
        if "preset" not in known:
            return
        shown = ("-h", "--help", "--print_config")
        plain = [argument for argument in arguments if not argument.startswith(shown)]
        given = self.parse_args(plain, defaults=False).as_dict()
        self.set_defaults({name: value for name, value in defaults(given, known).items() if name in known})

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
