"""Files with one SMILES per line, optionally followed by a name or values."""

import re
from pathlib import Path
from typing import Final

from molweight.datasets._header import told_apart
from molweight.datasets._parse import parsable
from molweight.datasets._table import TextTable, parse_table
from molweight.datasets._text import check_rows, read_text
from molweight.errors import DataError

__all__ = ["header_of", "is_delimited", "names_first", "names_of", "parse_smi", "read_smi", "split_line"]

_LINE: Final = re.compile(r"\r\n|\n|\r")
_EXTENSION: Final = re.compile(r"(\S+ \|[^|]*\|)(\s.*)?")
"""A SMILES with a ChemAxon extension between bars, which is part of it."""

_PROBE: Final = 20
"""Number of lines examined to see whether they are delimited."""
_MOST: Final = 0.8
"""Minimum share of SMILES among texts that count as a list of SMILES."""
_HEADERS: Final = ("smiles", "smi", "canonical_smiles", "isomeric_smiles")


def read_smi(
    path: str | Path, encoding: str | None = None, *, max_mb: float | None = None, max_rows: int | None = None
) -> TextTable:
    """Read a file with one SMILES a line.

    Args:
        path: The file; it may be compressed with gzip, xz or bzip2.
        encoding: Name of the encoding; ``None`` for UTF-8, or the encoding given by the file's byte-order mark.
        max_mb: Maximum uncompressed size in MB; ``None`` for the default limit.
        max_rows: Maximum number of rows; ``None`` for the default limit. Checked before the rows are read.

    Returns:
        The table; its rows are the lines of the file.

    Raises:
        DataError: If the file cannot be read, or contains no molecules.
    """
    text = read_text(path, encoding, max_mb=max_mb)
    check_rows(str(path), text.count("\n"), max_rows)
    return parse_smi(text, str(path))


def parse_smi(text: str, source: str) -> TextTable:
    r""":func:`read_smi` for a text in memory.

    A line is a SMILES, optionally followed by a blank or tab and a ``name``, or cells separated by tabs. A first line
    that begins with the word "smiles" names the columns; if it is separated by blanks, so are the cells, of which the
    last one may contain blanks. If it contains a comma or semicolon, or names precede the SMILES, the file is read as a
    delimited table.

    Args:
        text: The text of the file.
        source: Its name in messages.

    Returns:
        The table, with the SMILES in the column ``smiles`` unless the first line gives another name.

    Raises:
        DataError: If there are no molecules.

    Example:
        >>> table = parse_smi("CCO ethyl alcohol\n\nC1CC |c:1| x\n", "mine.smi")
        >>> table.cells("smiles"), table.cells("name"), table.row(1)
        (['CCO', 'C1CC |c:1|'], ['ethyl alcohol', 'x'], 3)
    """
    import pandas as pd

    lines = [(row, line.strip()) for row, line in enumerate(_LINE.split(text), start=1) if line.strip()]
    start = [line for _, line in lines[:_PROBE]]
    if re.search("[,;]", start[0]) and (_begins_header(start[0]) or is_delimited(start)):
        return parse_table(text, source)
    if names_first([line for _, line in lines]):
        return parse_table(text, source, "\t" if "\t" in lines[-1][1] else " ")
    header = header_of(start[0])
    lines = lines[1:] if header else lines
    if not lines:
        raise DataError(f"{source}: only a header in row 1, and no molecules. Add one SMILES per line.")
    tabs = any("\t" in line for _, line in lines[:50])
    cells = [split_line(line, tabs, len(header)) for _, line in lines]
    width = max(len(header), *map(len, cells))
    names, renamed = told_apart(names_of(header, width))
    padded = [item + [""] * (width - len(item)) for item in cells]
    index = pd.Index([row for row, _ in lines], name="row")
    frame = pd.DataFrame(padded, index=index, columns=names, dtype=object)
    return TextTable(source, frame, smiles=names[0], notes=tuple(renamed))


def names_of(header: list[str], width: int) -> list[str]:
    """Names of the columns of a list of SMILES: given names, then generated ones.

    Example:
        >>> names_of(["SMILES"], 3)
        ['SMILES', 'name', 'column 3']
    """
    return [*header, *["smiles", "name", *(f"column {place}" for place in range(3, width + 1))][len(header) : width]]


def names_first(lines: list[str]) -> bool:
    """Whether the SMILES follow something else, such as a name, in the lines.

    Example:
        >>> names_first(["aspirin CC(=O)Oc1ccccc1C(=O)O", "ethanol CCO"]), names_first(["CCO CCN", "CCN CC"])
        (True, False)
    """
    cells = [[cell.strip("\"'") for cell in line.split(maxsplit=2)[:2]] for line in lines[1:][:_PROBE]]
    pairs = [pair for pair in cells if len(pair) > 1]
    if not pairs or len(pairs) < len(cells) or any(parsable([first for first, _ in pairs])):
        return False
    return sum(parsable([second for _, second in pairs])) > _MOST * len(pairs)


def is_delimited(lines: list[str]) -> bool:
    """Whether lines are delimited by commas or semicolons, with a molecule before the first one."""
    parts = [re.split("[,;]", line, maxsplit=1) for line in lines]
    split = sum(parsable([part[0].strip("\"' ") for part in parts if len(part) > 1]))
    whole = sum(parsable([line.split()[0] for line in lines]))
    return 2 * split > len(lines) and split > whole


def header_of(line: str) -> list[str]:
    r"""The names in a first line that begins with the word "smiles"; none in another line.

    Example:
        >>> header_of("SMILES id activity"), header_of("SMILES\tcommon name"), header_of("CCO ethanol")
        (['SMILES', 'id', 'activity'], ['SMILES', 'common name'], [])
    """
    return re.split(r"\t" if "\t" in line else r"\s+", line) if _begins_header(line) else []


def _begins_header(line: str) -> bool:
    return re.split(r"[,;\s]", line, maxsplit=1)[0].strip("\"'").lower() in _HEADERS


def split_line(line: str, tabs: bool, names: int = 2) -> list[str]:
    r"""The SMILES of a line, with its extension, and the cells after it.

    Args:
        line: The line, without surrounding blanks.
        tabs: Whether tabs separate the cells of the file.
        names: Number of names in a header separated by blanks: the number of cells in a line, at least two.

    Returns:
        The cells; the last one may contain blanks.

    Example:
        >>> split_line("CC |$;_R1$| a radical", tabs=False), split_line("CC |$;_R1$|\tm6\t1.8", tabs=True)
        (['CC |$;_R1$|', 'a radical'], ['CC |$;_R1$|', 'm6', '1.8'])
    """
    most = 1 if tabs else max(names, 2) - 1
    extended = _EXTENSION.fullmatch(line)
    if extended is None:
        return line.split("\t") if tabs and "\t" in line else line.split(maxsplit=most)
    rest = extended[2] or ""
    cells = rest.removeprefix("\t").split("\t") if tabs and "\t" in rest else rest.split(maxsplit=most - 1)
    return [extended[1], *(cell.strip() for cell in cells)]
