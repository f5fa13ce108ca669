"""The SMILES of a file of any size, one record at a time."""

import codecs
import csv
import hashlib
import io
import logging
import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Final, TextIO

from molweight.datasets._columns import find_smiles
from molweight.datasets._frames import parquet_smiles
from molweight.datasets._header import headed
from molweight.datasets._no_molecules import NoMoleculesError
from molweight.datasets._read_sdf import LONGEST_RECORD, structure
from molweight.datasets._table import (
    TextTable,
    blank_comments,
    find_delimiter,
    fit_record,
    lines_of_cells,
)
from molweight.datasets._text import not_text, open_unpacked, reading
from molweight.errors import ConfigError, DataError, Message, mention
from molweight.graphs.internal import Record

__all__ = [
    "content_digest",
    "decoded",
    "delimited",
    "is_molecule_file",
    "read_records",
    "records_key",
    "sd_records",
    "smiles_place",
    "text_lines",
]

_MARKED: Final = "molweight.marked"
"""Name of the error handler that keeps bytes which are not valid in an encoding recognisable."""
_SURROGATES: Final = 0xDC00
_UNDECODED: Final = re.compile("[\udc00-\udcff]")
_log = logging.getLogger(__name__)
_LISTS: Final = frozenset({".smi", ".smiles", ".txt"})
_TABLES: Final = frozenset({".csv", ".tsv"})
_STRUCTURES: Final = frozenset({".sdf", ".sd"})
_PARQUET: Final = frozenset({".parquet", ".pq"})
_KNOWN: Final = _LISTS | _TABLES | _STRUCTURES | _PARQUET
_PACKINGS: Final = frozenset({".gz", ".xz", ".bz2", ".zip"})
_LONGEST: Final = 1 << 20
"""Maximum line length in characters; a molecule of 65,535 atoms takes a fifth of that."""
_BLOCK: Final = 1 << 20
_PROBE: Final = 50
"""Number of records examined to find the delimiter and the SMILES column."""


def is_molecule_file(path: str | Path) -> bool:
    """Whether a name has the extension of a molecule file.

    Example:
        >>> is_molecule_file("mine.smi.gz"), is_molecule_file("zinc")
        (True, False)
    """
    return _kind(Path(path)) in _KNOWN


def _kind(path: Path) -> str:
    suffix = path.suffix.lower()
    return Path(path.stem).suffix.lower() if suffix in _PACKINGS else suffix


def records_key(path: str | Path) -> bytes:
    """A key of the records of a file: its checksum and its kind, because a table has a header and a list has none.

    Raises:
        DataError: If it cannot be read.
    """
    with reading(Path(path)), Path(path).open("rb") as stream:
        return _kind(Path(path)).encode() + hashlib.file_digest(stream, "sha256").digest()


def content_digest(path: str | Path) -> str:
    """SHA-256 of the decompressed content of a file, in hexadecimal digits.

    Raises:
        DataError: If it cannot be read or decompressed.
    """
    digest = hashlib.sha256()
    with reading(Path(path)), open_unpacked(Path(path)) as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def read_records(
    path: str | Path, smiles: str | None = None, delimiter: str | None = None, *, encoding: str | None = None
) -> Iterator[Record]:
    """The records of a list of SMILES, a table, or an SD file, depending on the extension.

    Lists are ``.smi``, ``.smiles``, ``.txt``; tables ``.csv``, ``.tsv``, ``.parquet``, ``.pq``; SD files ``.sdf``,
    ``.sd``. A list has a SMILES at the beginning of each line, optionally followed by a name. Blank lines are not
    records. Bytes that are not UTF-8 become U+FFFD, so that such a molecule is rejected; in a name they do not matter.
    A mol block that RDKit cannot read is a record with an empty SMILES. A table without a header is detected, as by
    :func:`molweight.datasets.from_file`.

    Args:
        path: The file; it may be compressed with gzip, xz or bzip2, except for Parquet.
        smiles: The SMILES column of a table; ``None`` to find it.
        delimiter: Separator of the cells of a table; ``None`` to find it.
        encoding: Encoding of text; ``None`` for UTF-8.

    Yields:
        Row and SMILES. Row numbers are those of a text editor: in text the header is row 1 and blank lines count, so
        that without a header the first molecule is in row 1; in SD and Parquet files records count from 1.

    Raises:
        DataError: If the file cannot be read, or is of another kind.
        NoMoleculesError: If it has no records, or no SMILES column.
    """
    path = Path(path)
    kind = _kind(path)
    if path.is_dir():
        raise DataError(f"{path}: is a folder. Name one file in it.")
    if kind not in _KNOWN:
        known = ", ".join(sorted(_KNOWN))
        raise DataError(
            f"{path}: files of molecules have the suffix {known}, compressed (.gz, .xz, .bz2, .zip) or not. Rename it."
        )
    row = 0
    with reading(path):
        for row, text in _numbered(path, kind, smiles, delimiter, encoding):
            yield row, text
    if row == 0:
        raise NoMoleculesError(f"{path}: the file contains no molecules. Give one SMILES per line.")


def _numbered(
    path: Path, kind: str, smiles: str | None, delimiter: str | None, encoding: str | None
) -> Iterator[Record]:
    if kind in _PARQUET:
        yield from enumerate(parquet_smiles(path, smiles), start=1)
        return
    with open_unpacked(path) as stream:
        text = decoded(path, stream, encoding)
        if kind in _TABLES:
            yield from _table(text, path, smiles, delimiter)
        else:
            yield from _list(text, path) if kind in _LISTS else _structures(text, path)


