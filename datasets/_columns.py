"""Classification of the columns of an unknown table."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, Literal

import numpy as np

from molweight.arrays import Float64Array, FloatArray
from molweight.datasets._class_words import class_words, known_pair, present_cells
from molweight.datasets._doubtful import by_content, by_name
from molweight.datasets._header import smiles_rank
from molweight.datasets._label_columns import LabelColumn, LabelOptions, read_column_labels
from molweight.datasets._no_molecules import NoMoleculesError
from molweight.datasets._numbers import has_no_value, is_missing, is_number, molar_factor, read_numbers, sign_of
from molweight.datasets._parse import parsable
from molweight.datasets._table import TextTable
from molweight.datasets._user_splits import role_of
from molweight.errors import mention

__all__ = [
    "ColumnReport",
    "describe_columns",
    "find_smiles",
    "helper_columns",
    "listed",
    "may_be_measured",
    "numeric_columns",
    "other_splits",
]

_LOG: Final = logging.getLogger(__name__)
_FEW: Final = 12
"""Maximum number of distinct integers that count as codes."""
_IDENTIFIER: Final = re.compile(
    r"(unnamed: \d+|.*(^|[ _.-])(id|ids|idx|index|num|number|no\.?|nr\.?|row|cid|sid|cas|rn|casrn|uuid|barcode|batch"
    r"|lot|plate|well|key|code|hash|zip|fold|cluster|tag)|.*[a-z](ID|Id|Idx|No|Nr|Key|Code))?",
)
_NUMBERED: Final = re.compile(
    r"#|((entry|compound|comp|cmpd|cpd|example|ex|ligand|molecule|mol|structure|item|sample|analogue?)"
    r"[ _.-]*(#|no\.?|nr\.?|number|num\.?)?)"
)
"""Names of columns that number the molecules, if they hold whole numbers."""
_NAMELESS: Final = re.compile(r"(Unnamed: \d+)?")
_SPLIT_NAMES: Final = re.compile(r".*(^|[ _.-])(split|splits|set|subset|partition|role|model|fold|usage|data_?set)")
_SPLIT_ONLY: Final = re.compile(
    r"(data[ _-]?)?(split|splits|subset|partition|fold)|set|(split|fold)[ _.-].*|(.*[ _.-]|cv)(split|fold)"
)
_PROBE: Final = 30
"""Number of cells parsed to test whether a column holds SMILES."""
_SHARE: Final = 0.8
"""Share of them that must parse."""
_MIXED: Final = 0.5
"""Share of non-label cells above which a column counts as text."""
_BEGINS: Final = re.compile(r"[(<>~+\u2212-]?\s?\d+([.,]\d+)?(\s|[^\w\s.,]|$)")
"""Beginning of a measurement, as opposed to a name or date: a number followed by a blank or a sign."""
_LONG: Final = 60
"""Maximum length of a text in messages."""
_COUNTER: Final = 3
"""Minimum number of rows for an ascending integer column to count as a counter."""

Kind = Literal[
    "smiles", "molecule", "reaction", "numbers", "classes", "suspicious", "identifier", "split", "relation", "unit",
    "weight", "text", "empty"
]  # fmt: skip


@dataclass(frozen=True)
class ColumnReport:
    """The interpretation of a column.

    Args:
        name: Its name.
        kind: ``"smiles"`` for the molecules, ``"molecule"`` for further ones, ``"reaction"``; ``"numbers"`` and
            ``"classes"`` for possible labels, ``"suspicious"`` for numbers that may be something else,
            ``"identifier"``, ``"split"``, ``"relation"``, ``"unit"``, ``"weight"`` (of the rows), ``"text"``,
            ``"empty"``.
        detail: Details, in words.
        labels: The column read as labels, if it may hold some.
        mixed: Whether some of its cells cannot be read as labels.
    """

    name: str
    kind: Kind
    detail: str = ""
    labels: LabelColumn | None = None
    mixed: bool = False


def find_smiles(table: TextTable) -> str:
    """The column with the SMILES: by its name, if most of its first cells can be parsed; otherwise by its cells.

    Args:
        table: The table.

    Returns:
        Its name.

    Raises:
        NoMoleculesError: If no column looks like SMILES.
    """
    if table.smiles is not None:
        return table.smiles
    ranks = {name: rank for name in table.columns if (rank := smiles_rank(name)) is not None}
    shares = {name: share for name in ranks if (share := _parsable_share(table, name)) > 0}
    named = sorted(shares, key=lambda name: (ranks[name], -shares[name]))
    found = next((name for name in named if shares[name] >= _SHARE), None) or _by_share(table, named, shares)
    if found is None:
        raise NoMoleculesError(_no_smiles(table))
    _LOG.info("%s: SMILES are read from column %r", table.source, found)
    return found


def _by_share(table: TextTable, named: Sequence[str], shares: Mapping[str, float]) -> str | None:
    """The column with the largest share of SMILES, if no column with a name for SMILES holds enough of them.

    A column called "smiles" in which half of the cells can be parsed comes before columns with other names. Symbols
    such as C and N are SMILES, too, but not in the place of a column with a name for molecules.
    """
    half = [name for name in named if "smiles" in name.lower() and shares[name] >= _MIXED]
    others = () if half else (name for name in table.columns if name not in shares)
    by_cells = ((name, share) for name in others if (share := _parsable_share(table, name)) >= _SHARE)
    found = next(by_cells, None)
    best = max(half or named, key=lambda name: shares[name], default=None)
    if found is None or best is None:
        return best if found is None else found[0]
    symbols = all(len(cell) <= 2 for cell in _probe(table, found[0]))  # noqa: PLR2004 - "C", "Cl"
    return best if symbols or found[1] <= shares[best] else found[0]


def _no_smiles(table: TextTable) -> str:
    """A message about a table without SMILES, with its most likely reason."""
    inchi = [name for name in table.columns if any(cell.startswith("InChI=") for cell in _probe(table, name))]
    if inchi:
        return (
            f"{table.source}, column {inchi[0]!r}: holds InChI, but no column holds SMILES. Convert them with "
            "RDKit: MolToSmiles(MolFromInchi(text))."
        )
    reactions = [name for name in table.columns if _is_reaction(table, name)]
    if reactions:
        return (
            f"{table.source}, column {reactions[0]!r}: holds reactions (A.B>>C), but only single molecules can be "
            "used. Put the molecule that the labels belong to, e.g. the product, into its own column."
        )
    return (
        f"{table.source}: none of the columns {', '.join(repr(name) for name in table.columns[:20])} holds SMILES that "
        f"can be parsed. Name the column ({mention('smiles')}); a file without a header line needs one, e.g. "
        f"'smiles,y'.{_one_column(table)}{''.join(f' {note[0].upper()}{note[1:]}.' for note in table.notes)}"
    )


def _one_column(table: TextTable) -> str:
    """A note about a table with one column whose name contains a possible delimiter."""
    found = re.search(r"[^\w\s()%'-]", table.columns[0])
    if len(table.columns) > 1 or not found:
        return ""
    return f" If {found[0]!r} separates the cells, pass {mention('delimiter', found[0])}."


def _probe(table: TextTable, column: str) -> list[str]:
    return [cell for cell in table.cells(column)[: 10 * _PROBE] if not is_missing(cell)][:_PROBE]


def _parsable_share(table: TextTable, column: str) -> float:
    """Share of SMILES among the first cells; numbers do not count."""
    cells = _probe(table, column)
    parsed = parsable([cell for cell in cells if not is_number(cell)])
    return sum(parsed) / len(cells) if cells else 0.0


def _is_reaction(table: TextTable, column: str) -> bool:
    cells = _probe(table, column)
    return bool(cells) and sum(cell.count(">") == 2 for cell in cells) >= _SHARE * len(cells)  # noqa: PLR2004 - A>B>C


def describe_columns(
    table: TextTable, smiles: str, options: LabelOptions | None = None, weight: str | None = None
) -> list[ColumnReport]:
    r"""The interpretation of each column of a table.

    Args:
        table: The table.
        smiles: Its SMILES column.
        options: Options for reading the cells of label columns.
        weight: The column with a weight for each row; it holds no labels.

    Returns:
        One report per column, in order.

    Example:
        >>> from molweight.datasets._table import parse_table
        >>> table = parse_table("id,smiles,logS,toxic,set\n7,C,0.5,yes,train\n3,CC,1.5,no,test\n", "mine.csv")
        >>> [report.kind for report in describe_columns(table, "smiles")]
        ['identifier', 'smiles', 'numbers', 'classes', 'split']
    """
    reading = options or LabelOptions()
    weights = ColumnReport(weight or "", "weight", "weights of the rows")
    found = [weights if name == weight else _describe(table, name, smiles, reading) for name in table.columns]
    if reading.positive is not None and not reading.numeric_classes and not any(map(_is_of_words, found)):
        return describe_columns(table, smiles, replace(reading, numeric_classes=True), weight)
    return found


def _is_of_words(report: ColumnReport) -> bool:
    return report.labels is not None and bool(report.labels.classes)


def helper_columns(table: TextTable, smiles: str) -> list[ColumnReport]:
    """Columns with metadata: relations, units, roles.

    Args:
        table: The table.
        smiles: Its SMILES column.

    Returns:
        One report for each of them.
    """
    found = []
    for name in dict.fromkeys(table.columns):
        if name != smiles:
            present = [cell for cell in table.distinct(name)[1] if not is_missing(cell)]
            found.append(_helper(name, present) if present else None)
    return [report for report in found if report is not None and report.kind != "identifier"]


def numeric_columns(table: TextTable) -> dict[str, Float64Array]:
    """The columns that mostly hold numbers, without identifiers.

    Args:
        table: The table.

    Returns:
        The number in each row, by column; NaN or infinite if the cell holds none.
    """
    found: dict[str, Float64Array] = {}
    for name in dict.fromkeys(table.columns):
        codes, texts = table.distinct(name)
        present = [cell for cell in texts if not is_missing(cell)]
        if present and _helper(name, present) is None:
            values = read_numbers(texts).values[codes]
            if np.isfinite(values).sum() > np.isinf(values).sum():
                found[name] = values
    return found


def may_be_measured(table: TextTable, name: str, values: Float64Array) -> bool:
    """Whether the numbers of a column may be measurements, by their name and content."""
    known = values[np.isfinite(values)]
    return not (by_name(name) or by_content(known) or _numbers_rows(table, name, known))


def _describe(table: TextTable, name: str, smiles: str, options: LabelOptions) -> ColumnReport:
    if name == smiles:
        return ColumnReport(name, "smiles", "the molecules")
    present = [cell for cell in table.distinct(name)[1] if not is_missing(cell)]
    if not present:
        return ColumnReport(name, "empty")
    if _is_reaction(table, name):
        return ColumnReport(name, "reaction", "reactions, which are not used")
    named = present_cells(table.distinct(name)[1])
    report = _helper(name, present) or _labels_or_text(table, name, named, options)
    return replace(report, mixed=False) if report.mixed and _only_remarks(table, report, smiles) else report


def _only_remarks(table: TextTable, report: ColumnReport, smiles: str) -> bool:
    """Whether all cells that cannot be read as labels are in rows without a molecule, e.g. footnotes."""
    if report.labels is None:
        return False
    wrong = np.flatnonzero(np.isinf(report.labels.values))
    return all(not str(table.frame[smiles].iloc[row]).strip() for row in wrong)


def _helper(name: str, present: Sequence[str]) -> ColumnReport | None:
    """A column with metadata of another column, or of the row."""
    stated = sorted(cell for cell in present if not has_no_value(cell))
    if stated and all(sign_of(cell) is not None for cell in stated):
        return ColumnReport(name, "relation", f"relations: {', '.join(stated)}")
    if _are_roles(stated, named=_SPLIT_NAMES.fullmatch(name.lower()) is not None):
        return ColumnReport(name, "split", f"roles: {', '.join(stated)}")
    if "unit" in name.lower() and any(molar_factor(cell) is not None for cell in present):
        return ColumnReport(name, "unit", f"units: {', '.join(sorted(present)[:6])}")
    nameless = _NAMELESS.fullmatch(name) is not None and any(map(is_number, present))
    if nameless and not all(cell.isdigit() for cell in present):
        return None
    if _IDENTIFIER.fullmatch(name) or _IDENTIFIER.fullmatch(name.lower()):
        return ColumnReport(name, "identifier", "by its name")
    return None


def _are_roles(present: Sequence[str], *, named: bool) -> bool:
    """Whether the values of a column are roles: all of them or, if the column's name says so, most of them.

    A mistyped role is refused when the rows are read.
    """
    roles = [role_of(cell) for cell in present]
    known = {role for role in roles if role is not None}
    return "train" in known and len(known) > 1 and roles.count(None) < (len(known) if named else 1)


def other_splits(table: TextTable) -> list[str]:
    """Notes about columns that are named like a split but hold no roles."""
    said: list[str] = []
    for name in dict.fromkeys(table.columns):
        if _SPLIT_ONLY.fullmatch(name.lower()) or _of_training(table, name):
            present = sorted({cell for cell in table.distinct(name)[1] if not is_missing(cell)})
            several = len(present) > 1 or _of_training(table, name)
            if several and len(present) <= _FEW and not _are_roles(present, named=True):
                words = ", ".join(present)
                said.append(
                    f"column {name!r} ({words}) states no roles (train, valid, test), and is not used as a split"
                )
    return said


def _of_training(table: TextTable, name: str) -> bool:
    """Whether a column of words labels some rows as the training set."""
    texts = table.distinct(name)[1]
    return len(texts) <= _FEW and any(role_of(text) == "train" for text in texts)


def _labels_or_text(table: TextTable, name: str, present: Sequence[str], options: LabelOptions) -> ColumnReport:
    """A column that may hold labels (numbers or classes), or text, including molecules."""
    if not _may_be_labels(present, options):
        return _text(table, name, present)
    labels = read_column_labels(table, name, options)
    if labels.classes and not known_pair(present) and options.positive is None:
        return _text(table, name, present)  # two unknown words, with a digit in one
    bad = int(np.isinf(labels.values).sum())
    if bad > _MIXED * (bad + len(labels.known)) or (len(labels.known) == 0 and bad):
        return _text(table, name, present, next(iter(labels.reasons.values()), labels.reason))
    numbered = _numbers_rows(table, name, labels.known)
    if numbered:
        return ColumnReport(name, "identifier", numbered)
    why = by_name(name)
    if not why and set(np.unique(labels.known).tolist()) == {0.0, 1.0}:
        return ColumnReport(name, "classes", _classes(labels), labels, bad > 0)
    why = why or by_content(labels.known)
    return ColumnReport(name, "suspicious" if why else "numbers", why or _range(labels), labels, bad > 0)


def _text(table: TextTable, name: str, present: Sequence[str], reason: str = "") -> ColumnReport:
    """A column without usable labels."""
    if "units" in reason:
        way = f"on one scale with the target 'p({name})'" if "molar" in reason else "which are not compared"
        return ColumnReport(name, "text", f"numbers in several units, {way}")
    if _parsable_share(table, name) >= _SHARE and any(len(cell) > 2 for cell in present):  # noqa: PLR2004 - "C", "no"
        return ColumnReport(name, "molecule", "further molecules, which are not used")
    words = class_words(present).shown
    few = len(words) <= 10 and len(words) < len(table.frame) / 2  # noqa: PLR2004 - as many as a reader takes in
    counted = "1 word" if len(words) == 1 else f"{len(words)} words"
    detail = f"{counted}: {', '.join(map(_short, words))}" if few else _like_numbers(words)
    return ColumnReport(name, "text", detail)


def _like_numbers(words: Sequence[str]) -> str:
    """A note on a column in which most texts begin with a number, with an example of the others."""
    begun = [word for word in words if _BEGINS.match(word)]
    other = [word for word in begun if not is_number(word)]
    return (
        f"texts like {_short(other[0])!r}, which are not numbers" if other and len(begun) > _SHARE * len(words) else ""
    )


def _short(text: str) -> str:
    """A text, shortened for a message."""
    line = " ".join(text.split())
    return line if len(line) <= _LONG else f"{line[:_LONG]}..."


def _may_be_labels(present: Sequence[str], options: LabelOptions) -> bool:
    """Whether a column may hold labels; this saves reading text columns as numbers."""
    if any(any(letter.isdigit() for letter in cell) or cell.lower() in ("true", "false") for cell in present):
        return True
    return bool(known_pair(present)) or (options.positive or "").casefold() in {cell.casefold() for cell in present}


def _numbers_rows(table: TextTable, name: str, values: FloatArray) -> str:
    """Why a column numbers the rows or molecules; empty if it does not. Two numbers may be classes."""
    if _is_counter(table, name):
        return "counts the rows"
    whole = len(np.unique(values)) > 2 and (values == np.floor(values)).all()  # noqa: PLR2004 - two classes
    return "by its name" if whole and _NUMBERED.fullmatch(name.lower()) else ""


def _is_counter(table: TextTable, name: str) -> bool:
    """Whether a column numbers the rows: strictly ascending integers."""
    codes, texts = table.distinct(name)
    if len(texts) < len(codes) or len(codes) < _COUNTER or not all(cell.isdigit() for cell in texts):
        return False
    values = [int(texts[code]) for code in codes]
    return all(low < high for low, high in pairwise(values))


def _classes(labels: LabelColumn) -> str:
    ones = int((labels.known == 1).sum())
    words = f" ({labels.classes[1]}: 1, {labels.classes[0]}: 0)" if labels.classes else ""
    return f"two classes{words}: {ones} of 1, {len(labels.known) - ones} of 0"


def _range(labels: LabelColumn) -> str:
    known = labels.known
    censored = int((labels.signs[np.isfinite(labels.values)] != 0).sum())
    bounds = f", {censored} of them bounds (< or >)" if censored else ""
    unit = f" {labels.unit}" if labels.unit else ""
    return f"{len(known)} numbers from {known.min():.4g} to {known.max():.4g}{unit}{bounds}"


def listed(names: Sequence[str], most: int = 10) -> str:
    """A shortened list of names for a message."""
    shown = ", ".join(repr(name) for name in names[:most]) or "none"
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
