"""Parsing of delimited text: detection of the delimiter and the header, and reading of the records."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from molweight.arrays import Int64Array
from molweight.datasets._header import Record, headed, names_smiles, preamble
from molweight.datasets._text import check_rows, read_text
from molweight.errors import ConfigError, DataError, suggest

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "TextTable",
    "blank_comments",
    "find_delimiter",
    "fit_record",
    "lines_of_cells",
    "parse_table",
    "read_table",
    "table_of",
]


_COMMENTS: Final = ("#", "//")
_OTHERS: Final = {
    **dict.fromkeys(("{", "[{"), "JSON"),
    **dict.fromkeys(("<?xml", "<!doctype", "<html", "<table", "<datawarrior"), "HTML or XML"),
}
"""Initial bytes of files that are not text tables."""
_LONGEST_CELL: Final = 1 << 24
"""Maximum length of a cell in characters."""
_DELIMITERS: Final = ",\t;|"
_PROBE: Final = 50
"""Number of records examined to find the delimiter."""
_PROBED: Final = 1 << 22
"""Number of characters searched for them."""
_START: Final = 60
"""Number of characters that say whether a file is JSON, HTML or XML."""


def blank_comments(text: str) -> tuple[str, int]:
    r"""A table without the comments above its header; blank lines replace them, so that row numbers do not change.

    A header that is itself written as a comment (``#smiles,y``) is kept.

    Args:
        text: The text of the file.

    Returns:
        The text, and the number of comment lines.

    Example:
        >>> blank_comments("# by me\n#smiles,y\nC,1\n")
        ('\nsmiles,y\nC,1\n', 1)
    """
    lines = re.split(r"(\r\n|\n|\r)", text)  # lines at even positions, line ends at odd ones
    last, count, kept = 0, 0, ""
    for place in range(0, len(lines), 2):
        if lines[place].strip() and not lines[place].lstrip().startswith(_COMMENTS):
            break
        if lines[place].strip():
            last, count = place, count + 1
            lines[place], kept = "", lines[place].lstrip("\ufeff #/\t")
    cells = re.split(r"[,;\t|]", kept)
    if any(names_smiles(cell) for cell in cells):
        lines[last], count = kept, count - 1
    return "".join(lines), count


@dataclass(frozen=True)
class TextTable:
    """The cells of a table as written in the file.

    Args:
        source: Name of the table in messages: its path, or its name.
        frame: One column of text per column of the file. The index is the row number shown by a text editor: in
            delimited text the header is in row 1, and blank rows count.
        unit: Name of a row in messages: ``"row"``, ``"record"``, ``"position"``.
        smiles: The SMILES column, if the format defines it.
        reasons: Reasons for records without a molecule, by position, if the reader knows them.
        notes: Notes on how it was read, if that is not obvious.
        remarks: Positions of records that describe the columns and contain no molecule.
        units: Units of columns, from a record that describes them.
        formulas: By column, the rows of a workbook with a formula but no stored value.
    """

    source: str
    frame: "pd.DataFrame"
    unit: str = "row"
    smiles: str | None = None
    reasons: Mapping[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    remarks: frozenset[int] = frozenset()
    units: Mapping[str, str] = field(default_factory=dict)
    formulas: Mapping[str, Sequence[int]] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """Names of the columns, in order."""
        return [str(column) for column in self.frame.columns]

    def cells(self, column: str) -> list[str]:
        """The text of a column, without surrounding blanks.

        Raises:
            DataError: If there is no such column.
        """
        self._check(column)
        return [cell.strip() for cell in self.frame[column]]

    def distinct(self, column: str) -> tuple[Int64Array, list[str]]:
        """The distinct texts of a column, without surrounding blanks, and the index of each cell's text.

        Raises:
            DataError: If there is no such column.
        """
        import pandas as pd

        self._check(column)
        codes, written = pd.factorize(self.frame[column])
        of_texts, texts = pd.factorize(np.array([text.strip() for text in written], dtype=object))
        return of_texts[codes], texts.tolist()

    def _check(self, column: str) -> None:
        if column not in self.columns:
            listed = ", ".join(repr(name) for name in self.columns[:20]) + (", ..." if len(self.columns) > 20 else "")  # noqa: PLR2004 - as many as a reader takes in
            raise DataError(
                f"{self._header}: there is no column {column!r}{suggest(column, self.columns)} The "
                f"columns are {listed}. Name one of them."
            )

    def row(self, record: int) -> int:
        """The row number of a record in the file, from its position."""
        return int(self.frame.index[record])

    def place(self, record: int, column: str) -> str:
        """The location of a cell, for messages."""
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
    """Read a delimited file as text; no record is dropped except blank lines.

    Args:
        path: The file; it may be compressed with gzip, xz or bzip2.
        delimiter: Separator of the cells; ``None`` to find it among comma, tab, semicolon and bar.
        encoding: Name of the encoding; ``None`` for UTF-8, or the encoding given by the file's byte-order mark.
        header: Whether the first record names the columns; ``None`` to detect it.
        max_mb: Maximum uncompressed size in MB; ``None`` for the default limit.
        max_rows: Maximum number of rows; ``None`` for the default limit.

    Returns:
        The table.

    Raises:
        DataError: If the file cannot be read as a table; the message names the row.
        ConfigError: If ``delimiter`` is not one character.
    """
    text = read_text(path, encoding, max_mb=max_mb)
    start = text[:_START].lstrip("\ufeff \r\n").lower()
    other = next((name for sign, name in _OTHERS.items() if start.startswith(sign)), "")
    if other:
        raise DataError(f"{path}: holds {other}, not rows of cells. Export the table as CSV.")
    return parse_table(text, str(path), delimiter, header=header, max_rows=max_rows)


def parse_table(
    text: str,
    source: str,
    delimiter: str | None = None,
    *,
    header: bool | None = None,
    max_rows: int | None = None,
) -> TextTable:
    r""":func:`read_table` for a text in memory.

    Args:
        text: The text of the file.
        source: Its name in messages.
        delimiter: Separator of the cells; ``None`` to find it.
        header: Whether the first record names the columns; ``None`` to detect it.
        max_rows: Maximum number of rows; ``None`` for the default limit.

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
        raise ConfigError(f"delimiter must be one character, got {delimiter!r}. Leave it out to detect it.")
    comments = 0
    if text.lstrip("\ufeff \t\r\n").startswith(_COMMENTS):
        text, comments = blank_comments(text)
    records = _records(text, source, delimiter or find_delimiter(text))
    table = table_of(records, source, header=header, max_rows=max_rows)
    said = (f"{comments} line{'s' * (comments > 1)} of comments above the header skipped",) if comments else ()
    return replace(table, notes=(*said, *table.notes))


def table_of(
    records: Iterable[Record], source: str, *, header: bool | None = None, max_rows: int | None = None
) -> TextTable:
    """A table from records with their rows.

    Args:
        records: The records, none of them blank.
        source: Name of the table in messages.
        header: Whether the first record names the columns; ``None`` to detect it.
        max_rows: Maximum number of rows; ``None`` for the default limit. Checked before the rows are read.

    Returns:
        The table.

    Raises:
        DataError: If there is no molecule, or a record's length differs from the header's.
    """
    import pandas as pd

    pending = iter(records)
    top = headed(list(islice(pending, _PROBE)), header=header)
    lines, rows, again = [], [], list[int]()
    for line, record in chain(top.records, pending):
        if record[0].strip() == top.names[0] and [cell.strip() for cell in record] == top.names and top.row:
            again.append(line)
            continue
        lines.append(line)
        fits = len(record) == len(top.names)
        rows.append(record if fits else fit_record(record, top.names, f"{source}, row {line}"))
        check_rows(source, len(rows), max_rows)
    if not rows:
        raise DataError(f"{source}: only a header in row {top.row}, and no molecules. Add one row per molecule.")
    frame = pd.DataFrame(rows, index=pd.Index(lines, name="row"), columns=top.names, dtype=object)
    more = f" ({len(again)} such rows)" if len(again) > 1 else ""
    said = [f"row {again[0]} repeats the header and is skipped{more}"] if again else []
    return TextTable(source, frame, notes=(*top.notes, *said))


def lines_of_cells(lines: Iterable[str], delimiter: str) -> Any:
    """A reader of delimited text that is strict with quotes and allows long cells."""
    if csv.field_size_limit() < _LONGEST_CELL:
        csv.field_size_limit(_LONGEST_CELL)  # a global setting: readers have no limit of their own
    return csv.reader(lines, delimiter=delimiter, strict=True)


def _records(text: str, source: str, delimiter: str) -> Iterator[Record]:
    """The records that are not blank, each with its first line number."""
    reader = lines_of_cells(io.StringIO(text, newline=""), delimiter)
    line = 1
    try:
        for record in reader:
            if len(record) > 1 or (record and record[0].strip()):
                yield line, record
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{source}, row {line}: cannot be read as a table ({error}). Check its quotes (double those inside cells), "
            "or name the right delimiter."
        ) from error


