"""A delimited table as text, with the row of the file each record begins in."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from molweight.datasets._header import blank_comments, is_headerless, made_up_names, preamble
from molweight.datasets._limits import check_rows
from molweight.datasets._text import read_text
from molweight.errors import ConfigError, DataError, mention, suggest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TextTable", "find_delimiter", "fit_record", "headed", "parse_table", "read_table", "table_of"]

_DELIMITERS: Final = ",\t;|"
_PROBE: Final = 50
"""Records looked at to find the delimiter."""
_PROBED: Final = 1 << 22
"""Characters in which they are looked for."""

Record = tuple[int, list[str]]
Codes = np.ndarray[tuple[int], np.dtype[np.intp]]


@dataclass(frozen=True)
class TextTable:
    """The cells of a table as they stand in the file.

    Args:
        source: What the table is called in messages: its path, or its name.
        frame: One column of text per column of the file. The index is the place at which a record stands, counted as a
            person does who opens the file: in delimited text the header stands in row 1, and blank rows count.
        unit: What places are called: ``"row"``, ``"record"``, ``"position"``.
        smiles: The column of the SMILES where the format says which it is.
        reasons: Why a record, by its position, holds no molecule, where its reader knows.
        notes: What was done to read it as a table, where that is not plain.
        remarks: Positions of records that describe the columns and hold no molecule.
    """

    source: str
    frame: "pd.DataFrame"
    unit: str = "row"
    smiles: str | None = None
    reasons: Mapping[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    remarks: frozenset[int] = frozenset()

    @property
    def columns(self) -> list[str]:
        """Names of the columns, in order."""
        return [str(column) for column in self.frame.columns]

    def cells(self, column: str) -> list[str]:
        """The text of a column, blanks around it removed.

        Raises:
            DataError: If there is no such column, or more than one.
        """
        self._check(column)
        return [cell.strip() for cell in self.frame[column]]

    def distinct(self, column: str) -> tuple[Codes, list[str]]:
        """The distinct texts of a column, blanks around them removed, and which of them each cell holds.

        Raises:
            DataError: If there is no such column, or more than one.
        """
        import pandas as pd

        self._check(column)
        codes, texts = pd.factorize(self.frame[column])
        return codes, [text.strip() for text in texts]

    def _check(self, column: str) -> None:
        count = self.columns.count(column)
        if count > 1:
            raise DataError(f"{self._header}: {count} columns are called {column!r}. Rename all but one.")
        if count == 0:
            listed = ", ".join(repr(name) for name in self.columns[:20]) + (", ..." if len(self.columns) > 20 else "")  # noqa: PLR2004 - as many as a reader takes in
            raise DataError(
                f"{self._header}: there is no column {column!r}{suggest(column, self.columns)} The "
                f"columns are {listed}. Name one of them."
            )

    def row(self, record: int) -> int:
        """The place of a record in the file, from its position."""
        return int(self.frame.index[record])

    def place(self, record: int, column: str) -> str:
        """Where a cell stands, for messages."""
        return f"{self.unit} {self.row(record)}, column {column!r}"

    @property
    def _header(self) -> str:
        return f"{self.source}, row 1" if self.unit == "row" else self.source


def read_table(
    path: str | Path,
    delimiter: str | None = None,
    encoding: str | None = None,
    *,
    header: bool | None = None,
    max_mb: float | None = None,
    max_rows: int | None = None,
) -> TextTable:
    """Read a delimited file; nothing is converted, and no record is dropped except blank lines.

    Args:
        path: The file; it may be packed with gzip, xz or bzip2.
        delimiter: What separates the cells; ``None`` to find it among comma, tab, semicolon and bar.
        encoding: Name of the encoding; ``None`` for UTF-8, or what the file's byte-order mark says.
        header: Whether the first record names the columns; ``None`` to find out.
        max_mb: Size of the text, unpacked, from which it is refused; ``None`` for the usual limit.
        max_rows: Rows from which it is refused; ``None`` for the usual limit.

    Returns:
        The table.

    Raises:
        DataError: If the file cannot be read as a table; the message names the row.
        ConfigError: If ``delimiter`` is not one character.
    """
    text = read_text(path, encoding, max_mb=max_mb)
    return parse_table(text, str(path), delimiter, header=header, max_rows=max_rows)


def parse_table(
    text: str,
    source: str,
    delimiter: str | None = None,
    *,
    header: bool | None = None,
    max_rows: int | None = None,
) -> TextTable:
    r""":func:`read_table` for text that is at hand.

    Args:
        text: The text of the file.
        source: What it is called in messages.
        delimiter: What separates the cells; ``None`` to find it.
        header: Whether the first record names the columns; ``None`` to find out.
        max_rows: Rows from which it is refused; ``None`` for the usual limit.

    Returns:
        The table.

    Raises:
        DataError: If the text cannot be read as a table; the message names the row.
        ConfigError: If ``delimiter`` is not one character.

    Example:
        >>> table = parse_table("smiles,y\r\n\r\nCCO ,1\r\n", "mine.csv")
        >>> table.columns, table.cells("smiles"), table.row(0)
        (['smiles', 'y'], ['CCO'], 3)
    """
    if delimiter is not None and len(delimiter) != 1:
        raise ConfigError(f"delimiter must be one character, got {delimiter!r}. Leave it out to have it found.")
    text, comments = blank_comments(text)
    records = _records(text, source, delimiter or find_delimiter(text))
    table = table_of(records, source, header=header, max_rows=max_rows)
    said = (f"{comments} line{'s' * (comments > 1)} of comments above the header left out",) if comments else ()
    return replace(table, notes=(*said, *table.notes))


def table_of(
    records: Iterable[Record], source: str, *, header: bool | None = None, max_rows: int | None = None
) -> TextTable:
    """The table of some records, each with its row.

    Args:
        records: The records, none of them blank.
        source: What the table is called in messages.
        header: Whether the first record names the columns; ``None`` to find out.
        max_rows: Rows from which it is refused, before the others are read; ``None`` for the usual limit.

    Returns:
        The table.

    Raises:
        DataError: If there is no molecule, or a record is not as long as the header.
    """
    import pandas as pd

    pending = iter(records)
    top = headed(list(islice(pending, _PROBE)), header=header)
    lines, rows = [], []
    for line, record in chain(top.records, pending):
        lines.append(line)
        rows.append(fit_record(record, top.names, f"{source}, row {line}"))
        check_rows(source, len(rows), max_rows)
    if not rows:
        raise DataError(f"{source}: only row {top.row}, a header, and no molecules. Add one row per molecule.")
    frame = pd.DataFrame(rows, index=pd.Index(lines, name="row"), columns=top.names, dtype=object)
    return TextTable(source, frame, notes=top.notes)


class Headed(NamedTuple):
    """The top of a table.

    Args:
        records: The first records below the header.
        names: Names of the columns.
        row: Row of the header; 0 without one.
        notes: What was done, in words.
    """

    records: list[Record]
    names: list[str]
    row: int
    notes: tuple[str, ...]


def headed(start: list[Record], *, header: bool | None = None) -> Headed:
    """The first records of a table without its header and what stands above it.

    Args:
        start: The first records.
        header: Whether the first of them names the columns; ``None`` to find out.

    Returns:
        The records and the names.
    """
    skipped = 0 if header is False else preamble([cells for _, cells in start])
    row, first = start[skipped] if start else (1, [])
    rest = start[skipped + 1 :]
    cells = [cells for _, cells in rest]
    said = (f"{skipped} row{'s' * (skipped > 1)} above the header left out",) if skipped else ()
    if header is False or (header is None and is_headerless(first, cells)):
        note = (
            f"row {row} ({', '.join(first)[:60]}) is a molecule: read without a header "
            f"({mention('header', value=True)} if it is one)"
        )
        return Headed(start[skipped:], made_up_names([first, *cells]), 0, (*said, note) if header is None else said)
    return Headed(rest, [name.strip() for name in first], row, said)


def _records(text: str, source: str, delimiter: str) -> Iterator[Record]:
    """The records that are not blank, each with the line it begins in."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for record in reader:
            if len(record) > 1 or (record and record[0].strip()):
                yield line, record
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{source}, row {line}: cannot be read as a table ({error}). Close or double the quotes in it, or name the "
            "right delimiter."
        ) from error


