"""Folders of arrays on disk: named by their content, written whole or not at all, memory-mapped when read."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_cache_path

from molweight.storage import partial_name

__all__ = ["cache_root", "content_key", "partial_name", "read_folder", "write_array", "write_folder"]

Array = np.ndarray[tuple[int, ...], np.dtype[Any]]


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
    """Write arrays and JSON to a temporary folder beside ``folder``, then rename it.

    Where two processes build the same folder, the first rename wins, and the other copy, equal in content, is dropped.

    Args:
        folder: The folder to create; its parents are made.
        arrays: What to store as ``<name>.npy``.
        meta: What to store as ``meta.json``.

    Raises:
        OSError: If the disk is full or the place cannot be written; nothing is left behind.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with partial_name(folder) as partial:
        partial.mkdir()
        for name, array in arrays.items():
            np.save(partial / f"{name}.npy", array, allow_pickle=False)
        (partial / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
        _rename(partial, folder)


def _rename(partial: Path, folder: Path) -> None:
    try:
        partial.rename(folder)
    except OSError:
        if not (folder / "meta.json").exists():
            raise


def read_folder(folder: Path) -> tuple[dict[str, Array], dict[str, Any]] | None:
    """The arrays of a folder, memory-mapped, and its JSON; ``None`` where there is no such folder.

    The maps are copy-on-write: PyTorch takes them without a copy, and nothing can reach the file.
    """
    meta = folder / "meta.json"
    if not meta.exists():
        return None
    arrays = {path.stem: _load(path) for path in sorted(folder.glob("*.npy"))}
    return arrays, json.loads(meta.read_text(encoding="utf-8"))


def _load(path: Path) -> Array:
    array: Array = np.load(path, mmap_mode="c", allow_pickle=False)
    return array if array.size else np.array(array)


def write_array(path: Path, array: Array) -> None:
    """Write one array to a temporary name and rename it.

    Raises:
        OSError: If the disk is full or the place cannot be written; a file that was there stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with partial_name(path) as partial:
        with partial.open("wb") as stream:
            np.save(stream, array, allow_pickle=False)
        partial.replace(path)