def fit_record(record: list[str], header: list[str], where: str) -> list[str]:
    """The record without empty cells beyond the header; for a remark between the rows, only its first cell is filled.

    Raises:
        DataError: If the record has another length, so its cells cannot be assigned to columns.
    """
    if len(record) > len(header) and not any(cell.strip() for cell in record[len(header) :]):
        record = record[: len(header)]
    if len(record) < len(header) and record[0].lstrip().startswith(_COMMENTS):
        record = record + [""] * (len(header) - len(record))
    if len(record) != len(header):
        many = len(record) > len(header)
        advice = "Quote cells that hold the delimiter" if many else "Write the delimiters of empty cells, too"
        raise DataError(
            f"{where}: has {len(record)} cells, but the header has {len(header)}. {advice}, or name the right "
            "delimiter."
        )
    return record


def find_delimiter(text: str) -> str:
    """The delimiter with which most of the first records have as many cells as the header; a comma if there is none.

    Ties are resolved by the larger number of cells. A blank is considered only if no other delimiter fits and every
    record has the same number of blanks.
    """
    start = text[:_PROBED]
    widths = {delimiter: _regular_width(start, delimiter) for delimiter in _DELIMITERS}
    if not any(width for _, width in widths.values()) and _are_blanks(start):
        return " "
    if not any(width for _, width in widths.values()):
        broken = [delimiter for delimiter in "\t;|" if _has_open_quotes(start, delimiter)]
        return broken[0] if broken else ","  # to be refused with a message
    if widths[","] == (0.0, 0):  # possibly a single column
        return max(_DELIMITERS, key=widths.__getitem__)  # ties go to the first, the comma
    return max("\t;,|", key=widths.__getitem__)  # ties do not go to the comma, which may be in numbers


