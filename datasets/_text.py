"""The text of a file: decompressed and decoded, with size limits and clear error messages."""

import bz2
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

from molweight.errors import DataError, mention, suggest

__all__ = [
    "MAX_ATOMS",
    "MAX_MB",
    "MAX_ROWS",
    "check_rows",
    "check_size",
    "inner_name",
    "is_text",
    "not_text",
    "open_unpacked",
    "read_bytes",
    "read_text",
    "reading",
]

_PACKED: Final[dict[bytes, Callable[[BinaryIO], Any]]] = {
    b"\x1f\x8b": gzip.open,
    b"\xfd7zXZ": lzma.open,
    b"BZh": bz2.open,
}
"""Decompressors by the first bytes of a file, regardless of its extension."""
_ZIP: Final = b"PK\x03\x04"
_LISTED: Final = 4
"""Maximum number of an archive's files in a message."""
_BINARY: Final = 4096
"""Number of bytes at the beginning of a file that are searched for non-text bytes."""
MAX_MB: Final = 512.0
"""Default maximum uncompressed size, in MB, of a table that is read as a whole."""
MAX_ROWS: Final = 1_000_000
"""Default maximum number of rows of a table that is read as a whole."""
MAX_ATOMS: Final = 65_535
"""Maximum number of atoms of a molecule."""
_BLOCK: Final = 1 << 20
_LONGEST_LINE: Final = 1 << 24
"""Maximum line length in bytes; a file with a longer line is refused before the rest is read."""
_MARKS: Final = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
"""Encodings by byte-order mark, longest first because one may be a prefix of another."""


@contextmanager
def open_unpacked(path: Path) -> Iterator[io.BufferedReader]:
    """The content of a file, decompressed if it is a gzip, xz or bzip2 file, or a zip archive with one file.

    Pipes can also be read, except for zip archives.

    Args:
        path: The file.

    Yields:
        A stream of bytes.
    """
    with path.open("rb") as raw:
        unpack = next((opener for magic, opener in _PACKED.items() if raw.peek(8).startswith(magic)), None)
        stream = unpack(raw) if unpack else _only_file(raw)
        yield io.BufferedReader(stream) if stream else raw


def _only_file(raw: io.BufferedReader) -> Any:
    """The single file in a zip archive; ``None`` for other archives, spreadsheets, and other content."""
    if not raw.peek(4).startswith(_ZIP) or not raw.seekable():
        return None
    try:
        archive = zipfile.ZipFile(raw)
    except zipfile.BadZipFile:
        raw.seek(0)
        return None
    files = _files_of(archive)
    if len(files) == 1 and not files[0].flag_bits & 1:  # without a password
        return archive.open(files[0])
    raw.seek(0)
    return None


def inner_name(path: Path) -> str:
    """Name of the single file in a zip archive; empty for other archives."""
    if not path.is_file():
        return ""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [item.filename for item in _files_of(archive)]
    except (zipfile.BadZipFile, OSError):
        return ""
    return names[0] if len(names) == 1 else ""


def _files_of(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The files of an archive without the metadata of macOS."""
    found = [item for item in archive.infolist() if not item.is_dir()]
    return [item for item in found if not re.search(r"(^|/)(__MACOSX/|\.)", item.filename)]


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Context that turns errors of opening, reading or decompressing a file into messages.

    Args:
        path: The file that is read inside the ``with``.

    Yields:
        Nothing.

    Raises:
        DataError: If it is missing, a folder, unreadable, truncated or damaged.
    """
    try:
        yield
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError) as error:
        raise DataError(_reason(path, error)) from error


