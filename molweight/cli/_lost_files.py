"""Files that an output would replace although they are needed: those a command reads, and those of a run."""

from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Final

from molweight.errors import DataError, OptionError

__all__ = ["refuse_lost_files"]

_REMADE: Final = "report.html"
"""The file of a run that a command writes again."""


def refuse_lost_files(options: Mapping[str, Any]) -> None:
    """Refuse an ``output`` that is a file the command reads, or a file of a run or checkpoint.

    Args:
        options: Those of the command.

    Raises:
        OptionError: If it is one.
    """
    output = options.get("output")
    if not isinstance(output, str) or not Path(output).is_file():
        return
    others = (text for name, value in options.items() if name != "output" for text in _texts(value))
    if any(Path(text).is_file() and Path(text).samefile(output) for text in others):
        raise OptionError("output", output, "is a file that the command reads, and it would be replaced", _REMEDY)
    if Path(output).name in _kept(Path(output).resolve().parent):
        raise OptionError("output", output, "is a file of a run or checkpoint, and it would be replaced", _REMEDY)


_REMEDY: Final = "Name another file."


def _texts(value: object) -> Iterator[str]:
    """Everything in a value that may be the name of a file."""
    if isinstance(value, str | PathLike):
        yield from {str(value), *str(value).split(",")}
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def _kept(folder: Path) -> set[str]:
    """Names of the files of the run or checkpoint in a folder, if it holds one."""
    from molweight.runs.internal import CHECKPOINT, MODEL, files_of_run

    if (folder / CHECKPOINT).is_file():
        return {CHECKPOINT, "README.md", "config.yaml"}
    if not (folder / MODEL).is_file():
        return set()
    try:
        return {MODEL, *files_of_run(folder)} - {_REMADE}
    except DataError:  # the manifest is damaged, which is for the commands to say that need it
        return {MODEL, "manifest.json"}
