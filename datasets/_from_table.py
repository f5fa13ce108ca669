"""From a table of text to a dataset."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from molweight.arrays import Float32Array, Int8Array
from molweight.datasets._assemble import Options, Rows, assemble
from molweight.datasets._choose_targets import Choice, choose_targets, refuse_other_kind
from molweight.datasets._class_words import class_words, present_cells, unused_words
from molweight.datasets._columns import (
    ColumnReport,
    describe_columns,
    find_smiles,
    helper_columns,
    listed,
    other_splits,
)
from molweight.datasets._formulas import refuse_formulas
from molweight.datasets._label_columns import (
    LabelColumn,
    LabelOptions,
    LabelTable,
    complaint,
    read_labels,
    source_column,
)
from molweight.datasets._numbers import (
    UNITS,
    has_no_value,
    is_missing,
    is_number,
    molar_factor,
    read_numbers,
    unit_in_name,
)
from molweight.datasets._relations import find_relations, find_units
from molweight.datasets._splits import ROLES
from molweight.datasets._table import TextTable
from molweight.datasets._table_spec import Task
from molweight.datasets._user_splits import ROLE_NAMES, role_of
from molweight.errors import ConfigError, DataError, mention
from molweight.graphs import MoleculeDataset
from molweight.graphs.internal import tasks_of

__all__ = ["from_table", "understand", "without_descriptions"]

_DESCRIPTIONS: Final = 10
"""Number of rows below the header that are searched for descriptions of the columns."""
_WHAT_IS_MEASURED: Final = re.compile(
    r"(standard|published|assay|activity|measurement)[ _]type|target([ _](chembl[ _]id|name|id|organism))?|protein|"
    r"uniprot([ _]id)?|endpoint|property|parameter|assay([ _](name|organism|cell[ _]type))?|cell[ _]line|organism|"
    r"species|measurement|solvent|matrix|tissue"
)
"""Names of columns that state the measured quantity of a row."""
_HEADINGS: Final = ("smiles", "string", "str", "text", "structure", "varchar", "canonical smiles")
"""Words that describe the column of molecules."""
_NUMBERS: Final = 0.8
"""Minimum share of numbers in a numeric column."""
_CLASSES: Final = 50
"""Maximum number of classes in a column."""
_CODES: Final = ((-1.0, 1.0), (1.0, 2.0))
"""Pairs of numbers used as codes of two classes."""
_ENOUGH: Final = 10
_NINES: Final = re.compile(r"9{2,}(\.9+)?")
_DECADES: Final = 2.0


def from_table(
    table: TextTable, smiles: str | None, targets: str | Sequence[str] | None, options: Options
) -> MoleculeDataset:
    """The dataset of a table; columns that are not named are detected.

    Args:
        table: The table.
        smiles: The SMILES column; ``None`` to find it.
        targets: The label columns; ``None`` to find them.
        options: The options of the reader.

    Returns:
        The usable molecules, with their labels.

    Raises:
        DataError: If a column, a label or a molecule is unusable.
    """
    smiles = find_smiles(table) if smiles is None else smiles
    texts = table.cells(smiles)
    table, described = without_descriptions(table, smiles)
    reading = LabelOptions(options.positive, options.decimal)
    weights = None if options.sample_weight is None else _weights(table, options.sample_weight)
    if targets is None:
        reports = describe_columns(table, smiles, reading, options.sample_weight)
    else:
        reports = helper_columns(table, smiles)
    choice = _chosen(table, reports, targets, options)
    refuse_formulas(table, smiles, [source_column(table, name) for name in choice.targets])
    labels, said = _read(table, reports, choice.targets, reading, options)
    stated, of_roles = _stated(table, reports, options)
    roles: Int8Array | None = None
    if stated is not None:
        roles, of_roles = _roles(table, stated, named=options.split_column is not None)
    rows = Rows(
        source=table.source,
        smiles=texts,
        place=lambda record: table.place(record, smiles),
        labels=labels.values if choice.targets else None,
        columns=choice.targets,
        bad=labels.bad,
        complaint=complaint(table, labels.bad) if labels.bad else "",
        reasons=table.reasons if smiles == table.smiles else {},
        hint=f"Name the SMILES column ({mention('smiles')}).",
        bounds=labels.bounds,
        weights=weights,
        roles=roles,
        notes=[*table.notes, *described, *choice.said, *_mixtures(table, choice.targets), *said, *of_roles],
        remarks=table.remarks,
        number=table.row,
        task=_several(table, choice.targets) if options.task == "multiclass" else None,
        codes={column.name: column.codes for column in labels.columns if column.codes},
        units={column.name: column.unit for column in labels.columns if column.unit and not column.codes},
    )
    return assemble(rows, options)


def _stated(table: TextTable, reports: Sequence[ColumnReport], options: Options) -> tuple[str | None, list[str]]:
    """The column of roles: the named one, or the only one; and notes about others."""
    found = [report.name for report in reports if report.kind == "split"]
    if options.split_column is not None or len(found) == 1:
        return options.split_column or found[0], []
    if found:
        choices = " or ".join(mention("split_column", name) for name in found)
        return None, [f"columns {listed(found)} state roles, and none is used. To choose one: {choices}"]
    return None, other_splits(table)


def _mixtures(table: TextTable, targets: Sequence[str]) -> list[str]:
    """A note if the rows are measurements of different quantities."""
    said: list[str] = []
    for name in dict.fromkeys(table.columns):
        if not targets or not _WHAT_IS_MEASURED.fullmatch(name.lower()):
            continue
        present = sorted({cell for cell in table.distinct(name)[1] if not is_missing(cell)})
        if 1 < len(present) < len(table.frame) and not all(map(is_number, present)) and name not in targets:
            said.append(
                f"column {name!r} names several kinds of measurement ({listed(present, 4)}), and their labels are "
                "mixed: keep the rows of one kind, or give each kind its own column"
            )
    return said


def understand(
    table: TextTable, smiles: str | None = None, options: LabelOptions | None = None, weight: str | None = None
) -> tuple[TextTable, list[ColumnReport]]:
    """The interpretation of each column of a table.

    Args:
        table: The table.
        smiles: Its SMILES column; ``None`` to find it.
        options: Options for reading the cells of label columns.
        weight: The column with a weight for each row.

    Returns:
        The table without rows that describe its columns, and one report per column.
    """
    smiles = find_smiles(table) if smiles is None else smiles
    table, _ = without_descriptions(table, smiles)
    return table, describe_columns(table, smiles, options, weight)


def without_descriptions(table: TextTable, smiles: str) -> tuple[TextTable, list[str]]:
    """The table without leading rows that describe the columns, i.e. rows with words only and no molecule.

    Args:
        table: The table.
        smiles: Its SMILES column.

    Returns:
        The table with such rows blank, and a note about them.
    """
    found: list[int] = []
    cells = table.cells(smiles)
    for record in range(min(_DESCRIPTIONS, len(cells) - 1)):
        word = cells[record].lower()
        if (word and word not in _HEADINGS) or not _describes_numbers(table, record, smiles):
            break
        found.append(record)
    if not found:
        return table, []
    units = _described_units(table, found, smiles)
    frame = table.frame.copy()
    frame.iloc[found] = ""
    first, last = table.row(found[0]), table.row(found[-1])
    rows = f"row {first} describes" if first == last else f"rows {first} to {last} describe"
    stated = ", ".join(f"{name!r} in {unit}" for name, unit in units.items())
    return replace(table, frame=frame, remarks=frozenset(found), units=units), [
        f"{rows} the columns and {'is' if first == last else 'are'} skipped{f'; units: {stated}' if stated else ''}"
    ]


def _described_units(table: TextTable, records: Sequence[int], smiles: str) -> dict[str, str]:
    """Units of the columns from the rows above the molecules, as in PubChem's tables."""
    found: dict[str, str] = {}
    for record in records:
        cells = [str(cell).strip() for cell in table.frame.iloc[record]]
        row_of_units = any(re.search(r"(^|[ _])units?$", cell.lower()) for cell in cells[:2])
        for name, cell in zip(table.columns, cells, strict=True):
            known = cell in UNITS or molar_factor(cell) is not None
            named = row_of_units and "unit" not in cell.lower() and not is_missing(cell)
            unit = cell if known or named else unit_in_name(cell)
            if name != smiles and unit:
                found[name] = unit
    return found


