"""The list of a run's files with their checksums."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from molweight.errors import ConfigError, DataError
from molweight.storage import write_file

__all__ = [
    "MANIFEST",
    "begin_manifest",
    "check_manifest",
    "extend_manifest",
    "files_of_run",
    "finished_run",
    "write_manifest",
]

MANIFEST: Final = "manifest.json"

_UNFINISHED: Final = "unfinished"
"""Key of a manifest whose files are still being written."""


def begin_manifest(folder: Path, own: Path | None, *, overwrite: bool) -> None:
    """Mark a folder as incomplete; :func:`load` refuses it until the manifest is complete.

    Args:
        folder: The run's folder.
        own: The folder in which this run was saved before. Files of another run are removed.
        overwrite: Whether a finished run may be replaced.

    Raises:
        ConfigError: If the folder holds a finished run that may not be replaced.
        DataError: If an existing manifest is damaged, or the manifest cannot be written.
    """
    nothing: dict[str, Any] = {"files": {}, _UNFINISHED: True}
    found = _read(folder) if (folder / MANIFEST).exists() else nothing
    replace = own is None or own.resolve() != folder.resolve()
    if replace and not overwrite and not found.get(_UNFINISHED):
        raise ConfigError(f"{folder} holds a finished run. Choose another folder, or replace it with overwrite=True.")
    known = found["files"]
    _write(folder, {"files": known, _UNFINISHED: True})
    for name in known if replace else ():
        (folder / name).unlink(missing_ok=True)


def write_manifest(folder: Path, names: Iterable[str], unchecked: Iterable[str] = ()) -> None:
    """Record the files of a run; this is written last.

    Args:
        folder: The run's folder.
        names: Files in it; missing ones are left out.
        unchecked: Further files of the run that may be edited, such as its card; without a checksum.

    Raises:
        DataError: If a file cannot be read or the manifest cannot be written.
    """
    sums: dict[str, str | None] = {name: None for name in unchecked if (folder / name).is_file()}
    sums |= {name: _sha256(folder / name) for name in names if (folder / name).is_file()}
    _write(folder, {"files": dict(sorted(sums.items()))})


def extend_manifest(folder: Path, names: Iterable[str], unchecked: Iterable[str] = ()) -> None:
    """Record new or rewritten files of a run.

    Args:
        folder: The run's folder.
        names: Files with a checksum.
        unchecked: Files without one.

    Raises:
        DataError: If the manifest is damaged, a file cannot be read, or the manifest cannot be written.
    """
    known = _recorded(folder) if (folder / MANIFEST).exists() else {}
    checked = [name for name, recorded in known.items() if recorded is not None]
    write_manifest(folder, [*checked, *names], [*(known.keys() - set(checked)), *unchecked])


def files_of_run(folder: Path) -> list[str]:
    """Names of the files in a folder's manifest, including the manifest itself; none if there is no manifest.

    Args:
        folder: The run's folder.

    Raises:
        DataError: If the manifest is damaged.
    """
    return [*_recorded(folder), MANIFEST] if (folder / MANIFEST).exists() else []


def finished_run(folder: Path) -> str | None:
    """Checksum of the manifest of a finished run; ``None`` if a folder holds none.

    Args:
        folder: The folder.

    Raises:
        DataError: If the manifest is damaged.
    """
    found = _read(folder) if (folder / MANIFEST).exists() else {_UNFINISHED: True}
    return None if found.get(_UNFINISHED) else str(found["sha256"])


def check_manifest(folder: Path) -> None:
    """Refuse a run with a changed file; a missing file is not an error here.

    A model may be copied without the files that only its report needs. A run without a manifest was written by an
    earlier version, or is the copied ``model.safetensors`` alone.

    Args:
        folder: The run's folder.

    Raises:
        DataError: If a file was changed; names it and the remedy.
    """
    if not (folder / MANIFEST).exists():
        return
    content = _read(folder)
    if content.get(_UNFINISHED):
        raise DataError(
            f"{folder}: the run was interrupted while it was being saved, so its files are inconsistent. Run the "
            "command that wrote it again; it resumes from its last state."
        )
    for name, recorded in content["files"].items():
        path = folder / name
        if recorded is not None and path.is_file() and _sha256(path) != recorded:
            raise DataError(
                f"{path} is not the file that was written with this run: its SHA-256 differs from the one in "
                f"{MANIFEST}. Restore it, remove it, or fit again."
            )


def _recorded(folder: Path) -> dict[str, str | None]:
    files: dict[str, str | None] = _read(folder)["files"]
    return files


def _read(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}. Restore it, or remove it.") from error
    content: Any = None
    with suppress(ValueError, RecursionError):
        content = json.loads(text)
    if not _is_sound(content):
        raise DataError(f"{path} is damaged: it is not the list of files that was written. Restore it, or remove it.")
    found: dict[str, Any] = content
    return found


def _is_sound(content: Any) -> bool:
    """Whether this is valid content of a manifest."""
    if not isinstance(content, dict) or not isinstance(content.get("files"), dict):
        return False
    # A name with a path separator would escape the folder.
    plain = all(name and Path(name).name == name for name in content["files"])
    return plain and content.get("sha256") == _digest(content)


def _write(folder: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps({**content, "sha256": _digest(content)}, indent=2)
    write_file(folder / MANIFEST, f"{text}\n".encode())


def _digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of a manifest without its own checksum."""
    rest = {key: value for key, value in content.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Check its permissions.") from error
