"""The rows of a file of any size with all their cells, one record at a time."""

import io
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple, TextIO

from molweight.datasets._columns import find_smiles
from molweight.datasets._formulas import refuse_formulas
from molweight.datasets._frames import parquet_rows
from molweight.datasets._from_file import Reading, format_of, read_any
from molweight.datasets._header import Record, headed, smiles_rank, told_apart
from molweight.datasets._numbers import Decimal
from molweight.datasets._read_sdf import FIELD, TAKEN, named_values, structure
from molweight.datasets._read_smi import header_of, is_delimited, names_first, names_of, split_line
from molweight.datasets._records import decoded, delimited, sd_records, smiles_place, text_lines
from molweight.datasets._table import blank_comments, find_delimiter, fit_record
from molweight.datasets._text import open_unpacked, reading
from molweight.errors import DataError

__all__ = ["MoleculeRows", "read_rows"]

_PROBE: Final = 50
"""Number of lines or records examined to find columns."""
_LONGEST: Final = 1 << 20
"""Number of characters of a line that are read at once."""


class MoleculeRows(NamedTuple):
    """A table that is read lazily.

    Args:
        columns: Names of its columns.
        smiles: Position of the SMILES column, from 0.
        rows: Row number as shown by a text editor, and cells, one per column.
        decimals: Decimal signs of the columns that a model reads as features.
    """

    columns: list[str]
    smiles: int
    rows: Iterator[Record]
    decimals: Mapping[str, Decimal] = MappingProxyType({})


def read_rows(path: str | Path, smiles: str | None = None, how: Reading | None = None) -> MoleculeRows:
    r"""The rows of a file of molecules, in any format of :func:`molweight.datasets.from_file`.

    Text, SD and Parquet files are streamed, so memory does not grow with the file; a spreadsheet is held in memory. A
    list of SMILES has the columns ``smiles`` and, if anything follows the SMILES in any line, ``name``; an SD file has
    ``structure``, ``title`` and the names of its values. Standard input and pipes are read only once, so a list there
    has the column ``name`` also if its first 50 lines have no names and more lines follow.

    Args:
        path: The file, optionally compressed with gzip, xz or bzip2; ``"-"`` for standard input with a list or a text
            table.
        smiles: The SMILES column; ``None`` to find it.
        how: Reading options; ``None`` to detect everything.

    Returns:
        The columns, and an iterator over the rows.

    Raises:
        DataError: If the file cannot be read, has bytes that are not valid in its encoding, or contains no molecules.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "mine.csv").write_text("id,smiles\n7,CCO\n9,C\n")
        ...     table = read_rows(Path(folder, "mine.csv"))
        ...     table.columns, table.smiles, list(table.rows)
        (['id', 'smiles'], 1, [(2, ['7', 'CCO']), (3, ['9', 'C'])])
    """
    records = _guarded(Path(path), smiles, how or Reading())
    place, columns = next(records)
    return MoleculeRows(columns, place, records)


def _guarded(path: Path, smiles: str | None, how: Reading) -> Iterator[Record]:
    """Position of the SMILES column with the names of all columns, followed by the rows."""
    if path.is_dir():
        raise DataError(f"{path}: is a folder. Name one file in it.")
    count = 0
    with reading(path):
        for record in _records(path, smiles, how):
            count += 1
            yield record
    if count <= 1:
        raise DataError(f"{path}: the file contains no molecules. Give one SMILES per line.")


def _records(path: Path, smiles: str | None, how: Reading) -> Iterator[Record]:
    kind = how.file_format or format_of(path)
    if str(path) == "-":
        with _standard_input(how.encoding) as text:
            yield from _text(text, path, smiles, how, listed=True)
    elif kind == "parquet":
        yield from parquet_rows(path, smiles)
    elif kind == "excel":
        yield from _whole(path, smiles, how)
    else:
        with open_unpacked(path) as stream, decoded(path, stream, how.encoding, refuse=True) as text:
            if kind == "sdf":
                yield from _structures(text, path, _field_names(path, how))
            else:
                listed = kind == "smi" or ".txt" in path.suffixes
                yield from _text(text, path, smiles, how, listed=listed)


@contextmanager
def _standard_input(encoding: str | None) -> Iterator[TextIO]:
    """Standard input, decoded like a file, regardless of the encoding of the terminal."""
    raw = getattr(sys.stdin, "buffer", None)
    if raw is None:  # a replacement text stream may have no buffer
        yield sys.stdin
        return
    text = decoded(Path("-"), raw, encoding, refuse=True)
    try:
        yield text
    finally:
        text.detach()