def fit_record(record: list[str], header: list[str], where: str) -> list[str]:
    """The record, without empty cells beyond the header.

    Raises:
        DataError: If the record has another length: nobody can tell which of its cells belong to which column.
    """
    if len(record) > len(header) and not any(cell.strip() for cell in record[len(header) :]):
        record = record[: len(header)]
    if len(record) != len(header):
        raise DataError(
            f"{where}: has {len(record)} cells where the header has {len(header)}. Quote cells that hold the "
            "delimiter, or name the right delimiter."
        )
    return record


def find_delimiter(text: str) -> str:
    """The delimiter under which the first records all are as long as the header, and longest; a comma otherwise.

    A blank is one only where nothing else is, and every record has as many of them.
    """
    start = text[:_PROBED]
    widths = {delimiter: _regular_width(start, delimiter) for delimiter in _DELIMITERS}
    if not any(width for _, width in widths.values()) and _regular_width(start, " ")[0] == 1.0:
        return " "
    if widths[","] == (0.0, 0):  # a single column, perhaps
        return max(_DELIMITERS, key=lambda delimiter: (widths[delimiter], delimiter == ","))
    return max("\t;,|", key=lambda delimiter: widths[delimiter])  # of equals not the comma: it may be in the numbers


def _regular_width(text: str, delimiter: str) -> tuple[float, int]:
    """Share of the first records that are as long as the header, and that length; nothing for a single column."""
    try:
        records = [record for _, record in islice(_records(text, "", delimiter), _PROBE)]
    except DataError:
        return (0.0, 0)
    widths = [len(record) for record in records]
    widths = widths[preamble(records) :]
    if not widths or widths[0] == 1:
        return (0.0, 0)
    return (sum(width == widths[0] for width in widths) / len(widths), widths[0])
