"""The text of a file: unpacked, decoded, with a clear word where it cannot be."""

import bz2
import gzip
import lzma
import zlib
from pathlib import Path
from typing import Final

from molweight.errors import DataError, suggest

__all__ = ["read_bytes", "read_text"]

_PACKED: Final = {b"\x1f\x8b": gzip.decompress, b"\xfd7zXZ": lzma.decompress, b"BZh": bz2.decompress}
"""Decompressors by the first bytes of a file, whatever its name ends in."""

_MARKS: Final = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
"""Encodings by byte-order mark, longest first where one begins like another."""


def read_text(path: str | Path, encoding: str | None = None) -> str:
    """The text of a file, which may be packed with gzip, xz or bzip2.

    Args:
        path: The file.
        encoding: Name of the encoding; ``None`` for UTF-8, or what the file's byte-order mark says.

    Returns:
        The text, line ends as they are.

    Raises:
        DataError: If the file cannot be read, is empty, truncated, or not text in that encoding.
    """
    path = Path(path)
    content = read_bytes(path)
    if content.startswith(b"PK\x03\x04"):
        raise DataError(f"{path}: this is a zip archive or a spreadsheet, not text. Save the table as CSV.")
    text = _decode(path, content, encoding)
    if not text.strip():
        raise DataError(f"{path}: the file is empty. A table has a header line and one line per molecule.")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(
            f"{path}, row {line}: holds a NUL character, so the file is binary, damaged, or in another encoding. "
            "Export it again as UTF-8, or name its encoding, e.g. encoding='utf-16'."
        )
    return text


def read_bytes(path: Path) -> bytes:
    """The content of a file, unpacked.

    Args:
        path: The file; it may be packed with gzip, xz or bzip2.

    Returns:
        The bytes.

    Raises:
        DataError: If the file cannot be read or unpacked.
    """
    return _unpack(path, _read(path))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file.{_nearest(path)} Check the path.") from error
    except IsADirectoryError as error:
        raise DataError(f"{path}: is a folder, not a table. Name one file in it.") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Check its permissions.") from error


def _nearest(path: Path) -> str:
    """A hint at files with a similar name in the same folder."""
    if not path.parent.is_dir():
        return f" Its folder {path.parent} does not exist either."
    return suggest(path.name, [item.name for item in path.parent.iterdir()])


def _unpack(path: Path, content: bytes) -> bytes:
    for magic, decompress in _PACKED.items():
        if content.startswith(magic):
            try:
                return decompress(content)
            except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
                raise DataError(
                    f"{path}: the compressed file is truncated or damaged ({error}). Fetch or pack it again."
                ) from error
    return content


def _decode(path: Path, content: bytes, encoding: str | None) -> str:
    marked = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
    chosen = encoding or marked
    try:
        return content.decode(chosen)
    except LookupError as error:
        raise DataError(f"{path}: there is no encoding {encoding!r}. Common ones: utf-8, cp1252, utf-16.") from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}, row {line}: byte 0x{content[error.start]:02x} is not {chosen} text ({error.reason}). Save the "
            "file as UTF-8, or name its encoding, e.g. encoding='cp1252' for what Excel writes on Windows."
        ) from error