def _marked(error: UnicodeError) -> tuple[str, int]:
    """Undecodable bytes as lone surrogates, which no encoding gives; :func:`text_lines` refuses them."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(_SURROGATES + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_MARKED, _marked)


def decoded(path: Path, stream: io.BufferedReader, encoding: str | None, *, refuse: bool = False) -> io.TextIOWrapper:
    """The text of a stream, decoded as its byte-order mark says.

    Args:
        path: Its file, for messages.
        stream: The bytes.
        encoding: Name of the encoding; ``None`` for UTF-8 or that of the byte-order mark.
        refuse: Whether :func:`text_lines` refuses bytes that are not valid in the encoding instead of replacing them.

    Raises:
        DataError: If there is no such encoding.
    """
    if encoding is None and stream.peek(2).startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    try:
        errors = _MARKED if refuse else "replace"
        return io.TextIOWrapper(stream, encoding=encoding or "utf-8-sig", errors=errors, newline="")
    except (LookupError, UnicodeEncodeError) as error:  # the latter for an invalid name
        raise DataError(f"{path}: there is no encoding {encoding!r}. Common ones: utf-8, cp1252, utf-16.") from error


def _structures(text: io.TextIOWrapper, path: Path) -> Iterator[Record]:
    """The molecules of an SD file, a record at a time; blank records are left out."""
    from rdkit import rdBase

    with rdBase.BlockLogs():
        for number, lines in sd_records(text, path):
            yield number, structure(lines)[0]


def sd_records(text: TextIO, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number and lines of each record of an SD file that is not blank; only the beginning of a long one."""
    lines: list[str] = []
    number = 1
    for line in chain(text_lines(text, path), ["$$$$"]):
        if line.rstrip() != "$$$$":
            if len(lines) <= LONGEST_RECORD:  # the rest of a refused record is dropped
                lines.append(line.rstrip("\r\n"))
            continue
        if any(item.strip() for item in lines):
            yield number, lines
        lines, number = [], number + 1


def _list(text: io.TextIOWrapper, path: Path) -> Iterator[Record]:
    for row, line in enumerate(text_lines(text, path), start=1):
        words = line.split(maxsplit=1)
        if words:
            yield row, words[0]


def text_lines(text: TextIO, path: Path) -> Iterator[str]:
    """The lines, with a limit on their length.

    Args:
        text: The result of :func:`decoded`, or standard input.
        path: Its file, for messages.

    Yields:
        Each line with its end.

    Raises:
        DataError: If a line is longer, or has bytes that :func:`decoded` was told to refuse.
    """
    number, said = 0, False
    while line := text.readline(_LONGEST):
        number += 1
        if not line.isascii() and (wrong := _UNDECODED.search(line)):
            raise DataError(not_text(f"{path}, row {number}", ord(wrong[0]) - _SURROGATES, text.encoding or "utf-8"))
        if "\ufffd" in line and not said:
            _log.warning(
                "%s, row %d: has bytes that are not valid in its encoding; they are replaced by \ufffd. %s for files "
                "written by Excel on Windows.",
                *(path, number, Message(f"Name the encoding, e.g. {mention('encoding', 'cp1252')}")),
            )
            said = True
        if len(line) == _LONGEST:
            raise DataError(f"{path}, row {number}: has {_LONGEST} characters or more. Give one SMILES per line.")
        yield line


def _table(text: io.TextIOWrapper, path: Path, smiles: str | None, delimiter: str | None) -> Iterator[Record]:
    lines = text_lines(text, path)
    start, _ = blank_comments("".join(islice(lines, _PROBE)))
    probe = io.StringIO(start, newline="")
    records = delimited(chain(probe, lines), path, delimiter or find_delimiter(start))
    top = headed(list(islice(records, _PROBE)))
    if not top.names:
        return
    place = smiles_place(path, top.names, top.records, smiles)
    for line, cells in chain(top.records, records):
        fitting = cells if len(cells) == len(top.names) else fit_record(cells, top.names, f"{path}, row {line}")
        yield line, fitting[place].strip()


def smiles_place(path: Path, header: list[str], records: list[tuple[int, list[str]]], smiles: str | None) -> int:
    """Position of the SMILES column, determined from the first records and their rows.

    Raises:
        DataError: If one of them is longer or shorter than the header, or no column holds SMILES.
    """
    import pandas as pd

    names = list(header)
    fitting = [fit_record(cells, names, f"{path}, row {row}") for row, cells in records]
    probe = TextTable(str(path), pd.DataFrame(fitting, columns=names, dtype=object))
    column = find_smiles(probe) if smiles is None else smiles
    probe.cells(column)  # raises an error if the column is missing
    return names.index(column)


def delimited(lines: Iterable[str], path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The records that are not blank, each with its first line number."""
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise ConfigError(f"delimiter must be one character, got {delimiter!r}. Leave it out to detect it.")
    reader = lines_of_cells(lines, delimiter)
    line = 1
    try:
        for record in reader:
            if len(record) > 1 or (record and record[0].strip()):
                yield line, record
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{path}, row {reader.line_num}: cannot be read as a table ({error}). Check its quotes (double those "
            "inside cells), or name the right delimiter."
        ) from error