def _describes_numbers(table: TextTable, record: int, smiles: str) -> bool:
    """Whether a row has words in numeric columns, and no numbers."""
    texts = [str(cell).strip() for cell in table.frame.iloc[record]]
    if any(is_number(text) for text in texts):
        return False
    for place, text in enumerate(texts):
        if text and not is_missing(text) and table.columns[place] != smiles:
            below = [str(cell).strip() for cell in table.frame.iloc[_DESCRIPTIONS : 5 * _DESCRIPTIONS, place]]
            known = [cell for cell in below if not is_missing(cell)]
            if known and read_numbers(known).readable.mean() > _NUMBERS:
                return True
    return False


def _chosen(
    table: TextTable, reports: Sequence[ColumnReport], targets: str | Sequence[str] | None, options: Options
) -> Choice:
    """The label columns, named or detected; a column with several classes gives one target per class."""
    asked: Task | None = None if options.task == "multiclass" else options.task
    if targets is not None:
        choice = Choice([targets] if isinstance(targets, str) else list(targets), [])
    elif options.task == "multiclass":
        choice = Choice(_class_columns(table, reports), [])
    else:
        lenient = options.on_error == "nan"
        choice = choose_targets(table, reports, asked, lenient=lenient, both_kinds=options.both_kinds)
        if asked is not None and options.trains and not choice.targets:
            refuse_other_kind(table, reports, asked)
    return _per_class(table, choice) if options.task == "multiclass" else choice


