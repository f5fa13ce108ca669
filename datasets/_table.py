"""Parsing of delimited text: detection of the delimiter and the header, and reading of the records."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from molweight.arrays import Int64Array
from molweight.datasets._numbers import is_missing, read_numbers
from molweight.datasets._text import check_rows, read_text
from molweight.errors import ConfigError, DataError, mention, suggest

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "SMILES_NAMES",
    "TextTable",
    "blank_comments",
    "find_delimiter",
    "fit_record",
    "headed",
    "is_headerless",
    "lines_of_cells",
    "made_up_names",
    "parse_table",
    "preamble",
    "read_table",
    "smiles_rank",
    "table_of",
    "told_apart",
]

SMILES_NAMES: Final = (
    *("smiles", "isomeric_smiles", "canonical_smiles", "smi", "mol", "molecule", "structure", "compound"),
    *("rdkit_smiles", "std_smiles", "ligand_smiles"),
)
"""Names of SMILES columns, most likely first."""

_COMMENTS: Final = ("#", "//")
_OTHERS: Final = {
    **dict.fromkeys(("{", "[{"), "JSON"),
    **dict.fromkeys(("<?xml", "<!doctype", "<html", "<table", "<datawarrior"), "HTML or XML"),
}
"""Initial bytes of files that are not text tables."""
_MOST: Final = 10
"""Maximum number of lines above the header."""
_LOOKED_AT: Final = 30
"""Number of rows examined."""
_SHARE: Final = 0.8
_HALF: Final = 0.5
"""Minimum share of SMILES in a molecule column without a name."""
_SHOWN: Final = 5
"""Maximum number of repeated names in messages."""
_QUOTED: Final = 3
"""Maximum number of a row's cells in messages."""
_SENTENCE: Final = 60
"""Maximum length of a name; longer cells are sentences."""
_LONGEST_CELL: Final = 1 << 24
"""Maximum length of a cell in characters."""
_WORD: Final = re.compile(r"[A-Za-z_][\w .%/-]*")


def smiles_rank(name: str) -> int | None:
    """Rank of a name among those of SMILES columns, 0 for the most likely; ``None`` for other names.

    Example:
        >>> [smiles_rank(name) for name in ("SMILES", "IsomericSMILES", "PUBCHEM_EXT_DATASOURCE_SMILES", "y")]
        [0, 1, 11, None]
    """
    folded = re.sub(r"[ .-]+|(?<=[a-z])(?=SMILES)", "_", name.strip()).lower()
    if folded in SMILES_NAMES:
        return SMILES_NAMES.index(folded)
    return len(SMILES_NAMES) if "smiles" in folded else None


def _names_smiles(cell: str) -> bool:
    """Whether a cell is the name of a SMILES column, and not a sentence about it."""
    return smiles_rank(cell) is not None and len(cell) < _SENTENCE


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
    if any(_names_smiles(cell) for cell in cells):
        lines[last], count = kept, count - 1
    return "".join(lines), count


def preamble(records: Sequence[Sequence[str]]) -> int:
    """Number of records above the header: titles and remarks, with another length than the rest.

    Args:
        records: The first records.

    Returns:
        Their number; 0 if uncertain.

    Example:
        >>> preamble([["Solubility of drugs"], ["smiles", "y"], ["C", "1"], ["CC", "2"], ["CCC", "3"]])
        1
    """
    if not records:
        return 0
    if len(set(map(len, records))) == 1 and all(cell.strip() for record in records for cell in record):
        return 0  # no empty cells and equal row lengths: nothing is above the header
    groups = _groups(records)
    if groups:
        return groups
    width = Counter(map(_width, records)).most_common(1)[0][0]
    length = Counter(map(len, records)).most_common(1)[0][0]
    first = next((place for place, record in enumerate(records) if not _is_above(record, length, width)), 0)
    certain = (
        0 < first <= _MOST
        and width > 1
        and len(records) - first > max(first, 2)
        and all(width == _width(record) or length == len(record) for record in records[first:])
        and not any(_names_smiles(cell) for record in records[:first] for cell in record)
    )
    return first if certain else 0


