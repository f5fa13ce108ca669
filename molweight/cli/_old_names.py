"""Options under their former names, on the command line and in files of ``--config``."""

from collections.abc import Sequence
from typing import Any, Final

import yaml

from molweight._streams import tell
from molweight._yaml import load_yaml, read_options
from molweight.errors import ConfigError
from molweight.options.internal import OLD_NAMES

__all__ = ["with_current_names"]

_CONFIG: Final = "--config"


def with_current_names(arguments: Sequence[str]) -> list[str]:
    """Arguments with the current names of options; former names are reported on standard error.

    Args:
        arguments: The arguments as typed.

    Example:
        >>> with_current_names(["--seed", "1", "--init=scratch"])
        ['--seed', '1', '--init=scratch']
    """
    renamed = [_renamed(argument) for argument in arguments]
    for at, argument in enumerate(renamed):
        flag, equals, value = argument.partition("=")
        if flag == _CONFIG and equals:
            renamed[at] = f"{_CONFIG}={_renamed_file(value)}"
        elif flag == _CONFIG and at + 1 < len(renamed):
            renamed[at + 1] = _renamed_file(renamed[at + 1])
    return renamed


def _renamed(argument: str) -> str:
    flag, equals, value = argument.partition("=")
    name, dot, part = flag.removeprefix("--").partition(".")
    if not flag.startswith("--") or name not in OLD_NAMES:
        return argument
    _point_out(f"--{name}", f"--{OLD_NAMES[name]}")
    return f"--{OLD_NAMES[name]}{dot}{part}{equals}{value}"


def _renamed_file(path: str) -> str:
    """The path, or the content with current names if the file uses old ones; an unreadable path is reported later."""
    try:
        content: Any = load_yaml(read_options(path), path)
    except OSError:
        return path
    if not isinstance(content, dict) or not OLD_NAMES.keys() & content.keys():
        return path
    for name in OLD_NAMES.keys() & content.keys():
        if OLD_NAMES[name] in content:
            raise ConfigError(f"{path}: {name} is the old name of {OLD_NAMES[name]}, and the file has both. Keep one.")
        _point_out(f"{path}: {name}", OLD_NAMES[name])
    return yaml.safe_dump({OLD_NAMES.get(name, name): value for name, value in content.items()}, sort_keys=False)


def _point_out(old: str, new: str) -> None:
    tell(f"molweight: {old} is now called {new}; the old name will be removed in the next version.\n")