def _whole(path: Path, smiles: str | None, how: Reading) -> Iterator[Record]:
    """A file read into memory."""
    table = read_any(path, how)
    column = find_smiles(table) if smiles is None else smiles
    table.cells(column)  # raises an error if the column is missing
    refuse_formulas(table, column)
    yield table.columns.index(column), table.columns
    for row, cells in zip(table.frame.index, table.frame.to_numpy(dtype=object).tolist(), strict=True):
        yield int(row), cells


def _text(text: TextIO, path: Path, smiles: str | None, how: Reading, *, listed: bool) -> Iterator[Record]:
    """Delimited text or a list of SMILES, determined by the first lines if the file name is ambiguous."""
    lines = text_lines(text, path)
    start = list(islice(lines, _PROBE))
    if listed and how.delimiter is None and smiles is None and not _is_table(start):
        yield from _list(start, lines, partial(_has_later_names, path, how))
    else:
        yield from _table(start, lines, path, smiles, how)


def _is_table(start: list[str]) -> bool:
    """Whether the first lines are a table: a header with several names, commas, or names before the SMILES."""
    filled = [line.strip() for line in start if line.strip() and not line.startswith("#")]
    if names_first(filled):
        return True
    if not filled or not re.search(r"[,;\t|]", filled[0]):
        return False
    header = [cell.strip("\"' ") for cell in re.split(r"[,;\t|]", filled[0])]
    return any(smiles_rank(cell) is not None for cell in header) or is_delimited(filled[:20])


def _list(start: list[str], lines: Iterator[str], has_later_names: Callable[[int], bool]) -> Iterator[Record]:
    tabs = any("\t" in line for line in start)
    filled = [(row, line.strip()) for row, line in enumerate(start, start=1) if line.strip()]
    header = header_of(filled[0][1]) if filled else []
    filled = filled[1:] if header else filled
    width = max([len(header), 1, *(len(split_line(line, tabs, len(header))) for _, line in filled)])
    if width == 1 and has_later_names(len(start)):  # with two columns, all that follows the SMILES has a place
        width = 2
    names, _ = told_apart(names_of(header, width))
    yield 0, names
    rest = ((row, line.strip()) for row, line in enumerate(lines, start=len(start) + 1))
    for row, line in chain(filled, rest):
        if line:
            cells = split_line(line, tabs, len(header))
            joined = [*cells[: width - 1], " ".join(cells[width - 1 :])] if len(cells) > width else cells
            yield row, joined + [""] * (width - len(joined))


def _has_later_names(path: Path, how: Reading, seen: int) -> bool:
    """Whether anything follows the SMILES in a line of a list after the first ones.

    What can be read only once may have names if it has more lines.

    Args:
        path: The file.
        how: Reading options.
        seen: Number of first lines, which have no names.
    """
    if seen < _PROBE:
        return False
    if str(path) == "-" or not path.is_file():
        return True
    with open_unpacked(path) as stream, decoded(path, stream, how.encoding, refuse=True) as text:
        lines = iter(partial(text.readline, _LONGEST), "")  # longer lines are refused when the rows are read
        return any(len(split_line(line.strip(), tabs=False)) > 1 for line in islice(lines, seen, None))


def _table(start: list[str], lines: Iterable[str], path: Path, smiles: str | None, how: Reading) -> Iterator[Record]:
    plain, _ = blank_comments("".join(start))
    if not plain.strip():
        return
    delimiter = how.delimiter or find_delimiter(plain)
    records = delimited(chain(io.StringIO(plain, newline=""), lines), path, delimiter)
    top = headed(list(islice(records, _PROBE)), header=how.header)
    if not top.records:
        return
    yield smiles_place(path, top.names, top.records, smiles), top.names
    for line, cells in chain(top.records, records):
        yield line, cells if len(cells) == len(top.names) else fit_record(cells, top.names, f"{path}, row {line}")


def _field_names(path: Path, how: Reading) -> list[str]:
    """Names of the values of an SD file, in the order in which they first appear."""
    with open_unpacked(path) as stream, decoded(path, stream, how.encoding, refuse=True) as text:
        lines = text_lines(text, path)
        found = (FIELD.fullmatch(line.rstrip()) for line in lines if line.startswith(">"))
        return list(dict.fromkeys(TAKEN.get(match[1], match[1]) for match in found if match))


def _structures(text: TextIO, path: Path, fields: list[str]) -> Iterator[Record]:
    """The records of an SD file that are not blank, one at a time."""
    from rdkit import rdBase

    names = ["structure", "title", *fields]
    yield 0, names
    with rdBase.BlockLogs():
        for number, lines in sd_records(text, path):
            values = {"structure": structure(lines)[0], "title": lines[0].strip(), **named_values(lines)}
            yield number, [values.get(name, "") for name in names]
