"""Folders of arrays: named by content, written atomically, verified and memory-mapped when read."""

import hashlib
import json
import logging
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import xxhash
from platformdirs import user_cache_path

from molweight.arrays import AnyArray
from molweight.graphs._blocks import BLOCK, BlockArray, block_table
from molweight.storage import partial_name

__all__ = [
    "add_seal",
    "building_alone",
    "cache_root",
    "content_key",
    "damaged",
    "find_damage",
    "partial_name",
    "place_folder",
    "rdkit_version",
    "read_array",
    "read_folder",
    "sealed_json",
    "unsealed_json",
    "write_array",
    "write_folder",
    "write_meta",
]

_MAGIC: Final = b"MWXXH128"
_DIGEST: Final = 16
_EAGER: Final = 16 * BLOCK
"""Files up to this size are verified as a whole on opening; larger ones block by block on first access."""
_META = "meta.json"


def add_seal(path: Path) -> None:
    """Append checksums of a file's content to the file: of each block of 1 MiB, and of the whole.

    They are XXH3 with 64 and 128 bits, which finds accidental damage at the speed of memory; it is not protection
    against deliberate changes. ``numpy.load`` reads nothing after the array, and so does not see them.

    Args:
        path: A file that is not in use yet.
    """
    length = path.stat().st_size
    with path.open("rb") as stream:
        table = block_table(length, [xxhash.xxh3_64(block).digest() for block in iter(lambda: stream.read(BLOCK), b"")])
    with path.open("ab") as stream:
        stream.write(table)
    digest = _digest(path, length + len(table))
    with path.open("ab") as stream:
        stream.write(digest + _MAGIC)


def find_damage(path: Path) -> str | None:
    """The defect of a sealed file, in words; ``None`` if it is unchanged.

    Args:
        path: The file.
    """
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return "is missing"
    length = size - _DIGEST - len(_MAGIC)
    if length < 0:
        return "is truncated"
    with path.open("rb") as stream:
        stream.seek(length)
        found, magic = stream.read(_DIGEST), stream.read()
    if magic != _MAGIC:
        return "has no checksum: it is truncated, changed, or written by an earlier version"
    return None if _digest(path, length) == found else "does not match its checksum"


def _digest(path: Path, length: int) -> bytes:
    """The checksum of the first bytes of a file."""
    digest = xxhash.xxh3_128(length.to_bytes(8, "little"))
    with path.open("rb") as stream:
        while length > 0 and (block := stream.read(min(BLOCK, length))):
            digest.update(block)
            length -= len(block)
    return digest.digest()


def sealed_json(content: Mapping[str, Any]) -> str:
    """JSON with its checksum, for :func:`unsealed_json`.

    Args:
        content: JSON values.

    Example:
        >>> unsealed_json(sealed_json({"a": 1})), unsealed_json(sealed_json({"a": 1}).replace("1}", "2}"))
        ({'a': 1}, None)
    """
    return json.dumps({"checksum": _checksum(content), "content": content})


def unsealed_json(text: str) -> dict[str, Any] | None:
    """The content of a text from :func:`sealed_json`; ``None`` if it is damaged.

    Args:
        text: The text.
    """
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(read, dict) or not isinstance(read.get("content"), dict):
        return None
    content: dict[str, Any] = read["content"]
    return content if read.get("checksum") == _checksum(content) else None


def _checksum(content: Mapping[str, Any]) -> str:
    return xxhash.xxh3_128(json.dumps(content, sort_keys=True).encode()).hexdigest()


_log = logging.getLogger(__name__)


def cache_root() -> Path:
    """Folder of the caches: ``MOLWEIGHT_CACHE`` if set, else the platform's cache folder of the user."""
    chosen = os.environ.get("MOLWEIGHT_CACHE")
    return Path(chosen) if chosen else user_cache_path("molweight")


@cache
def rdkit_version() -> str:
    """Version of the installed RDKit, which is not imported for it; part of every key of values that RDKit computes."""
    return version("rdkit")


