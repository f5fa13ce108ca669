"""Which files belong to a run, with their checksums."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from molweight.errors import DataError
from molweight.storage import write_file

__all__ = ["MANIFEST", "check_manifest", "files_of_run", "write_manifest"]

MANIFEST: Final = "manifest.json"


def write_manifest(folder: Path, names: Iterable[str]) -> None:
    """Record the files of a run; the last thing that is written of it.

    Args:
        folder: The run's folder.
        names: Files in it; those that do not exist are left out.

    Raises:
        DataError: If a file cannot be read or the manifest cannot be written.
    """
    present = sorted(name for name in set(names) if (folder / name).is_file())
    sums = {name: _sha256(folder / name) for name in present}
    write_file(folder / MANIFEST, (json.dumps({"files": sums}, indent=2) + "\n").encode())


def files_of_run(folder: Path) -> list[str]:
    """Names of the files that the manifest of a folder lists, itself included; none where there is no manifest.

    Args:
        folder: The run's folder.

    Raises:
        DataError: If the manifest is damaged.
    """
    return [*_recorded(folder), MANIFEST] if (folder / MANIFEST).exists() else []


def check_manifest(folder: Path) -> None:
    """Refuse a run of which a file is not the one that was written; a file that was left out is none.

    A model may be copied without the files that only its report needs. A run without a manifest was written by an
    earlier version, or is the copied ``model.safetensors`` alone.

    Args:
        folder: The run's folder.

    Raises:
        DataError: Naming the file and what to do.
    """
    if not (folder / MANIFEST).exists():
        return
    for name, recorded in _recorded(folder).items():
        path = folder / name
        if path.is_file() and _sha256(path) != recorded:
            raise DataError(
                f"{path} is not the file that was written with this run: its SHA-256 differs from the one in "
                f"{MANIFEST}. Restore it, remove it, or fit again."
            )


def _recorded(folder: Path) -> dict[str, str]:
    path = folder / MANIFEST
    try:
        recorded = json.loads(path.read_text(encoding="utf-8"))["files"]
        # Names are joined to the folder: one with a separator would reach outside of it.
        sound = all(isinstance(name, str) and Path(name).name == name for name in recorded)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(f"{path} is damaged: {error}. Restore it, or remove it.") from error
    if not sound or not isinstance(recorded, dict):
        raise DataError(f"{path} is damaged: it does not list files of this folder. Restore it, or remove it.")
    return recorded


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Check its permissions.") from error