def _several(table: TextTable, targets: Sequence[str]) -> Task:
    """``"multiclass"`` if the targets are the classes of one column; otherwise they are separate tasks."""
    return "multiclass" if len({source_column(table, target) for target in targets}) == 1 else "classification"


def _class_columns(table: TextTable, reports: Sequence[ColumnReport]) -> list[str]:
    """The single column that may hold several classes."""
    few = [
        report.name
        for report in reports
        if ("looks like classes" in report.detail or (report.kind == "text" and " words: " in report.detail))
    ] or [report.name for report in reports if report.kind in ("classes", "numbers")]
    if len(few) != 1:
        raise DataError(
            f"{table.source}: {len(few)} columns may hold classes ({listed(few)}). Name the label columns: "
            f"{mention('targets', [...])}."
        )
    return few


def _per_class(table: TextTable, choice: Choice) -> Choice:
    """A target for each class of each column: ``X=word``."""
    targets: list[str] = []
    said: list[str] = []
    for name in choice.targets:
        if name not in table.columns:
            targets.append(name)
            continue
        present = sorted(present_cells(table.distinct(name)[1]))
        numeric = all(is_number(cell) for cell in present)
        words = (
            [f"{value:g}" for value in sorted({float(cell) for cell in present})]
            if numeric
            else class_words(present).shown
        )
        if not 2 <= len(words) <= _CLASSES:  # noqa: PLR2004 - two classes at least
            raise DataError(
                f"{table.source}, column {name!r}: holds {len(words)} different labels, but a classifier needs 2 to "
                f"{_CLASSES} classes. Use {mention('task', 'regression')} for numbers."
            )
        targets += [f"{name}={word}" for word in words]
    for name in dict.fromkeys(source_column(table, target) for target in targets):
        codes, texts = table.distinct(name)
        said += [f"column {name!r}: {note}" for note in unused_words(codes, texts, present_cells(texts))]
    return Choice(targets, [*choice.said, f"{len(targets)} classes, each with a probability: {listed(targets)}", *said])


def _read(
    table: TextTable, reports: Sequence[ColumnReport], targets: list[str], reading: LabelOptions, options: Options
) -> tuple[LabelTable, list[str]]:
    """The labels with their bounds, and notes about them."""
    kinds = {report.kind for report in reports}
    relations: dict[str, Int8Array] = {}
    units: dict[str, list[str]] = {}
    said: list[str] = []
    if options.relation is not None or "relation" in kinds:
        relations, said = find_relations(table, reports, targets, options.relation)
    if "unit" in kinds:
        units, of_units = find_units(table, reports, targets)
        said = said + of_units
    classes = options.task == "classification"
    labels = read_labels(table, targets, replace(reading, relations=relations, units=units, numeric_classes=classes))
    if options.positive is not None and not any(_is_positive(column, options.positive) for column in labels.columns):
        raise ConfigError(
            f"{table.source}: {mention('positive', options.positive)} does not occur in the label columns "
            f"{listed(targets)}, or only in columns with more than two distinct numbers. Write it as in the table."
        )
    labels, recoded = _recoded(labels, options.task)
    said = [*said, *labels.notes, *recoded]
    said += _of_outliers(labels)
    if labels.bounds.any():
        said += _of_bounds(labels)
    if units or any(column.unit for column in labels.columns):
        said += _of_scale(labels, units)
    return labels, said


def _is_positive(column: LabelColumn, positive: str) -> bool:
    """Whether class 1 of a column is the requested one."""
    wanted = positive.strip().casefold()
    if not column.classes:
        return False
    found = column.classes[-1].casefold()
    return found == wanted or (is_number(found) and is_number(wanted) and float(found) == float(wanted))


