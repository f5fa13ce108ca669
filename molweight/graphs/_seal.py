"""Cache files that carry their own checksum."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import xxhash

__all__ = ["add_seal", "find_damage", "sealed_json", "unsealed_json"]

_MAGIC: Final = b"MWXXH128"
_DIGEST: Final = 16
_BLOCK: Final = 1 << 20
"""Bytes read at a time: a corpus of any size is checked in constant memory."""


def add_seal(path: Path) -> None:
    """Append the checksum of a file's content to the file.

    The checksum is XXH3 with 128 bits, which finds accidental damage at the speed of memory; it is no protection
    against somebody who wants to deceive. ``numpy.load`` reads nothing after the array, and so does not see it.

    Args:
        path: A file that nobody else uses yet.
    """
    digest = _digest(path, path.stat().st_size)
    with path.open("ab") as stream:
        stream.write(digest + _MAGIC)


def find_damage(path: Path) -> str | None:
    """What is wrong with a sealed file, in words; ``None`` if it is as it was written.

    Args:
        path: The file.
    """
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return "is missing"
    length = size - _DIGEST - len(_MAGIC)
    if length < 0:
        return "is cut short"
    with path.open("rb") as stream:
        stream.seek(length)
        found, magic = stream.read(_DIGEST), stream.read()
    if magic != _MAGIC:
        return "has no checksum: it is cut short, changed, or of an earlier version"
    return None if _digest(path, length) == found else "does not match its checksum"


def _digest(path: Path, length: int) -> bytes:
    """The checksum of the first bytes of a file."""
    digest = xxhash.xxh3_128(length.to_bytes(8, "little"))
    with path.open("rb") as stream:
        while length > 0 and (block := stream.read(min(_BLOCK, length))):
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
    """The content of a text that :func:`sealed_json` wrote; ``None`` if it is damaged.

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
