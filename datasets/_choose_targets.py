"""Choice of the label columns of an unknown table; known exports are recognised by their layout."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from molweight.datasets._class_words import class_words, is_class_word, present_cells, unused_words
from molweight.datasets._columns import ColumnReport, listed
from molweight.datasets._formulas import formulas_said
from molweight.datasets._label_columns import BadCell, complaint, read_labels
from molweight.datasets._numbers import is_missing, molar_factor
from molweight.datasets._table import TextTable
from molweight.datasets._table_spec import Task
from molweight.errors import DataError, mention

__all__ = ["Choice", "Layout", "choose_targets", "layout_of", "refuse_other_kind", "single_class"]

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Layout:
    """The layout of a known export.

    Args:
        title: Origin of the export.
        targets: Its label columns.
        said: The proposal, in words.
    """

    title: str
    targets: tuple[str, ...]
    said: str


def layout_of(table: TextTable) -> Layout | None:
    r"""The layout of a table; ``None`` if it is unknown.

    Example:
        >>> from molweight.datasets._table import parse_table
        >>> text = "Smiles;Standard Relation;Standard Value;Standard Units;pChEMBL Value\nC;'=';10;nM;8\n"
        >>> layout_of(parse_table(text, "chembl.csv")).targets
        ('pChEMBL Value',)
    """
    names = {name.strip().lower().replace("_", " "): name for name in table.columns}
    return _chembl(table, names) or _pubchem(table, names)


def _chembl(table: TextTable, names: dict[str, str]) -> Layout | None:
    value, scaled = names.get("standard value"), names.get("pchembl value")
    if value is None or scaled is None:
        return None
    known = [not is_missing(cell) for cell in table.cells(scaled)]
    if not any(known):
        return _chembl_values(table, names, value)
    return Layout(
        "ChEMBL",
        (scaled,),
        f"a ChEMBL export: labels are read from column {scaled!r}, which has values in {sum(known)} of {len(known)} "
        f"rows. To use bounds as well, read labels as -log10 of {value!r} with its units and relations: "
        f"{mention('targets', [f'p({value})'])}.",
    )


def _chembl_values(table: TextTable, names: dict[str, str], value: str) -> Layout | None:
    """The layout of an export whose pChEMBL values are all missing, as for bounds and for other units."""
    unit = names.get("standard units")
    units = {cell for cell in table.cells(unit) if cell} if unit else set()
    if not any(not is_missing(cell) for cell in table.cells(value)):
        return None
    said = f"a ChEMBL export without pChEMBL values: labels are read from column {value!r}"
    if any(molar_factor(cell) for cell in units):
        said += f", as -log10 of mol/l. For the raw values: {mention('targets', [value])}."
        return Layout("ChEMBL", (f"p({value})",), said)
    return Layout("ChEMBL", (value,), f"{said}.")


def _pubchem(table: TextTable, names: dict[str, str]) -> Layout | None:
    outcome = names.get("pubchem activity outcome")
    if outcome is None or not {"active", "inactive"} <= {cell.lower() for cell in table.cells(outcome)}:
        return None
    standard = {name for name in table.columns if name.upper().startswith("PUBCHEM_")}
    others = [name for name in table.columns if name not in standard]
    more = (
        f" Other columns: {', '.join(repr(name) for name in others[:6])}. To choose: {mention('targets', [...])}."
        if others
        else ""
    )
    return Layout("PubChem", (outcome,), f"a PubChem table: labels are read from column {outcome!r}.{more}")


class Choice(NamedTuple):
    """The label columns.

    Args:
        targets: Their names; none for a table without labels.
        said: Reasons for the choice, if other columns might have been meant.
    """

    targets: list[str]
    said: list[str]


def choose_targets(
    table: TextTable,
    reports: Sequence[ColumnReport],
    task: Task | None,
    *,
    lenient: bool = False,
    both_kinds: bool = False,
) -> Choice:
    """The label columns: those with numbers or classes that do not look like anything else.

    Args:
        table: The table.
        reports: Reports on its columns.
        task: Task of the labels; with ``"classification"``, only columns of classes count.
        lenient: Whether a column that mostly holds labels counts as a label column instead of being refused.
        both_kinds: Whether columns of classes and columns of numbers may be labels of one table.

    Returns:
        The names, and notes about them.

    Raises:
        DataError: If some hold classes and others numbers, unless ``task`` or ``both_kinds`` is given; if several
            columns may be labels or something else; if a column mostly but not only holds labels, unless ``lenient``;
            or if no column has labels and one is empty.
    """
    layout = layout_of(table)
    if layout is not None and task is None:
        return Choice(list(layout.targets), [layout.said])
    mixed = [report.name for report in reports if report.mixed]
    if mixed and not lenient:
        raise DataError(complaint(table, _bad(table, mixed[0])))
    classes = [report.name for report in reports if report.kind == "classes"]
    numbers = [report.name for report in reports if report.kind == "numbers"]
    if task == "classification":
        doubtful = [] if classes else [report for report in reports if report.kind == "suspicious" and _two(report)]
        return _settled(table, reports, classes or [report.name for report in doubtful], doubtful, task)
    if task is None and classes and numbers and not both_kinds:
        raise DataError(
            f"{table.source}: {_holding(classes, 'classes (0 and 1)')}, {_holding(numbers, 'numbers')}. Name the "
            f"label columns: {mention('targets', [...])} (all of them: one model of classes and numbers), or "
            f"{mention('task', 'classification')} for the classes only."
        )
    doubtful = [report for report in reports if report.kind == "suspicious"]
    labels = [report.name for report in reports if report.kind in ("classes", "numbers")]
    if not labels and len(doubtful) > 1:
        shown = "; ".join(f"{report.name!r} {report.detail}" for report in doubtful[:10])
        raise DataError(
            f"{table.source}: it is not clear which columns hold labels: {shown}. Name the label columns: "
            f"{mention('targets', [...])}."
        )
    return _settled(table, reports, labels or [report.name for report in doubtful], doubtful, task)


def refuse_other_kind(table: TextTable, reports: Sequence[ColumnReport], task: Task) -> None:
    """Refuse a task that no column fits, if a column would fit without it.

    Args:
        table: The table, in which no label column was found.
        reports: Reports on its columns.
        task: The requested task.

    Raises:
        DataError: If there is such a column.
    """
    if task == "classification" and (single := single_class(table, reports, task)):
        raise DataError(f"{table.source}, {single}")
    numbers = [report.name for report in reports if report.kind == "numbers"]
    words = [report.name for report in reports if report.kind == "text" and " words: " in report.detail]
    if task == "classification" and numbers:
        raise DataError(
            f"{table.source}: {_holding(numbers, 'numbers')}, not classes. Leave {mention('task', task)} out, or name "
            f"the columns of classes: {mention('targets', [...])}."
        )
    if task == "regression" and words:
        raise DataError(
            f"{table.source}: {_holding(words, 'words')}, not numbers. In place of {mention('task', task)}, for "
            f"classes: {mention('targets', words[:1])} {mention('task', 'multiclass')}."
        )


def single_class(table: TextTable, reports: Sequence[ColumnReport], task: Task | None = None) -> str:
    """A message about the first column that holds one of two classes in all rows; empty if no column does.

    Args:
        table: The table, in which no label column was found.
        reports: Reports on its columns.
        task: The requested task; with ``"classification"``, numbers count as well as words.
    """
    kinds = ("text", "numbers", "suspicious") if task == "classification" else ("text",)
    for report in reports:
        if report.kind not in kinds:
            continue
        codes, texts = table.distinct(report.name)
        present = present_cells(texts)
        words = class_words(present).shown
        if len(words) == 1 and is_class_word(words[0]):
            rows = sum(texts[code].casefold() == words[0].casefold() for code in codes)
            unused = "".join(
                f"{note}: if that is the other class, write another word. "
                for note in unused_words(codes, texts, present)
            )
            return (
                f"column {report.name!r}: all {rows} labels are {words[0]!r}, but a classifier needs both classes. "
                f"{unused}Add molecules of the other class, or name the label columns: {mention('targets', [...])}."
            )
    return ""


def _holding(names: Sequence[str], what: str) -> str:
    """Columns and their content, as a clause."""
    return f"columns {listed(names)} hold {what}" if len(names) > 1 else f"column {names[0]!r} holds {what}"


def _two(report: ColumnReport) -> bool:
    """Whether a column has exactly two different numbers."""
    return report.labels is not None and len(set(report.labels.known.tolist())) == 2  # noqa: PLR2004 - two classes


def _settled(
    table: TextTable,
    reports: Sequence[ColumnReport],
    targets: list[str],
    doubtful: Sequence[ColumnReport],
    task: Task | None,
) -> Choice:
    """The targets, with notes about them and about omitted columns."""
    said: list[str] = []
    if not targets:
        _refuse_empty(table, reports)
        said += [single] if (single := single_class(table, reports)) else []
    if len(targets) > 1:
        said.append(
            f"{len(targets)} columns are used as labels: {listed(targets)}. To choose others: "
            f"{mention('targets', [...])}"
        )
    for report in doubtful:
        if report.name in targets:
            several = "classes" in report.detail and task is None and not _two(report)
            classes = f" For classes: {mention('task', 'multiclass')}." if several else ""
            said.append(
                f"labels are read from column {report.name!r}, which {report.detail}.{classes} To choose others: "
                f"{mention('targets', [...])}"
            )
        elif targets:
            said.append(f"column {report.name!r} {report.detail}, and is not used as labels")
    skipped = [report.name for report in reports if report.kind != "smiles" and report.name not in targets]
    _LOG.info("%s: labels are read from %s; other columns: %s", table.source, listed(targets), listed(skipped))
    return Choice(targets, [*said, *_left_out(reports, targets)])


def _left_out(reports: Sequence[ColumnReport], targets: Sequence[str]) -> list[str]:
    """Notes about omitted columns that the user may have wanted."""
    said = [f"column {item.name!r} holds {item.detail}" for item in reports if item.kind in ("molecule", "reaction")]
    said += [f"column {item.name!r} holds {item.detail}" for item in reports if "several units" in item.detail]
    texts = [item for item in reports if item.kind == "text" and not targets]
    said += [f"column {item.name!r} holds {item.detail}" for item in texts if "not numbers" in item.detail]
    words = [item for item in texts if " words: " in item.detail]
    return said + [
        f"column {item.name!r} holds {item.detail}; for classes: {mention('targets', [item.name])} "
        f"{mention('task', 'multiclass')}"
        for item in words
    ]


def _bad(table: TextTable, name: str) -> list[BadCell]:
    return read_labels(table, [name]).bad


def _refuse_empty(table: TextTable, reports: Sequence[ColumnReport]) -> None:
    """Refuse an empty column in a table without other labels."""
    for report in reports:
        if report.kind == "empty" and report.name in table.formulas:
            raise DataError(f"{table.source}, column {report.name!r}: {formulas_said(table.formulas[report.name])}")
        if report.kind == "empty" and (table.unit, report.name) != ("record", "title"):  # of every record of an SD file
            raise DataError(
                f"{table.source}, column {report.name!r}: no row has a label, and no other column holds labels. Fill "
                f"in the labels, or name the label columns: {mention('targets', [...])}."
            )