def _recoded(labels: LabelTable, task: str | None) -> tuple[LabelTable, list[str]]:
    """Two numbers that encode classes, recoded as 0 and 1."""
    said: list[str] = []
    values, columns = labels.values.copy(), list(labels.columns)
    tasks = [None] * len(columns) if task is None else tasks_of(task, len(columns))
    for place, (column, stated) in enumerate(zip(labels.columns, tasks, strict=False)):  # settle checks their number
        known = np.unique(column.known)
        pair = tuple(known.tolist())
        if len(pair) != 2 or pair == (0.0, 1.0) or labels.bounds[:, place].any():  # noqa: PLR2004 - two classes
            continue
        if stated == "classification" or (stated is None and pair in _CODES and len(column.known) >= _ENOUGH):
            low, high = pair
            values[:, place] = np.where(np.isnan(values[:, place]), np.nan, values[:, place] == np.float32(high))
            columns[place] = replace(
                column,
                codes={np.format_float_positional(low, trim="-"): 0, np.format_float_positional(high, trim="-"): 1},
            )
            said.append(
                f"column {column.name!r}: {high:g} is class 1 and {low:g} class 0 "
                f"({mention('positive', f'{low:g}')} swaps them; "
                f"for numbers: {mention('task', 'regression')})"
            )
    return replace(labels, values=values, columns=columns), said


def _of_outliers(labels: LabelTable) -> list[str]:
    """Numbers that encode missing values: only digits 9, repeated, and far from all others."""
    said: list[str] = []
    for column in labels.columns:
        known = column.known
        values, counts = np.unique(known, return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            if count > 1 and _NINES.fullmatch(f"{abs(value):g}"):
                others = known[known != value]
                spread = float(np.ptp(others)) if len(others) else 0.0
                if len(others) > count and min(abs(others - value)) > max(spread, 1.0):
                    said.append(
                        f"column {column.name!r}: {value:g} occurs {count} times, far from all other numbers, and is "
                        "read as a number; if it marks missing labels, leave these cells empty"
                    )
    return said


def _of_bounds(labels: LabelTable) -> list[str]:
    """A note on the number of labels that are bounds."""
    said: list[str] = []
    for place, column in enumerate(labels.columns):
        above, below = ((labels.bounds[:, place] == sign).sum() for sign in (1, -1))
        if above or below:
            said.append(
                f"column {column.name!r}: {above + below} of {int((~np.isnan(labels.values[:, place])).sum())} labels "
                f"are bounds ({below} <, {above} >): they are trained with a one-sided loss and left out of scores"
            )
    return said


def _of_scale(labels: LabelTable, units: dict[str, list[str]]) -> list[str]:
    """A note that suggests the logarithm of molar concentrations."""
    said: list[str] = []
    for column in labels.columns:
        known = column.known[column.known > 0]
        unit = column.unit or next((cell for cell in units.get(column.name, []) if cell), "")
        decades = np.log10(known.max() / known.min()) if len(known) else 0.0
        if molar_factor(unit) and decades > _DECADES:
            said.append(
                f"column {column.name!r} is in {unit} and spans {decades:.1f} powers of ten; the "
                f"usual scale is -log10(mol/l): {mention('targets', [f'p({column.name})'])}"
            )
    return said


def _weights(table: TextTable, column: str) -> Float32Array:
    """The weight of each row.

    Raises:
        DataError: If one is negative or not a number.
    """
    codes, texts = table.distinct(column)
    values = read_numbers(texts).values
    wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0))[codes] & ~np.isin(codes, [*_blank(texts)]))
    wrong = np.array([record for record in wrong if record not in table.remarks], dtype=np.int64)
    if len(wrong):
        raise DataError(
            f"{table.source}, {table.place(int(wrong[0]), column)}: {texts[codes[wrong[0]]]!r} is not a weight. "
            "Weights are numbers >= 0."
        )
    weights = np.nan_to_num(values, nan=1.0, posinf=1.0)[codes].astype(np.float32)
    if not (weights > 0).any():
        raise DataError(f"{table.source}, column {column!r}: all weights are 0. Give some rows a positive weight.")
    return weights


def _blank(texts: Sequence[str]) -> list[int]:
    return [place for place, text in enumerate(texts) if is_missing(text)]


def _roles(table: TextTable, column: str, *, named: bool) -> tuple[Int8Array, list[str]]:
    """The index of each row's role in ``ROLES`` (-1 for none), from the column of roles.

    Raises:
        DataError: If a cell of the named column is not a role.
    """
    codes, texts = table.distinct(column)
    names = [role_of(text) or "" for text in texts]
    for place, (text, role) in enumerate(zip(texts, names, strict=True)):
        if not role and not is_missing(text) and not has_no_value(text):
            record = int(np.flatnonzero(codes == place)[0])
            raise DataError(
                f"{table.source}, {table.place(record, column)}: {text[:60]!r} is not a role. Roles: "
                f"{', '.join(ROLE_NAMES)}, or empty. Correct the cell, or rename the column if it does not state roles."
            )
    roles = np.array([ROLES.index(role) if role else -1 for role in names], dtype=np.int8)[codes]
    counts = ", ".join(f"{text or 'none'} {int((codes == place).sum())}" for place, text in enumerate(texts))
    return roles, [] if named else [
        f"column {column!r} states roles ({counts}); to split by it: {mention('method', 'column')}"
    ]
