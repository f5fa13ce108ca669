"""The text of a file: unpacked, decoded, with a clear word where it cannot be."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from molweight.datasets._compression import open_unpacked, reading
from molweight.datasets._limits import check_size
from molweight.errors import DataError, mention

__all__ = ["read_bytes", "read_text"]

_BLOCK: Final = 1 << 20
_LONGEST_LINE: Final = 1 << 24
"""Bytes of a line from which a file is refused before the rest of it is read."""

_MARKS: Final = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
"""Encodings by byte-order mark, longest first where one begins like another."""


def read_text(path: str | Path, encoding: str | None = None, *, max_mb: float | None = None) -> str:
    """The text of a file, which may be packed with gzip, xz or bzip2.

    Args:
        path: The file.
        encoding: Name of the encoding; ``None`` for UTF-8, or what the file's byte-order mark says.
        max_mb: Size, unpacked, from which the file is refused; ``None`` for the usual limit.

    Returns:
        The text, line ends as they are.

    Raises:
        DataError: If the file cannot be read, is empty, truncated, or not text in that encoding.
    """
    path = Path(path)
    content = read_bytes(path, longest_line=_LONGEST_LINE, max_mb=max_mb)
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise DataError(
            f"{path}: this is a zip archive or a spreadsheet, not text. Unpack it; a spreadsheet is read if its name "
            f"ends in .xlsx, .xls or .ods, or with {mention('file_format', 'excel')}."
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


def read_bytes(path: str | Path, *, longest_line: int | None = None, max_mb: float | None = None) -> bytes:
    """The content of a file, unpacked.

    Args:
        path: The file; it may be packed with gzip, xz or bzip2.
        longest_line: Number of bytes without a line end from which the file is refused; ``None`` for no limit. Reading
            stops there, so a file of gigabytes in one line, packed or not, costs neither time nor memory.
        max_mb: Size, unpacked, from which it is refused; ``None`` for the usual limit. Reading stops there, too.

    Returns:
        The bytes.

    Raises:
        DataError: If the file cannot be read or unpacked, or has too long a line.
    """
    path = Path(path)
    with reading(path), open_unpacked(path) as stream:
        return b"".join(_blocks(path, stream, longest_line, max_mb))


def _blocks(path: Path, stream: BinaryIO, longest_line: int | None, max_mb: float | None) -> Iterator[bytes]:
    """The content in blocks, counting the bytes, and those since the last line end."""
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
                f"{path}, row {lines}: has more than {longest_line >> 20} MB without a line end, so this is no table. "
                "Write one row per molecule."
            )


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
            f"file as UTF-8, or name its encoding, e.g. {mention('encoding', 'cp1252')} for what Excel writes on "
            f"Windows."
        ) from error
