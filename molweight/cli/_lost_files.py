"""Protection of files from being overwritten by an output: other files of the command, and the files of a run."""

import os
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Final

from molweight.errors import DataError, OptionError

__all__ = ["is_there", "refuse_lost_files"]

_OUTPUTS: Final = ("output", "rejects", "atoms")
_FOLDERS: Final = ("pretrain", "benchmark")
"""Commands whose ``output`` is a folder."""
_REMADE: Final = "report.html"
"""The file of a run that ``report`` may overwrite."""
_REMEDY: Final = "Name another file."


def refuse_lost_files(command: str, options: Mapping[str, Any]) -> None:
    """Refuse an output path that the command also uses for another option, or that is a file of a run or checkpoint.

    Args:
        command: Name of the command.
        options: Its options.

    Raises:
        OptionError: If there is such a path.
    """
    outputs = {name: Path(options[name]) for name in _OUTPUTS if isinstance(options.get(name), str)}
    read = [Path(text) for name, value in options.items() if name not in outputs for text in _files(name, value)]
    for name, path in outputs.items():
        others = [other for other in outputs if other != name and _same(path, outputs[other])]
        if command not in _FOLDERS and path.is_dir():
            reason = "is a folder"
        elif others:
            reason = f"is also the path of --{others[0]}"
        elif path.is_file() and any(is_there(other) and _same(path, other) for other in read):
            reason = "is read by the command and would be overwritten"
        elif _real(path).name in _kept(command, _real(path).parent):
            reason = "is a file of a run or checkpoint and would be overwritten"
        else:
            continue
        raise OptionError(name, options[name], reason, _REMEDY)


def _same(path: Path, other: Path) -> bool:
    """Whether two paths lead to the same file, which need not exist."""
    both = is_there(path) and is_there(other)
    return path.samefile(other) if both else _real(path) == _real(other)


def is_there(path: Path) -> bool:
    """Whether a file or folder exists; false for a text that is too long for a path, such as a long SMILES.

    Args:
        path: A text that may be a path.
    """
    try:
        return path.exists()
    except OSError:
        return False


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # resolve() fails on circular links


def _files(name: str, value: object) -> Iterator[str]:
    """All parts of an option's value that may be file names."""
    if isinstance(value, str | PathLike):
        texts = [str(value), *str(value).split(",")]
        yield from [f"{text.replace('.', '/')}.py" for text in texts] if name == "plugin" else texts
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _files(name, item)


def _kept(command: str, folder: Path) -> set[str]:
    """Names of the files of the run, the checkpoint or the interrupted run in a folder, if it holds one."""
    from molweight._owned_files import MARK, owned_files
    from molweight.runs.internal import CHECKPOINT, MODEL, files_of_run

    if (folder / CHECKPOINT).is_file():
        return {CHECKPOINT, "README.md", "config.yaml"}
    try:
        if (folder / MARK).is_file():
            return {MARK, *owned_files(folder)}
        if not (folder / MODEL).is_file():
            return set()
        return {MODEL, *files_of_run(folder)} - ({_REMADE} if command == "report" else set())
    except DataError:  # the manifest is damaged; commands that need it report this
        return {MODEL, "manifest.json", MARK}
