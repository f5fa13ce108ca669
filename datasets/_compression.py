"""Files that may be packed: opened by what they begin with, and refused in words."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

from molweight.errors import DataError, suggest

__all__ = ["open_unpacked", "reading"]

_PACKED: Final[dict[bytes, Callable[[BinaryIO], Any]]] = {
    b"\x1f\x8b": gzip.open,
    b"\xfd7zXZ": lzma.open,
    b"BZh": bz2.open,
}
"""Decompressors by the first bytes of a file, whatever its name ends in."""


@contextmanager
def open_unpacked(path: Path) -> Iterator[io.BufferedReader]:
    """The content of a file, unpacked where it is packed with gzip, xz or bzip2; pipes can be read too.

    Args:
        path: The file.

    Yields:
        A stream of bytes.
    """
    with path.open("rb") as raw:
        unpack = next((opener for magic, opener in _PACKED.items() if raw.peek(8).startswith(magic)), None)
        yield io.BufferedReader(unpack(raw)) if unpack else raw


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Say in words why a file cannot be opened, read or unpacked.

    Args:
        path: The file that is read inside the ``with``.

    Yields:
        Nothing.

    Raises:
        DataError: If it is not there, is a folder, may not be read, or is cut off or damaged.
    """
    try:
        yield
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise DataError(_reason(path, error)) from error


def _reason(path: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{path}: there is no such file{_nearest(path)} Check the path."
    if isinstance(error, IsADirectoryError):
        return f"{path}: is a folder. Name one file in it."
    if isinstance(error, OSError) and error.errno is not None:  # gzip and bz2 raise it without a number
        return f"{path}: cannot be read ({error.strerror}). Check its path and permissions."
    return f"{path}: the compressed file is truncated or damaged ({error}). Fetch or pack it again."


def _nearest(path: Path) -> str:
    """A hint at files with a similar name in the same folder."""
    if not path.parent.is_dir():
        return f". Its folder {path.parent} does not exist either."
    return suggest(path.name, [item.name for item in path.parent.iterdir()])
