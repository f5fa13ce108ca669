"""Formulas in a workbook of Excel whose values are not stored: a program that does not calculate has written it."""

import posixpath
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final, NamedTuple
from xml.parsers import expat

from molweight.datasets._table import TextTable
from molweight.errors import DataError

__all__ = ["FormulaCell", "formulas_said", "refuse_formulas", "unstored_formulas", "with_formulas"]

_FORMULA: Final = re.compile(rb"<(\w+:)?f[\s/>]")
_BLOCK: Final = 1 << 20
_OVERLAP: Final = 64
"""Number of bytes of a block that are searched again with the next one."""
_REMEDY: Final = "Open the workbook in a spreadsheet program and save it there, or export the sheet as CSV."


class FormulaCell(NamedTuple):
    """The place of a cell.

    Args:
        row: Its row, counted from 1.
        column: Its column, counted from 0.
    """

    row: int
    column: int


def unstored_formulas(path: Path, sheet: str) -> list[FormulaCell]:
    """The cells of a sheet with a formula but no stored value, which readers take for empty cells.

    Args:
        path: The workbook; only .xlsx and .xlsm are examined.
        sheet: Name of the sheet.

    Returns:
        The cells, row by row.

    Raises:
        ExpatError: If a part of the workbook is not XML.
        ValueError: If a part declares entities, which no spreadsheet program does.
    """
    if not zipfile.is_zipfile(path):
        return []
    with zipfile.ZipFile(path) as archive:
        part = _part_of(archive, sheet)
        if part is None or not _mentions_formulas(archive, part):
            return []
        with archive.open(part) as stream:
            return _Cells().read(stream)


def with_formulas(table: TextTable, cells: Sequence[FormulaCell]) -> dict[str, tuple[int, ...]]:
    """The rows of a table with such formulas, by the name of their column.

    Args:
        table: The table.
        cells: The cells; those outside the rows of the table are left out.
    """
    rows, found = set(table.frame.index.tolist()), dict[str, tuple[int, ...]]()
    for cell in cells:
        if cell.row in rows and cell.column < len(table.columns):
            name = table.columns[cell.column]
            found[name] = (*found.get(name, ()), cell.row)
    return found


def formulas_said(rows: Sequence[int]) -> str:
    """The number of formulas without a stored value, the first of them, and the remedy.

    Args:
        rows: Their rows; at least one.

    Example:
        >>> formulas_said([3])
        '1 cell holds a formula without a stored value (row 3). Open the workbook in a spreadsheet program and save it
        there, or export the sheet as CSV.'
    """
    if len(rows) == 1:
        return f"1 cell holds a formula without a stored value (row {rows[0]}). {_REMEDY}"
    return f"{len(rows)} cells hold formulas without a stored value, the first in row {rows[0]}. {_REMEDY}"


def refuse_formulas(table: TextTable, smiles: str, labels: Sequence[str] = ()) -> None:
    """Refuse a table with such formulas in place of molecules or labels, which would count as missing.

    Args:
        table: The table.
        smiles: Its SMILES column.
        labels: Its label columns; in rows without a molecule, such as a row of sums, they do not count.

    Raises:
        DataError: If there is one.
    """
    if not table.formulas:
        return
    molecules = {table.row(record) for record, cell in enumerate(table.cells(smiles)) if cell}
    for name in dict.fromkeys([smiles, *labels]):
        found = table.formulas.get(name, ())
        rows = [row for row in found if name == smiles or row in molecules]
        if rows:
            raise DataError(f"{table.source}, column {name!r}: {formulas_said(rows)}")


def _part_of(archive: zipfile.ZipFile, sheet: str) -> str | None:
    """The part of a workbook that holds a sheet; ``None`` in another format."""
    names = set(archive.namelist())
    if not {"xl/workbook.xml", "xl/_rels/workbook.xml.rels"} <= names:
        return None
    for found in _elements(archive, "xl/workbook.xml", "sheet"):
        if found.get("name") == sheet:
            key = next((value for name, value in found.items() if name.endswith(":id")), "")
            for link in _elements(archive, "xl/_rels/workbook.xml.rels", "Relationship"):
                part = posixpath.normpath(posixpath.join("/xl", link.get("Target", ""))).lstrip("/")
                if link.get("Id") == key and part in names:
                    return part
    return None


def _elements(archive: zipfile.ZipFile, part: str, wanted: str) -> list[Mapping[str, str]]:
    """The attributes of all elements of one name."""
    found: list[Mapping[str, str]] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if _local(name) == wanted:
            found.append(attributes)

    parser = _parser()
    parser.StartElementHandler = start
    with archive.open(part) as stream:
        parser.ParseFile(stream)
    return found


def _mentions_formulas(archive: zipfile.ZipFile, part: str) -> bool:
    """Whether a part has an element for formulas; this saves parsing large sheets without one."""
    before = b""
    with archive.open(part) as stream:
        while block := stream.read(_BLOCK):
            if _FORMULA.search(before + block):
                return True
            before = block[-_OVERLAP:]
    return False


def _parser() -> expat.XMLParserType:
    """A parser that refuses entities, which could expand without bound."""
    parser = expat.ParserCreate()
    parser.EntityDeclHandler = _refuse_entity
    return parser


def _refuse_entity(name: str, *_: object) -> None:
    raise ValueError(f"it declares the entity {name!r}")


def _local(name: str) -> str:
    """The name of an element without its prefix."""
    return name.rpartition(":")[2]


class _Cells:
    """The state while a sheet is read: the place of the current cell and what it holds."""

    def __init__(self) -> None:
        """Start above the first row."""
        self.found: list[FormulaCell] = []
        self.row, self.column = 0, -1
        self.formula, self.value, self.inside = False, False, False

    def read(self, stream: IO[bytes]) -> list[FormulaCell]:
        """The cells with a formula and no value."""
        parser = _parser()
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._text
        parser.ParseFile(stream)
        return self.found

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        kind = _local(name)
        if kind == "row":
            self.row, self.column = int(attributes.get("r", self.row + 1)), -1
        elif kind == "c":
            self.column = _column(attributes["r"]) if "r" in attributes else self.column + 1
            # The value of a formula that gives text may be the empty text.
            self.formula, self.value = False, attributes.get("t") == "str"
        elif kind == "f":
            self.formula = True
        self.inside = kind == "v"

    def _text(self, text: str) -> None:
        self.value = self.value or (self.inside and bool(text.strip()))

    def _end(self, name: str) -> None:
        self.inside = False
        if _local(name) == "c" and self.formula and not self.value:
            self.found.append(FormulaCell(self.row, self.column))


def _column(reference: str) -> int:
    """The column of a cell from its reference, counted from 0.

    Example:
        >>> _column("A7"), _column("AB12")
        (0, 27)
    """
    number = 0
    for letter in reference.rstrip("0123456789").upper():
        number = 26 * number + ord(letter) - ord("A") + 1
    return number - 1
