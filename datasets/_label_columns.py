"""Conversion of label columns from text to numbers: values, bounds, and classes with their words."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from molweight.arrays import Float32Matrix, Float64Array, Int8Array, Int64Array
from molweight.datasets._class_words import class_words, is_inconclusive, known_pair, present_cells, unused_words
from molweight.datasets._label_units import RowUnits, stated_unit
from molweight.datasets._numbers import Decimal, Numbers, is_number, molar_factor, read_numbers
from molweight.datasets._table import TextTable
from molweight.errors import ConfigError, DataError, mention, suggest

__all__ = [
    "BadCell",
    "LabelColumn",
    "LabelOptions",
    "LabelTable",
    "complaint",
    "parse_labels",
    "read_column_labels",
    "read_labels",
    "scaled_column",
    "source_column",
]

_INFINITE: Final = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_TRUTH: Final = {"true": "1", "false": "0"}
_LOG_SCALE: Final = re.compile(r"p\((.+)\)")
_ONE_CLASS: Final = re.compile(r"(.+)=([^=]+)")
_MOST_CLASSES: Final = 50


@dataclass(frozen=True)
class LabelOptions:
    """Options for reading the cells of label columns.

    Args:
        positive: The word or number that is class 1; ``None`` to infer it from the meaning of the words.
        decimal: The decimal sign; ``None`` to find it.
        relations: Direction of the true value from the number (-1, 0, 1), one per row, by label column.
        units: Units, one per row, by label column.
        numeric_classes: Whether ``positive`` also turns a column of more than two numbers into classes; always for the
            only label column.
    """

    positive: str | None = None
    decimal: Decimal | None = None
    relations: Mapping[str, Int8Array] = field(default_factory=dict)
    units: Mapping[str, Sequence[str]] = field(default_factory=dict)
    numeric_classes: bool = False


@dataclass(frozen=True)
class BadCell:
    """A cell of a label column that cannot be read as a label.

    Args:
        record: Position of its row.
        column: Name of its column.
        text: Its content.
        reason: Reason why it cannot be read; empty if the text itself shows it.
    """

    record: int
    column: str
    text: str
    reason: str = ""

    @property
    def problem(self) -> str:
        """The reason why the cell cannot be read."""
        if self.reason:
            return f"{self.text[:60]!r} {self.reason}"
        infinite = _INFINITE.fullmatch(self.text) or is_number(self.text)
        return f"{self.text[:60]!r} is {'not a finite float32 number' if infinite else 'not a number'}"


@dataclass(frozen=True)
class LabelColumn:
    """One column, read as labels.

    Args:
        name: Name of the target.
        values: One number per row, NaN where the label is missing, infinity where it cannot be read.
        signs: -1 where the true value is below the number, 1 where it is above, 0 where it is the number.
        classes: The words that stand for class 0, 1, ..., as they are written; empty for numbers.
        codes: The class of each word or number, if these are not 0 and 1; empty for numbers.
        unit: The unit of all numbers, if given in the cells, in a column of units or in the name.
        cell_units: The unit written in each cell; empty if no cell has one.
        notes: Notes on how the column was read, if that is not obvious.
        reason: Reason for the unreadable cells; empty if their text itself shows it.
        decimal: The decimal sign of the numbers.
        reasons: By row, reasons for unreadable cells with another reason.
    """

    name: str
    values: Float64Array
    signs: Int8Array
    classes: tuple[str, ...] = ()
    codes: Mapping[str, int] = field(default_factory=dict)
    unit: str = ""
    cell_units: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    reason: str = ""
    decimal: Decimal = "."
    reasons: Mapping[int, str] = field(default_factory=dict)

    @property
    def known(self) -> Float64Array:
        """The readable labels."""
        return self.values[np.isfinite(self.values)]


@dataclass(frozen=True)
class LabelTable:
    """The labels of the target columns.

    Args:
        values: ``n x T`` float32, NaN where missing or unreadable.
        bounds: ``n x T``: -1 where the label is an upper bound, 1 where it is a lower bound, 0 where it is exact.
        columns: The columns, as they were read.
        bad: The unreadable cells.
    """

    values: Float32Matrix
    bounds: Int8Array
    columns: list[LabelColumn]
    bad: list[BadCell]

    @property
    def notes(self) -> list[str]:
        """Notes on how the columns were read, if that is not obvious."""
        return [f"column {column.name!r}: {note}" for column in self.columns for note in column.notes]


def source_column(table: TextTable, target: str) -> str:
    r"""The source column of a target: itself, or ``X`` for ``p(X)`` and ``X=word``.

    Example:
        >>> from molweight.datasets._table import parse_table
        >>> table = parse_table("smiles,Ki (nM),class\nC,10,a\n", "mine.csv")
        >>> [source_column(table, name) for name in ("Ki (nM)", "p(Ki (nM))", "class=a")]
        ['Ki (nM)', 'Ki (nM)', 'class']
    """
    if target not in table.columns:
        for pattern in (_LOG_SCALE, _ONE_CLASS):
            found = pattern.fullmatch(target)
            if found and found[1] in table.columns:
                return found[1]
    return target


def scaled_column(target: str) -> str:
    """The column of a target that is the negative logarithm of one; empty for other targets.

    Example:
        >>> scaled_column("p(Ki (nM))"), scaled_column("Ki (nM)")
        ('Ki (nM)', '')
    """
    found = _LOG_SCALE.fullmatch(target)
    return found[1] if found else ""


def parse_labels(table: TextTable, columns: Sequence[str]) -> Float32Matrix:
    """The labels of the named columns.

    Args:
        table: The table.
        columns: Its label columns.

    Returns:
        ``n x T`` float32 with NaN where a label is missing.

    Raises:
        DataError: If a cell is neither a number nor empty; the message names row and column.
    """
    labels = read_labels(table, columns)
    if labels.bad:
        raise DataError(complaint(table, labels.bad))
    return labels.values


def read_labels(table: TextTable, targets: Sequence[str], options: LabelOptions | None = None) -> LabelTable:
    r"""The labels of the named targets, and the unreadable cells.

    Args:
        table: The table.
        targets: Its label columns; ``p(X)`` for -log10 of the molar concentrations in ``X``, and ``X=word`` for whether
            a molecule belongs to one class of ``X``.
        options: Options for reading the cells.

    Returns:
        The labels.

    Example:
        >>> from molweight.datasets._table import parse_table
        >>> labels = read_labels(parse_table("smiles,y\nC,1.0e\nN,>10\nO,7\nF,\n", "mine.csv"), ["y"])
        >>> labels.values.ravel().tolist(), labels.bounds.ravel().tolist(), labels.bad[0].problem
        ([nan, 10.0, 7.0, nan], [0, 1, 0, 0], "'1.0e' is not a number")
    """
    values = np.empty((len(table.frame), len(targets)), dtype=np.float32)
    bounds = np.zeros(values.shape, dtype=np.int8)
    reading = options or LabelOptions()
    reading = replace(reading, numeric_classes=reading.numeric_classes or len(targets) == 1)
    columns = [read_column_labels(table, target, reading) for target in targets]
    bad: list[BadCell] = []
    for place, column in enumerate(columns):
        wrong = np.isinf(column.values)
        texts = table.cells(source_column(table, column.name)) if wrong.any() else []
        bad += [_bad_cell(row, texts[row], column, reading.decimal) for row in np.flatnonzero(wrong).tolist()]
        values[:, place] = np.where(wrong, np.nan, column.values).astype(np.float32)
        bounds[:, place] = np.where(np.isfinite(column.values), column.signs, 0)
    return LabelTable(values, bounds, columns, bad)


def _bad_cell(record: int, text: str, column: LabelColumn, asked: Decimal | None) -> BadCell:
    """An unreadable cell, with the other decimal sign as its reason if it has that one."""
    if record in column.reasons:
        return BadCell(record, column.name, text, column.reasons[record])
    own, other = _signs(column.decimal)
    if read_numbers([text], column.decimal).readable[0] or not read_numbers([text], other).readable[0]:
        return BadCell(record, column.name, text, column.reason)
    most = "most" if np.isfinite(column.values).sum() > np.isinf(column.values).sum() else "other"
    why = f"as in {most} cells of this column" if asked is None else f"as stated by {mention('decimal', asked)}"
    return BadCell(record, column.name, text, f"is not a number with a decimal {own}, {why}")


def _signs(decimal: Decimal) -> tuple[str, Decimal]:
    """The name of a decimal sign, and the other sign."""
    return ("comma", ".") if decimal == "," else ("point", ",")


def read_column_labels(table: TextTable, target: str, options: LabelOptions) -> LabelColumn:
    """Read one target.

    Raises:
        DataError: If there is no such column, or its numbers are ambiguous.
        ConfigError: If a logarithmic scale is requested, and its units are unknown.
    """
    name = target if target in table.columns else source_column(table, target)
    if target != name and _ONE_CLASS.fullmatch(target) and not _LOG_SCALE.fullmatch(target):
        return _one_class(table, target, name)
    codes, texts = table.distinct(name)
    column = _read(table, name, codes, texts, options)
    if name in options.relations and not column.classes:
        column = replace(column, signs=_combined(column.signs, options.relations[name]))
    stated = "" if column.classes else stated_unit(name, table.units)
    units = RowUnits(column.cell_units, options.units.get(name, ()), stated, np.isfinite(column.values))
    if target != name:
        return replace(_log_scale(table, target, column, units), decimal=column.decimal)
    return column if column.classes else _in_one_unit(column, units)


def _read(
    table: TextTable,
    name: str,
    codes: Int64Array,
    texts: list[str],
    options: LabelOptions,
) -> LabelColumn:
    """Read a column as words or as numbers, depending on its content."""
    present = present_cells(texts)
    chosen = None if options.positive is None else _positive(present, options.positive)
    if chosen is not None and (options.numeric_classes or _may_be_classes(present)):
        return _chosen_class(name, codes, texts, chosen)
    plain = all(is_number(text) or text.lower() in _TRUTH for text in present)
    if not plain and known_pair(present):
        return _words(name, codes, texts)
    numbers = _numbers(texts, options.decimal)
    if not numbers.readable.any() and len(class_words(present).words) == 2:  # noqa: PLR2004 - two classes
        return _words(name, codes, texts)
    if numbers.ambiguous:
        raise DataError(
            f"{table.source}, column {name!r}: {numbers.ambiguous}. Use {mention('decimal', ',')} or "
            f"{mention('decimal', '.')} to name "
            "the decimal separator."
        )
    return replace(_numeric(name, codes, numbers, present), decimal=numbers.decimal)


def _numbers(texts: Sequence[str], decimal: Decimal | None) -> Numbers:
    """The numbers of a column; ``true`` and ``false`` count as 1 and 0 if it holds no other numbers."""
    truth = read_numbers([_TRUTH.get(text.lower(), text) for text in texts], decimal)
    only = set(truth.values[truth.readable].tolist()) <= {0.0, 1.0}
    return truth if only else read_numbers(texts, decimal)


def _numeric(name: str, codes: Int64Array, numbers: Numbers, present: Sequence[str]) -> LabelColumn:
    reason = ""
    if not numbers.readable.any() and present:
        reason = _not_numbers(class_words(present).shown)
    cell_units = tuple(numbers.units[code] for code in codes) if any(numbers.units) else ()
    return LabelColumn(
        name, numbers.values[codes], numbers.signs[codes],
        cell_units=cell_units, notes=tuple(numbers.notes), reason=reason,
    )  # fmt: skip


def _in_one_unit(column: LabelColumn, units: RowUnits) -> LabelColumn:
    """A column with its unit, and with numbers in another unit marked as unreadable."""
    foreign = units.foreign
    reasons = {
        **dict.fromkeys(foreign, _several_units(column.name, units) if foreign else ""),
        **_contradictions(units),
    }
    values = column.values.copy()
    values[list(reasons)] = math.inf
    notes, unit = column.notes, units.common
    kept = column.cell_units and any(cell for row, cell in enumerate(units.cells) if row not in reasons)
    if unit not in ("", "%") and kept:
        notes = (*notes, f"the unit {unit} after the numbers is ignored")
    return replace(column, values=values, unit=unit, notes=notes, reasons=reasons)


def _several_units(name: str, units: RowUnits) -> str:
    """The reason why a number in another unit is not a label, with a remedy."""
    way_out = "convert all labels to one unit"
    if units.without:
        way_out = _name_the_unit(name, units)
    elif any(molar_factor(unit) for unit in units.used):
        way_out = f"the target 'p({name})' converts molar units to one scale"
    return f"is in one of several units ({units.several}); {way_out}"


def _contradictions(units: RowUnits) -> dict[int, str]:
    """By row, the reason for numbers whose cell has another unit than the column of units."""
    return {
        row: f"has the unit {units.cells[row]}, but the column of units says {units.column[row]}"
        for row in units.contradictory
    }


def _not_numbers(words: Sequence[str]) -> str:
    """A message on words in a numeric column, with a guess of their meaning."""
    if len(words) > _MOST_CLASSES:
        return ""
    listed = ", ".join(map(repr, words[:6])) + (", ..." if len(words) > 6 else "")  # noqa: PLR2004 - as many as a reader takes in
    return f"is not a number: the column holds {len(words)} words ({listed}); for classes use the task 'multiclass'"


def _may_be_classes(present: Sequence[str]) -> bool:
    """Whether a column holds words or at most two numbers."""
    numbers = read_numbers(present)
    return len(np.unique(numbers.values[numbers.readable])) <= 2  # noqa: PLR2004 - two classes


def _positive(present: Sequence[str], positive: str) -> str | None:
    """The cell that ``positive`` names, if it is in this column."""
    wanted = positive.strip().casefold()
    same = [text for text in present if text.casefold() == wanted]
    if not same and is_number(wanted):
        same = [text for text in present if is_number(text) and float(text) == float(wanted)]
    return same[0] if same else None


def _chosen_class(name: str, codes: Int64Array, texts: list[str], chosen: str) -> LabelColumn:
    """A column with a chosen word or number as class 1, and all others as class 0."""

    def same(text: str) -> bool:
        numeric = is_number(text) and is_number(chosen)
        return text.casefold() == chosen.casefold() or (numeric and float(text) == float(chosen))

    cells = present_cells(texts)
    present = {text for text in cells if not is_inconclusive(text)}
    values = [float(same(text)) if same(text) or text in present else math.nan for text in texts]
    others = sorted({text for text, value in zip(texts, values, strict=True) if value == 0})
    more = ", ..." if len(others) > 6 else ""  # noqa: PLR2004 - likewise
    notes = (
        f"{chosen!r} is class 1, {', '.join(map(repr, others[:6]))}{more} class 0",
        *unused_words(codes, texts, cells),
    )
    signs, classes = np.zeros(len(codes), np.int8), (f"{', '.join(others[:6])}{more}", chosen)
    known = {text: int(value) for text, value in zip(texts, values, strict=True) if not math.isnan(value)}
    return LabelColumn(name, np.array(values)[codes], signs, classes, known, notes=notes)


def _words(name: str, codes: Int64Array, texts: list[str]) -> LabelColumn:
    """A column of two words as class 0 and class 1."""
    present = present_cells(texts)
    classes = class_words(present)
    place = {word: float(number) for number, word in enumerate(classes.words)}
    values = [place.get(text.casefold(), math.nan) for text in texts]
    low, high = classes.shown
    why = "" if classes.known else ", because it comes last in the alphabet"
    notes = [f"{high!r} is class 1 and {low!r} class 0{why}; {mention('positive', low)} swaps them"]
    notes += unused_words(codes, texts, present)
    spelt = sorted({text for text in texts if text.casefold() in place and text not in classes.shown})
    if spelt:
        notes.append(f"case is ignored: {', '.join(map(repr, spelt))}")
    known, signs = {low: 0, high: 1}, np.zeros(len(codes), np.int8)
    return LabelColumn(name, np.array(values)[codes], signs, classes.shown, known, notes=tuple(notes))


def _one_class(table: TextTable, target: str, name: str) -> LabelColumn:
    """Whether each molecule belongs to one class of a column."""
    found = _ONE_CLASS.fullmatch(target)
    codes, texts = table.distinct(name)
    wanted = found[2] if found else ""
    chosen = _positive(present_cells(texts), wanted)
    if chosen is None:
        raise DataError(
            f"{table.source}, column {name!r}: no cell holds {wanted!r}{suggest(wanted, texts)} The class of "
            f"{target!r} must be in the table."
        )
    return replace(_chosen_class(target, codes, texts, chosen), notes=())


def _combined(written: Int8Array, column: Int8Array) -> Int8Array:
    """The signs in the cells, or those of a column of relations for cells without a sign."""
    return np.where(written != 0, written, column).astype(np.int8)


def _log_scale(table: TextTable, target: str, column: LabelColumn, units: RowUnits) -> LabelColumn:
    """-log10 of molar concentrations, with the direction of bounds reversed."""
    factors = {unit: molar_factor(unit) for unit in set(units.used)}
    if not any(factors.values()):
        known = ", ".join(sorted(repr(unit) for unit in factors if unit)) or "none"
        raise ConfigError(
            f"{table.source}: {target!r} needs a molar unit (e.g. nM) in {column.name!r}; units in the table: {known}. "
            "Write the unit into the name of the column, such as 'IC50 (nM)'."
        )
    scale = np.array([factors[unit] or math.nan for unit in units.used])
    with np.errstate(divide="ignore", invalid="ignore"):
        values = -np.log10(column.values * scale)
    values = np.where(np.isnan(column.values), math.nan, np.where(np.isfinite(values), values, math.inf))
    unknown = f"has no unit, while other cells have one; {_name_the_unit(column.name, units)}"
    reasons = {**dict.fromkeys(units.without, unknown), **_contradictions(units)}
    values[list(reasons)] = math.inf
    other = ", ".join(sorted(unit for unit, factor in factors.items() if unit and not factor))
    of_units = f" (units that are not molar: {other})" if other else ""
    reason = f"is not a positive molar concentration{of_units}, so it has no logarithm"
    counted = (f"units: {units.counts}",) if units.counts else ()
    notes = (f"-log10 of {column.name!r} in mol/l", *counted, *column.notes)
    return LabelColumn(target, values, (-column.signs).astype(np.int8), notes=notes, reason=reason, reasons=reasons)


def _name_the_unit(name: str, units: RowUnits) -> str:
    """The remedy for cells without a unit next to others."""
    example = next((unit for unit in units.used if unit), "nM")
    return f"a unit in the name of the column, as in '{name} ({example})', would be that of all cells without one"


def complaint(table: TextTable, bad: Sequence[BadCell]) -> str:
    """A message about unreadable cells: the first one, and their number in its column.

    Args:
        table: The table.
        bad: The cells; at least one.

    Returns:
        The message.
    """
    cell = bad[0]
    same = sum(other.column == cell.column for other in bad)
    comma = " Write decimals with a point." if is_number(cell.text.replace(",", ".", 1)) and "," in cell.text else ""
    more = f" ({same} such cells in this column)" if same > 1 else ""
    place = table.place(cell.record, cell.column)
    return (
        f"{table.source}, {place}: {cell.problem}{more}.{comma} Correct it, leave the "
        f"cell empty where the label is missing, treat such labels as missing with "
        f"{mention('on_error', 'nan')}, or name the "
        f"columns that are targets ({mention('targets', [...])})."
    )
