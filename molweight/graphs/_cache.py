"""Folders of arrays: named by their content, written whole or not at all, checked and memory-mapped when read."""

import hashlib
import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_cache_path

from molweight.graphs._seal import add_seal, find_damage, sealed_json, unsealed_json
from molweight.storage import partial_name

__all__ = [
    "cache_root",
    "content_key",
    "damaged",
    "partial_name",
    "place_folder",
    "read_array",
    "read_folder",
    "write_array",
    "write_folder",
    "write_meta",
]

Array = np.ndarray[tuple[int, ...], np.dtype[Any]]

_META = "meta.json"
_log = logging.getLogger(__name__)


def cache_root() -> Path:
    """Where caches live: ``MOLWEIGHT_CACHE`` if set, else the user's cache folder of the platform."""
    chosen = os.environ.get("MOLWEIGHT_CACHE")
    return Path(chosen) if chosen else user_cache_path("molweight")


def content_key(parts: Iterable[bytes]) -> str:
    """A hexadecimal name for some content: SHA-256 over the parts with their lengths, 32 digits.

    Example:
        >>> content_key([b"ab", b"c"]) != content_key([b"a", b"bc"])
        True
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()[:32]


def write_folder(folder: Path, arrays: Mapping[str, Array], meta: Mapping[str, Any]) -> None:
    """Write arrays and JSON with their checksums to a temporary folder next to ``folder``, then rename it.

    Args:
        folder: The folder to create; its parents are made. Files of the same names in it are replaced.
        arrays: What to store as ``<name>.npy``.
        meta: What to store as ``meta.json``.

    Raises:
        OSError: If the disk is full or the place cannot be written; nothing is left behind.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with partial_name(folder) as partial:
        partial.mkdir()
        for name, array in arrays.items():
            path = partial / f"{name}.npy"
            np.save(path, array, allow_pickle=False)
            add_seal(path)
        write_meta(partial, meta)
        place_folder(partial, folder)


def write_meta(folder: Path, meta: Mapping[str, Any]) -> None:
    """Write the JSON part of a folder with its checksum; a folder is whole once it has this."""
    (folder / _META).write_text(sealed_json(meta), encoding="utf-8")


def place_folder(partial: Path, folder: Path) -> None:
    """Rename a folder that is whole; where there is one already, replace its files.

    Two processes that build the same folder write equal files, so it does not matter whose are kept. A damaged folder
    is mended this way, and what else is kept in it, such as the targets of objectives, stays.

    Args:
        partial: The new folder.
        folder: Its place.

    Raises:
        OSError: If the place cannot be written.
    """
    try:
        partial.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
        for path in sorted(partial.iterdir(), key=lambda path: path.name == _META):  # the JSON last
            path.replace(folder / path.name)


def read_folder(folder: Path) -> tuple[dict[str, Array], dict[str, Any]] | None:
    """The arrays of a folder, memory-mapped, and its JSON; ``None`` where there is no such folder, or a damaged one.

    Every file is compared with its checksum first; damage is logged. The maps are copy-on-write: PyTorch takes them
    without a copy, and nothing can reach the file.
    """
    path = folder / _META
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    meta = unsealed_json(text.decode("utf-8", errors="replace"))
    if meta is None:
        damaged(path, "does not match its checksum")
        return None
    arrays: dict[str, Array] = {}
    for place in sorted(folder.glob("*.npy")):
        problem = find_damage(place)
        if problem is not None:
            damaged(place, problem)
            return None
        arrays[place.stem] = _load(place)
    return arrays, meta


def damaged(path: Path, problem: str) -> None:
    """Log that a file of the cache is damaged, and that its content will be computed again."""
    _log.warning("%s: %s. It is computed again.", path, problem)


def _load(path: Path) -> Array:
    array: Array = np.load(path, mmap_mode="c", allow_pickle=False)
    return array if array.size else np.array(array)


def read_array(path: Path) -> Array | None:
    """The array that :func:`write_array` wrote; ``None`` where there is none, or a damaged one, which is logged.

    Args:
        path: The file.
    """
    if not path.exists():
        return None
    problem = find_damage(path)
    if problem is not None:
        damaged(path, problem)
        return None
    array: Array = np.load(path, allow_pickle=False)
    return array


def write_array(path: Path, array: Array) -> None:
    """Write one array and its checksum to a temporary name and rename it.

    Args:
        path: The file; its folder is made. One that is there is replaced.
        array: What to store.

    Raises:
        OSError: If the disk is full or the place cannot be written; a file that was there stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with partial_name(path) as partial:
        with partial.open("wb") as stream:
            np.save(stream, array, allow_pickle=False)
        add_seal(partial)
        partial.replace(path)
