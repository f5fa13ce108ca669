"""Record of the files that molweight wrote to a folder: only these are replaced or removed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from molweight.errors import ConfigError, DataError
from molweight.storage import parse_json, remove_stale_partials, write_file

__all__ = ["LOCK", "MARK", "own", "owned_files", "refuse_link", "remove_owned"]

MARK: Final = ".molweight"
"""File that lists the files of its folder that molweight wrote."""
LOCK: Final = ".molweight.lock"
"""File in a folder that a command is writing to, and locks meanwhile."""


def refuse_link(path: Path) -> None:
    """Refuse to write through a symbolic link, whose target may belong to someone else.

    Args:
        path: A folder or file.

    Raises:
        ConfigError: If it is a link.
    """
    if path.is_symlink():
        raise ConfigError(
            f"{path} is a link to {path.readlink()}, but molweight does not write through links. Name a folder."
        )


def owned_files(folder: Path) -> list[str]:
    """Names of the files that the mark of a folder lists; none without a mark.

    Args:
        folder: The folder.

    Raises:
        DataError: If the mark is damaged.
    """
    path = folder / MARK
    if path.is_symlink() or not path.is_file():
        return []
    try:
        names = parse_json(path.read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(f"{path} is damaged: {error}. Remove the folder, or choose another.") from error
    # A name with a path separator would escape the folder.
    if not isinstance(names, list) or not all(isinstance(name, str) and Path(name).name == name for name in names):
        raise DataError(
            f"{path} is damaged: it does not list files of its folder. Remove the folder, or choose another."
        )
    return names


def own(folder: Path, name: str, *, adopt: bool = False) -> None:
    """Record a file as written by molweight, before it is written.

    Args:
        folder: The folder; created if missing.
        name: The file's name.
        adopt: Whether an existing file is known to be molweight's.

    Raises:
        ConfigError: If the folder is a link, or the file exists and was not recorded.
        DataError: If the mark is damaged or cannot be written.
    """
    refuse_link(folder)
    names = owned_files(folder)
    if name in names:
        return
    if (folder / name).exists() and not adopt:
        raise ConfigError(f"{folder / name} exists and was not written by this run. Move it, or choose another folder.")
    write_file(folder / MARK, json.dumps({"files": sorted([*names, name])}).encode())


def remove_owned(folder: Path) -> None:
    """Remove the recorded files of a folder and of its marked subfolders, then folders that are empty.

    Args:
        folder: The folder. Nothing is removed if it has no mark or is a link.
    """
    for child in _marked(folder):
        remove_owned(child)
    names = owned_files(folder) if not folder.is_symlink() else []
    for name in names:
        remove_stale_partials(folder / name)
        (folder / name).unlink(missing_ok=True)
    if names:
        (folder / MARK).unlink(missing_ok=True)
    if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
        folder.rmdir()


def _marked(folder: Path) -> Iterator[Path]:
    """Direct subfolders that have a mark."""
    children = sorted(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else []
    return (child for child in children if child.is_dir() and not child.is_symlink() and (child / MARK).is_file())