def _reason(path: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{path}: there is no such file{_nearest(path)} Check the path."
    if isinstance(error, IsADirectoryError):
        return f"{path}: is a folder. Name one file in it."
    if isinstance(error, OSError) and error.errno is not None:  # gzip and bz2 raise it without errno
        return f"{path}: cannot be read ({error.strerror}). Check its path and permissions."
    return f"{path}: the compressed file is truncated or damaged ({error}). Download or compress it again."


def _nearest(path: Path) -> str:
    """A hint about files with similar names in the same folder."""
    if not path.parent.is_dir():
        return f". Its folder {path.parent} does not exist either."
    return suggest(path.name, [item.name for item in path.parent.iterdir()])


def check_size(source: str, size: int, max_mb: float | None = None) -> None:
    """Refuse a table that is too large, before it is read into memory.

    Args:
        source: Its name in messages.
        size: Its uncompressed size in bytes, as far as known.
        max_mb: The limit in megabytes; ``None`` for :data:`MAX_MB`.

    Raises:
        DataError: If it is larger than the limit.
    """
    limit = MAX_MB if max_mb is None else max_mb
    if size > limit * (1 << 20):
        raise DataError(
            f"{source}: is larger than {limit:g} MB once unpacked, so reading stopped there. A labelled table is "
            f"held in memory; if it is meant to be this large, raise the limit, e.g. {mention('max_mb', 4 * limit)}."
        )


def check_rows(source: str, rows: int, max_rows: int | None = None) -> None:
    """Refuse a table with too many rows, before they are read.

    Args:
        source: Its name in messages.
        rows: Number of its rows.
        max_rows: The limit; ``None`` for :data:`MAX_ROWS`.

    Raises:
        DataError: If there are more.
    """
    limit = MAX_ROWS if max_rows is None else max_rows
    if rows > limit:
        raise DataError(
            f"{source}: has {rows} rows or more, over the limit of {limit}. A labelled table is held in memory; if it "
            f"is meant to be this large, raise the limit, e.g. {mention('max_rows', 4 * max(rows, limit))}."
        )


def read_text(path: str | Path, encoding: str | None = None, *, max_mb: float | None = None) -> str:
    """The text of a file, which may be compressed with gzip, xz, bzip2 or zip.

    Args:
        path: The file.
        encoding: Name of the encoding; ``None`` for UTF-8, or the encoding given by the file's byte-order mark.
        max_mb: Maximum uncompressed size in MB; ``None`` for the default limit.

    Returns:
        The text, with line ends unchanged.

    Raises:
        DataError: If the file cannot be read, is empty, truncated, or not text in that encoding.
    """
    path = Path(path)
    content = read_bytes(path, longest_line=_LONGEST_LINE, max_mb=max_mb)
    if content.startswith((_ZIP, b"\xd0\xcf\x11\xe0")):
        raise DataError(
            f"{path}: this is a zip archive{_listed(content)} or a spreadsheet, not text. Unpack it; a spreadsheet is "
            "read if its name ends in .xlsx, .xls or .ods."
        )
    text = _decode(path, content, encoding)
    if not text.strip():
        raise DataError(f"{path}: the file is empty. A table has a header line and one line per molecule.")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(
            f"{path}, row {line}: holds a NUL character, so the file is binary, damaged, or in another encoding. "
            f"Export it again as UTF-8, or name its encoding, e.g. {mention('encoding', 'utf-16')}."
        )
    return text


def is_text(path: str | Path) -> bool:
    """Whether a file begins like text and not like a spreadsheet, regardless of its extension.

    Raises:
        DataError: If it cannot be read.
    """
    with reading(Path(path)), open_unpacked(Path(path)) as stream:
        start = stream.read(_BINARY)
    return bool(start.strip()) and b"\0" not in start and not start.startswith((_ZIP, b"\x09\x08"))


def _listed(content: bytes) -> str:
    """Names of the files of a zip archive."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [item.filename for item in _files_of(archive)]
    except zipfile.BadZipFile:
        return ""
    return f" of {len(names)} files ({', '.join(names[:_LISTED])}{', ...' if len(names) > _LISTED else ''})"


def read_bytes(path: str | Path, *, longest_line: int | None = None, max_mb: float | None = None) -> bytes:
    """The decompressed content of a file.

    Args:
        path: The file; it may be compressed with gzip, xz or bzip2.
        longest_line: Maximum line length in bytes; ``None`` for no limit. Reading stops there, so that a file with
            gigabytes in one line, compressed or not, costs neither time nor memory.
        max_mb: Maximum uncompressed size in MB; ``None`` for the default limit. Reading stops there, too.

    Returns:
        The bytes.

    Raises:
        DataError: If the file cannot be read or decompressed, or a line is too long.
    """
    path = Path(path)
    with reading(path), open_unpacked(path) as stream:
        return b"".join(_blocks(path, stream, longest_line, max_mb))


def _blocks(path: Path, stream: BinaryIO, longest_line: int | None, max_mb: float | None) -> Iterator[bytes]:
    """The content in blocks, with checks of the total size and of the line length."""
    since, lines, size = 0, 1, 0
    while block := stream.read(_BLOCK):
        size += len(block)
        check_size(str(path), size, max_mb)
        yield block
        if longest_line is None:
            continue
        since += len(block)
        lines += block.count(b"\n")
        last = max(block.rfind(b"\n"), block.rfind(b"\r"))
        if last >= 0:
            since = len(block) - last - 1
        if since > longest_line:
            raise DataError(
                f"{path}, row {lines}: has more than {longest_line >> 20} MB without a line end, so this is not a "
                "table. Write one row per molecule."
            )


def _decode(path: Path, content: bytes, encoding: str | None) -> str:
    marked = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
    chosen = encoding or marked
    try:
        return content.decode(chosen)
    except (LookupError, UnicodeEncodeError) as error:  # the latter where its name can be none
        raise DataError(f"{path}: there is no encoding {encoding!r}. Common ones: utf-8, cp1252, utf-16.") from error
    except UnicodeDecodeError as error:
        if chosen == "utf-8" and b"\0" in content[:_BINARY]:
            raise DataError(
                f"{path}: is a binary file, not text. Save the table as CSV, Parquet or a spreadsheet."
            ) from error
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(not_text(f"{path}, row {line}", content[error.start], chosen)) from error


def not_text(place: str, byte: int, encoding: str) -> str:
    """A message about a byte that is not valid in the encoding of a file.

    Args:
        place: File and row.
        byte: The byte.
        encoding: Name of the encoding.
    """
    return (
        f"{place}: byte 0x{byte:02x} is not {encoding.removesuffix('-sig')} text. Save the file as UTF-8, or name its "
        f"encoding, e.g. {mention('encoding', 'cp1252')} for what Excel writes on Windows."
    )
