"""Spreadsheets: one sheet of an Excel or OpenDocument file."""

import importlib.util
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple
from xml.parsers.expat import ExpatError

from molweight.datasets._formulas import FormulaCell, formulas_said, unstored_formulas, with_formulas
from molweight.datasets._table import TextTable, table_of
from molweight.datasets._text import check_rows, check_size, reading
from molweight.errors import ConfigError, DataError, mention, suggest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_excel"]

Engine = Literal["calamine", "openpyxl"]

_ENGINES: Final[dict[Engine, str]] = {"calamine": "python_calamine", "openpyxl": "openpyxl"}
"""Engines for reading spreadsheets with pandas, and the module of each."""
_DAMAGED: Final = (ValueError, KeyError, zipfile.BadZipFile, EOFError, OSError, TypeError, ExpatError)


class _Sheet(NamedTuple):
    """The cells of a sheet, the names of all sheets, and the cells with formulas whose value is not stored."""

    frame: "pd.DataFrame"
    names: list[str]
    formulas: list[FormulaCell]


def read_excel(
    path: str | Path,
    sheet: str | int = 0,
    *,
    header: bool | None = None,
    max_mb: float | None = None,
    max_rows: int | None = None,
) -> TextTable:
    """Read a sheet of a spreadsheet.

    Args:
        path: The file: .xlsx, .xlsm, .xls, .xlsb or .ods.
        sheet: Name of the sheet, or its number, counted from 0.
        header: Whether its first row names the columns; ``None`` to detect it.
        max_mb: Maximum uncompressed size in MB; ``None`` for the default limit.
        max_rows: Maximum number of rows; ``None`` for the default limit.

    Returns:
        The table; its rows have the numbers shown by a spreadsheet program.

    Raises:
        ConfigError: If no package for reading spreadsheets is installed.
        DataError: If the file cannot be read as a spreadsheet, or has no such sheet.
    """
    path = Path(path)
    engine = _engine(path)
    with reading(path):
        _check_unpacked(path, max_mb)
        found = _sheet(path, sheet, engine)
    check_rows(str(path), len(found.frame), max_rows)
    others = _other_sheets(sheet, found.names)
    try:
        table = table_of(_records(found.frame), str(path), header=header, max_rows=max_rows)
    except DataError as error:
        raise DataError(_explained(error, others, found.formulas)) from error
    formulas = with_formulas(table, found.formulas)
    said = [f"column {name!r}: {formulas_said(rows)} They are read as empty" for name, rows in formulas.items()]
    return replace(table, notes=(*others, *table.notes, *said), formulas=formulas)


def _explained(error: DataError, others: Sequence[str], formulas: Sequence[FormulaCell]) -> str:
    """The refusal of a sheet, with other sheets that may have been meant, and formulas that seem to be empty cells."""
    said = [f"{note[0].upper()}{note[1:]}." for note in others]
    if formulas:
        said.append(f"In this sheet, {formulas_said([cell.row for cell in formulas])}")
    return " ".join([error.message.text, *said])


def _other_sheets(sheet: str | int, names: Sequence[str]) -> list[str]:
    """A note if the first of several sheets is read because none is named."""
    if sheet != 0 or len(names) < 2:  # noqa: PLR2004 - several
        return []
    others = ", ".join(repr(name) for name in names[1:])
    return [f"reading sheet {names[0]!r}; not read: {others}. To choose another: {mention('sheet', names[1])}"]


def _engine(path: Path) -> Engine:
    """The installed pandas engine."""
    found = next((name for name, module in _ENGINES.items() if importlib.util.find_spec(module)), None)
    if found is None or (found == "openpyxl" and path.suffix.lower() not in (".xlsx", ".xlsm")):
        raise ConfigError(
            f"{path}: reading this spreadsheet needs a package that is not installed: pip install "
            "'molweight[excel]' (or python-calamine). Or save the table as CSV."
        )
    return found


def _check_unpacked(path: Path, max_mb: float | None) -> None:
    """Refuse a file whose parts are too large according to its directory, before they are decompressed."""
    with path.open("rb") as stream:
        if not stream.read(4).startswith(b"PK"):
            return
    try:
        with zipfile.ZipFile(path) as archive:
            check_size(str(path), sum(item.file_size for item in archive.infolist()), max_mb)
    except zipfile.BadZipFile as error:
        raise _damaged(path, error) from error


def _sheet(path: Path, sheet: str | int, engine: Engine) -> _Sheet:
    """Read one sheet."""
    import pandas as pd

    try:
        with pd.ExcelFile(path, engine=engine) as book:
            names = [str(name) for name in book.sheet_names]
            _check_sheet(path, sheet, names)
            frame = pd.read_excel(book, sheet, header=None, dtype=object, na_filter=False)
        return _Sheet(frame, names, unstored_formulas(path, names[sheet] if isinstance(sheet, int) else sheet))
    except DataError:
        raise
    except _library_errors(engine) as error:
        raise _damaged(path, error) from error


def _check_sheet(path: Path, sheet: str | int, names: list[str]) -> None:
    if sheet not in names and not (isinstance(sheet, int) and 0 <= sheet < len(names)):
        clause = suggest(str(sheet), names)
        raise DataError(f"{path}: there is no sheet {sheet!r}{clause} Its sheets are {', '.join(names)}.")


def _library_errors(engine: Engine) -> tuple[type[Exception], ...]:
    """Exceptions of the library for files that it cannot read."""
    if engine == "calamine":
        from python_calamine import CalamineError

        return (CalamineError, *_DAMAGED)
    return _DAMAGED


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{path}: cannot be read as a spreadsheet ({' '.join(str(error).split())}). Save it again, or as CSV."
    )


def _records(frame: "pd.DataFrame") -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, with the row numbers shown by a spreadsheet program."""
    for number, row in enumerate(frame.itertuples(index=False), start=1):
        cells = [_text(cell) for cell in row]
        if any(cells):
            yield number, cells


def _text(value: Any) -> str:
    """A cell as text; integers without a decimal point."""
    import pandas as pd

    if isinstance(value, str):
        return value.strip()
    if pd.isna(value):
        return ""
    return f"{value:.0f}" if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else str(value)  # noqa: PLR2004 - as exact as a float is