def _has_open_quotes(text: str, delimiter: str) -> bool:
    """Whether text is a table with this delimiter apart from its quotes: each line has as many as the header."""
    lines = [line for line in text.splitlines()[:_PROBE] if line.strip()]
    count = lines[0].count(delimiter) if lines else 0
    return count > 0 and '"' in text and all(line.count(delimiter) == count for line in lines)


def _are_blanks(text: str) -> bool:
    """Whether all records have as many blanks as the header, or one more, as written by R."""
    try:
        records = [record for _, record in islice(_records(text, "", " "), _PROBE)]
    except DataError:
        return False
    first, *others = [len(record) for record in records[preamble(records) :]] or [0]
    return first > 1 and len({*others}) <= 1 and all(width - first in (0, 1) for width in others)


def _regular_width(text: str, delimiter: str) -> tuple[float, int]:
    """Share of the first records with the length of the header, and that length; zeros for a single column."""
    try:
        records = [record for _, record in islice(_records(text, "", delimiter), _PROBE)]
    except DataError:
        return (0.0, 0)
    widths = [len(record) for record in records]
    widths = widths[preamble(records) :]
    if not widths or widths[0] == 1:
        return (0.0, 0)
    return (sum(width == widths[0] for width in widths) / len(widths), widths[0])