def _groups(records: Sequence[Sequence[str]]) -> int:
    """Number of records above the one that names a SMILES column and has more names than each of them.

    Such records are titles, and names that span several columns.
    """
    for place, record in enumerate(records[: _MOST + 1]):
        filled = _filled(record)
        if any("smiles" in cell.lower() and _names_smiles(cell) for cell in record):
            above = records[:place]
            return place if filled == _width(record) and all(_filled(other) < filled for other in above) else 0
    return 0


def _filled(record: Sequence[str]) -> int:
    return sum(bool(cell.strip()) for cell in record)


def _is_above(record: Sequence[str], length: int, width: int) -> bool:
    """Whether a record cannot be a header: its length differs from the rest, or only one of several cells is filled."""
    return _width(record) != width and (len(record) != length or _filled(record) <= 1)


def _width(record: Sequence[str]) -> int:
    """Length of a record without trailing empty cells."""
    return max((place + 1 for place, cell in enumerate(record) if cell.strip()), default=0)


def is_headerless(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first record of a table is a molecule like the others, and not a header.

    This is so if it has a SMILES in the same column as the others, and numbers or empty cells in numeric columns.

    Args:
        first: The first record.
        rows: The records after it.

    Returns:
        Whether there is no header; ``False`` if uncertain.

    Example:
        >>> is_headerless(["CCO", "0.5"], [["CCC", "1.5"]]), is_headerless(["mol", "y"], [["CCC", "1.5"]])
        (True, False)
    """
    cells = [cell.strip() for cell in first]
    if not rows or not any(cells) or any(smiles_rank(cell) is not None for cell in cells):
        return False
    columns = [[row[place].strip() for row in rows[:_LOOKED_AT] if place < len(row)] for place in range(len(cells))]
    numeric = [place for place, column in enumerate(columns) if _holds_numbers(column)]
    if any(cells[place] and not is_missing(cells[place]) and not _numbers([cells[place]]) for place in numeric):
        return False
    texts = [place for place in range(len(cells)) if place not in numeric and cells[place]]
    molecules = [place for place in texts if _parsable(columns[place]) >= _HALF]
    if not molecules:
        return False
    if any(_parsable([cells[place]]) for place in molecules):
        return True
    measured = any(cells[place] and _numbers([cells[place]]) for place in numeric)
    return measured and not any(_WORD.fullmatch(cells[place]) for place in molecules)


def made_up_names(rows: Sequence[Sequence[str]]) -> list[str]:
    """Column names for a table without a header: ``smiles`` for the first SMILES column, numbers for the others.

    Example:
        >>> made_up_names([["7", "CCO", "0.5"], ["8", "CCC", "1.5"]])
        ['column 1', 'smiles', 'column 3']
    """
    names = [f"column {place + 1}" for place in range(len(rows[0]))]
    for place in range(len(names)):
        column = [row[place].strip() for row in rows[:_LOOKED_AT] if place < len(row)]
        if not _holds_numbers(column) and _parsable(column) >= _HALF:
            names[place] = "smiles"
            break
    return names


def _holds_numbers(column: Sequence[str]) -> bool:
    present = [cell for cell in column if not is_missing(cell)]
    return bool(present) and _numbers(present) >= _SHARE * len(present)


def _numbers(cells: Sequence[str]) -> int:
    return int(read_numbers(cells).readable.sum())


def _parsable(column: Sequence[str]) -> float:
    """Share of the cells that are SMILES."""
    from molweight.datasets._parse import parsable

    parsed = parsable([cell for cell in column if not is_missing(cell)])
    return sum(parsed) / len(parsed) if parsed else 0.0


_DELIMITERS: Final = ",\t;|"
_PROBE: Final = 50
"""Number of records examined to find the delimiter."""
_PROBED: Final = 1 << 22
"""Number of characters searched for them."""

Record = tuple[int, list[str]]


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
    """

    source: str
    frame: "pd.DataFrame"
    unit: str = "row"
    smiles: str | None = None
    reasons: Mapping[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    remarks: frozenset[int] = frozenset()
    units: Mapping[str, str] = field(default_factory=dict)

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
        codes, texts = pd.factorize(self.frame[column])
        return codes, [text.strip() for text in texts]

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
    start = text[:_SENTENCE].lstrip("\ufeff \r\n").lower()
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


class Headed(NamedTuple):
    """The header of a table and the first records.

    Args:
        records: The first records below the header.
        names: Names of the columns.
        row: Row of the header; 0 without one.
        notes: Notes, in words.
    """

    records: list[Record]
    names: list[str]
    row: int
    notes: tuple[str, ...]


def headed(start: list[Record], *, header: bool | None = None) -> Headed:
    """The first records of a table without its header and the lines above it.

    Args:
        start: The first records.
        header: Whether the first of them names the columns; ``None`` to detect it.

    Returns:
        The records and the names.
    """
    skipped = 0 if header is False else preamble([cells for _, cells in start])
    row, first = start[skipped] if start else (1, [])
    rest = start[skipped + 1 :]
    cells = [cells for _, cells in rest]
    said = (f"{skipped} row{'s' * (skipped > 1)} above the header skipped",) if skipped else ()
    if header is False or (header is None and is_headerless(first, cells)):
        quoted = ", ".join(
            cell if len(cell) <= _SENTENCE else f"{cell[: _SENTENCE - 3]}..." for cell in first[:_QUOTED]
        )
        note = (
            f"row {row} ({quoted}) is a molecule: read without a header ({mention('header', value=True)} if it is one)"
        )
        return Headed(start[skipped:], made_up_names([first, *cells]), 0, (*said, note) if header is None else said)
    names, renamed = told_apart([name.strip() for name in first])
    names, of_rows = _with_row_names(names, cells)
    return Headed(rest, names, row, (*said, *renamed, *of_rows))


def told_apart(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Unique names, and notes about repeated ones.

    Example:
        >>> told_apart(["smiles", "y", "y"])
        (['smiles', 'y', 'y (2)'], ["2 columns are called 'y': the second is read as 'y (2)'"])
    """
    taken, seen, found = set(names), set[str](), list[str]()
    following: dict[str, int] = {}
    for place, name in enumerate(names):
        new, number = name, following.get(name, 2) if name else place
        while new in seen or (new != name and new in taken):
            new = f"{name} ({number})" if name else f"Unnamed: {number}"
            number += 1
        if new != name:
            following[name] = number
        seen.add(new)
        found.append(new)
    counts = Counter(name for name, new in zip(names, found, strict=True) if name and new != name)
    said = [
        f"{count + 1} columns are called {name!r}: the second is read as {found[_second(names, name)]!r}"
        for name, count in list(counts.items())[:_SHOWN]
    ]
    return found, said


def _second(names: Sequence[str], name: str) -> int:
    return [place for place, other in enumerate(names) if other == name][1]


def _with_row_names(names: list[str], rows: Sequence[Sequence[str]]) -> tuple[list[str], list[str]]:
    """The names, with one more for row names, which R writes without a header."""
    place = next((number for number, name in enumerate(names) if _names_smiles(name)), None)
    longer = len(rows) > 1 and all(len(row) == len(names) + 1 for row in rows)
    if place is None or not longer or _parsable([row[place + 1] for row in rows[:_LOOKED_AT]]) < _SHARE:
        return names, []
    if _parsable([row[place] for row in rows[:_LOOKED_AT]]) >= _SHARE:
        return names, []  # the extra cell is at the end
    return ["", *names], ["rows have one cell more than the header: the first cell is read as a row name"]


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