def content_key(parts: Iterable[bytes]) -> str:
    """A hexadecimal name for content: SHA-256 of the parts with their lengths, 32 digits.

    Example:
        >>> content_key([b"ab", b"c"]) != content_key([b"a", b"bc"])
        True
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()[:32]


def write_folder(folder: Path, arrays: Mapping[str, AnyArray], meta: Mapping[str, Any]) -> None:
    """Write arrays and JSON with their checksums to a temporary folder next to ``folder``, then rename it.

    Args:
        folder: The folder; its parents are created. Files of the same names in it are replaced.
        arrays: Arrays to store as ``<name>.npy``.
        meta: JSON values to store as ``meta.json``.

    Raises:
        OSError: If the disk is full or the path cannot be written; no partial files remain.
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
    """Write the JSON part of a folder with its checksum, which completes the folder."""
    (folder / _META).write_text(sealed_json(meta), encoding="utf-8")


def place_folder(partial: Path, folder: Path) -> None:
    """Rename a complete folder; if it exists already, replace its files.

    Two processes that build the same folder write equal files, so either may win. A damaged folder is repaired in this
    way, and other files in it, such as the targets of objectives, are kept.

    Args:
        partial: The new folder.
        folder: The destination.

    Raises:
        OSError: If the destination cannot be written.
    """
    try:
        partial.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
        for path in sorted(partial.iterdir(), key=lambda path: path.name == _META):  # the JSON last
            path.replace(folder / path.name)


@contextmanager
def building_alone(folder: Path, name: str) -> Iterator[None]:
    """Context with a lock on building a folder; the system releases it if this process dies.

    After a wait the folder is usually complete, so read it again inside.

    Args:
        folder: The folder; its parents are created.
        name: Name of the source in messages.
    """
    from filelock import FileLock, Timeout

    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        lock.acquire(timeout=1)
    except Timeout:
        _log.warning("%s: another process is featurising it; waiting", name)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def read_folder(folder: Path, *, lazy: Collection[str] = ()) -> tuple[dict[str, AnyArray], dict[str, Any]] | None:
    """The arrays of a folder, memory-mapped, and its JSON; ``None`` if the folder is missing or damaged.

    Files are verified by checksum first; damage is logged. The maps are copy-on-write: PyTorch uses them without a
    copy, and the file cannot be changed through them.

    Args:
        folder: The folder.
        lazy: Names of arrays whose blocks are verified on first access, in files of more than 16 MiB; these become
            :class:`molweight.graphs._blocks.BlockArray`.
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
    arrays: dict[str, AnyArray] = {}
    for place in sorted(folder.glob("*.npy")):
        try:
            arrays[place.stem] = _open(place, lazy=place.stem in lazy)
        except ValueError as error:
            damaged(place, str(error))
            return None
    return arrays, meta


def _open(path: Path, *, lazy: bool) -> AnyArray:
    """A sealed array.

    Raises:
        ValueError: If it is damaged; the text says how.
    """
    if lazy and path.stat().st_size > _EAGER:
        return cast("AnyArray", BlockArray(path, _DIGEST + len(_MAGIC)))  # it behaves like an array
    problem = find_damage(path)
    if problem is not None:
        raise ValueError(problem)
    return _load(path)


def damaged(path: Path, problem: str) -> None:
    """Log that a file of the cache is damaged, and that its content will be computed again."""
    _log.warning("%s: %s. Recomputing it.", path, problem)


def _load(path: Path) -> AnyArray:
    array: AnyArray = np.load(path, mmap_mode="c", allow_pickle=False)
    return array if array.size else np.array(array)


def read_array(path: Path) -> AnyArray | None:
    """The array from :func:`write_array`; ``None`` if it is missing or damaged; damage is logged.

    Args:
        path: The file.
    """
    if not path.exists():
        return None
    problem = find_damage(path)
    if problem is not None:
        damaged(path, problem)
        return None
    array: AnyArray = np.load(path, allow_pickle=False)
    return array


def write_array(path: Path, array: AnyArray) -> None:
    """Write one array and its checksum to a temporary name and rename it.

    Args:
        path: The file; its folder is created. An existing file is replaced.
        array: The array.

    Raises:
        OSError: If the disk is full or the path cannot be written; an existing file is kept.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with partial_name(path) as partial:
        with partial.open("wb") as stream:
            np.save(stream, array, allow_pickle=False)
        add_seal(partial)
        partial.replace(path)
