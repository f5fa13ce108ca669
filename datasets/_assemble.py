"""From rows of SMILES and labels to a dataset and a report of unusable rows and labels."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, get_args

import numpy as np

from molweight.arguments import check_choice, check_kind
from molweight.arrays import Column, Float32Array, Float32Matrix, Float64Array, Indices, Int8Array
from molweight.datasets._label_columns import BadCell
from molweight.datasets._labels import remarks, settle
from molweight.datasets._numbers import Decimal
from molweight.datasets._replicates import DUPLICATES, Duplicated, Measurements, conflicts, groups_of, merge
from molweight.datasets._row_numbers import ROW_NUMBER
from molweight.datasets._standardize import check_steps, standardize
from molweight.datasets._table_spec import Metric, Task
from molweight.errors import ConfigError, DataError, Message, OptionError, mention, suggest
from molweight.graphs import MoleculeDataset, Reject, build_dataset
from molweight.graphs.internal import explain, tasks_of

__all__ = ["NAME_TARGETS", "OnError", "Options", "Rows", "assemble"]

OnError = Literal["raise", "skip", "nan"]


NAME_TARGETS: Final = mention("targets", [...])
"""Mention of the option that names the label columns of a table."""
_LOG: Final = logging.getLogger(__name__)
_SHOWN: Final = 3
_SYSTEMATIC: Final = 0.5
"""Share of unreadable labels in a column above which ``"skip"`` refuses the whole table."""


@dataclass(frozen=True)
class Options:
    """Options common to all readers; documented by :func:`molweight.datasets.from_file`."""

    name: str
    task: Task | None = None
    metric: Metric | None = None
    on_error: OnError = "skip"
    standardize: str | Sequence[str] = ()
    cache: bool = True
    n_jobs: int | None = None
    progress: bool = False
    positive: str | None = None
    decimal: Decimal | None = None
    relation: str | None = None
    duplicates: Duplicated = "keep"
    sample_weight: str | None = None
    target_weights: Sequence[float] | Mapping[str, float] = ()
    split_column: str | None = None
    trains: bool = True
    """Whether the labels are trained on, so that constant ones are reported."""
    both_kinds: bool = False
    """Whether columns of classes and columns of numbers are label columns if none are named."""
    names_targets: str = NAME_TARGETS
    """Mention of the option that names the label columns, in notes."""

    def __post_init__(self) -> None:
        """Refuse invalid choices before anything is read."""
        if self.task is not None:
            check_kind("", "task", self.task, str)
        check_choice("", "on_error", self.on_error, get_args(OnError))
        check_choice("", "duplicates", self.duplicates, DUPLICATES)
        if self.decimal is not None:
            check_choice("", "decimal", self.decimal, get_args(Decimal))
        if self.standardize:
            check_steps(self.standardize)


@dataclass(frozen=True)
class Rows:
    """The rows that were read.

    Args:
        source: Its name in messages.
        smiles: One text per row.
        place: Location of a row's molecule, for messages.
        labels: ``n x T``, NaN where missing or unreadable; ``None`` for none.
        columns: Names of the ``T`` labels.
        bad: Labels that cannot be read.
        complaint: The message about bad labels if the table is refused.
        reasons: Reasons for rows without a molecule, if the reader knows them.
        hint: Advice for the case that no row holds a molecule.
        bounds: ``n x T``: -1 where the true value is below the label, 1 where it is above; ``None`` for exact labels.
        weights: Weight of each row; ``None`` for equal ones.
        roles: Index of each row's role in :data:`molweight.datasets.internal.ROLES`, -1 for none; ``None`` if the table
            has no column of roles.
        notes: Notes on how the source was read, if that is not obvious.
        remarks: Rows that describe the columns: they contain no molecule and do not count as rejects.
        number: Maps the position of a row to its row number in the file.
        task: The task of the labels, if it differs from the requested one.
        codes: By target, the class of each text of its column, if these are not 0 and 1.
        units: By target, the unit of its numbers, if it is known.
    """

    source: str
    smiles: Sequence[str]
    place: Callable[[int], str]
    labels: Float32Matrix | None = None
    columns: Sequence[str] = ()
    bad: Sequence[BadCell] = ()
    complaint: str = ""
    reasons: Mapping[int, str] = field(default_factory=dict)
    hint: str = "Check the SMILES."
    bounds: Int8Array | None = None
    weights: Float32Array | None = None
    roles: Int8Array | None = None
    notes: Sequence[str] = ()
    remarks: frozenset[int] = frozenset()
    number: Callable[[int], int] | None = None
    task: Task | None = None
    codes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)


def assemble(rows: Rows, options: Options) -> MoleculeDataset:
    """The dataset of the rows that can be used.

    Args:
        rows: The rows as read.
        options: The options of the reader.

    Returns:
        Molecules and labels; ``rejects`` lists, by row, every unusable molecule and label.

    Raises:
        DataError: If nothing is usable, or, with ``on_error="raise"``, anything is unusable.
    """
    if rows.bad and _refuses(rows, options):
        raise DataError(rows.complaint)
    dropped = {cell.record for cell in rows.bad} if options.on_error == "skip" else set()
    weightless = set() if rows.weights is None else set(np.flatnonzero(rows.weights == 0).tolist())
    unused = dropped | weightless
    labels = rows.labels if rows.labels is None or not unused else _blanked(rows.labels, unused)
    task, metric = settle(labels, rows.columns, rows.task or options.task, options.metric, rows.source)
    texts = rows.smiles
    if options.standardize:
        texts = standardize(texts, options.standardize, n_jobs=options.n_jobs, progress=options.progress)
    try:
        data = build_dataset(
            texts,
            labels,
            name=options.name,
            task=task,
            metric=metric,
            target_names=None if labels is None else rows.columns,
            cache=options.cache,
            n_jobs=options.n_jobs,
            progress=options.progress,
        )
    except DataError as error:
        raise DataError(_no_molecule(rows)) from error
    data = _with_report(rows, options, _with_columns(data, rows, options.target_weights), dropped)
    data, said = _with_duplicates(rows, options, data)
    learned = [] if labels is None or not options.trains else _learnable(rows, data)
    if weightless:
        learned.append(f"the labels of {len(weightless)} row{'s' * (len(weightless) > 1)} of weight 0 are not used")
    notes = [note.replace(NAME_TARGETS, options.names_targets) for note in (*rows.notes, *learned, *said)]
    messages = [Message(note) for note in notes]
    data.notes, data.source_rows = [str(message) for message in messages], len(rows.smiles)
    data.codes, data.units, data.standard_form = rows.codes, rows.units, check_steps(options.standardize)
    for message in messages:
        _LOG.warning("%s: %s", rows.source, message)
    return data


def _learnable(rows: Rows, data: MoleculeDataset) -> list[str]:
    """Notes about the labels that remain without unusable rows, and with one row per molecule if requested.

    Raises:
        DataError: If nothing can be learned from them.
    """
    settle(data.targets, rows.columns, data.task, data.metric, f"{rows.source}, rows that can be used")
    return remarks(data.targets, rows.columns, data.task)


def _target_weights(weights: Sequence[float] | Mapping[str, float], data: MoleculeDataset) -> Float64Array:
    """The weight of each target.

    Raises:
        ConfigError: If there is not one non-negative weight for each target, or all are 0.
        OptionError: If a name is not a target.
    """
    known, shown = data.target_names, list(weights)
    if isinstance(weights, Mapping):
        for name in weights:
            if name not in known:
                reason = f"names {name!r}, which is not a target{suggest(name, known)}"
                raise OptionError("target_weights", shown, reason, f"Targets: {', '.join(known[:10])}.")
        shown = [f"{name}={weight:g}" for name, weight in weights.items()]
        weights = [weights.get(name, 1.0) for name in known]
    found = np.array(weights or [1.0] * len(known), dtype=np.float64)
    if len(found) != len(known) or not (np.isfinite(found) & (found >= 0)).all() or not found.any():
        raise ConfigError(
            f"{mention('target_weights', shown)} must be one number >= 0 for each of the "
            f"{len(known)} targets ({', '.join(known[:10])}), in this order, not all of them 0."
        )
    return found


def _with_columns(
    data: MoleculeDataset, rows: Rows, target_weights: Sequence[float] | Mapping[str, float]
) -> MoleculeDataset:
    """The dataset with the columns that accompany labels: bounds, weights of rows, roles of rows."""
    columns: dict[str, Column] = {}
    if rows.bounds is not None and rows.bounds.any():
        columns["label_bounds"] = rows.bounds[data.rows]
    if rows.weights is not None or target_weights:
        of_rows = np.ones(len(data)) if rows.weights is None else rows.weights[data.rows]
        of_targets = _target_weights(target_weights, data)
        columns["label_weight"] = (of_rows[:, None] * of_targets).astype(np.float32)
    if rows.roles is not None:
        columns["given_role"] = rows.roles[data.rows]
    if rows.number is not None:
        columns[ROW_NUMBER] = np.array([rows.number(int(record)) for record in data.rows], dtype=np.int64)
    return data.with_columns(columns) if columns else data


def _with_duplicates(rows: Rows, options: Options, data: MoleculeDataset) -> tuple[MoleculeDataset, list[str]]:
    """The dataset, with one row per molecule if requested, and notes about duplicates."""
    if rows.labels is None or not data.target_names or rows.number is None:
        return data, []
    groups = groups_of(data, n_jobs=options.n_jobs)
    if "given_role" in data.columns and options.duplicates != "drop":
        groups = _within_roles(groups, data.columns["given_role"])
    if not groups:
        return data, []
    bounds = data.columns.get("label_bounds", np.zeros(data.targets.shape, np.int8))
    classes = [task == "classification" for task in tasks_of(data.task, len(data.target_names))]
    sides = bounds.astype(np.int8).reshape(data.targets.shape)
    weights = data.columns.get("label_weight", np.ones(data.targets.shape)).astype(np.float32)
    measured = Measurements(data.targets, sides, classes, weights.reshape(data.targets.shape))
    said = _of_duplicates(rows, options, data, measured, groups)
    if options.duplicates == "keep":
        return data, said
    merged, stay = merge(measured, groups, options.duplicates)
    part = data.subset(stay)
    part.targets = merged.labels[stay]
    part.rejects = data.rejects if options.duplicates != "drop" else _with_repeated(rows, data, groups)
    if "label_bounds" in data.columns:
        part = part.with_columns({"label_bounds": merged.bounds[stay]})
    if "label_weight" in data.columns and options.duplicates != "drop":
        part = part.with_columns({"label_weight": _summed(data.columns["label_weight"], groups)[stay]})
    if options.duplicates != "drop":
        part.merged_rows = {int(row): int(data.rows[group[0]]) for group in groups for row in data.rows[group[1:]]}
    return part, said


def _with_repeated(rows: Rows, data: MoleculeDataset, groups: Sequence[Indices]) -> list[Reject]:
    """Unusable rows and labels, extended by the rows of repeated molecules."""
    found = list(data.rejects)
    for group in groups:
        reason = f"the molecule occurs in {len(group)} rows ({_row_list(rows, data, group)}), all of which are dropped"
        found += [
            Reject(row, rows.smiles[row], reason, "repeated", rows.place(row), _number(rows, row))
            for row in data.rows[group].tolist()
        ]
    return sorted(found, key=lambda item: item.row)


def _within_roles(groups: Sequence[Indices], roles: Column) -> list[Indices]:
    """The rows of each molecule, separated by role: a training label must not be averaged with a test label."""
    parts = [group[roles[group] == role] for group in groups for role in np.unique(roles[group])]
    return [part for part in parts if len(part) > 1]


def _summed(weights: Column, groups: Sequence[Indices]) -> Float32Array:
    """The weight of each molecule: the sum over its rows."""
    summed = weights.astype(np.float32)
    for group in groups:
        summed[group[0]] = summed[group].sum(axis=0)
    return summed


def _of_duplicates(
    rows: Rows, options: Options, data: MoleculeDataset, measured: Measurements, groups: Sequence[Indices]
) -> list[str]:
    """Notes about molecules in several rows."""
    repeated = sum(len(group) for group in groups)
    extra = repeated - len(groups)
    majority = "the majority label is used" if all(measured.classes) else ""
    done = {
        "keep": f"and are all kept: {len(data) - extra} different molecules",
        "drop": f"and are left out: {len(data) - repeated} molecules remain",
        "mean": f"and {majority or 'their labels are averaged'}: {len(data) - extra} different molecules",
        "median": f"and {majority or 'the median of their labels is used'}: {len(data) - extra} different molecules",
    }[options.duplicates]
    others = ", ".join(name for name in DUPLICATES if name != options.duplicates)
    first = (
        f"{len(groups)} molecule{'s occur' if len(groups) > 1 else ' occurs'} more than once, in {repeated} of "
        f"{len(data)} rows, {done} "
        f"({mention('duplicates', options.duplicates)}; or {others})"
    )
    said = [first]
    worst, usual = conflicts(measured, groups)
    if worst and rows.number is not None:
        shown = [_row_list(rows, data, groups[place]) for place in worst[:_SHOWN]]
        counts = (
            " (the majority is used; ties are treated as missing)" if options.duplicates in ("mean", "median") else ""
        )
        far = "differ by more than half the standard deviation of all labels"
        limit = f"have both classes{counts}" if all(measured.classes) else far
        usually = "" if all(measured.classes) else f" (usually by {usual:.3g})"
        said.append(f"labels of {len(worst)} of these molecules {limit}{usually}, e.g. rows {'; '.join(shown)}")
    elif usual and not all(measured.classes):
        said.append(f"labels of one molecule usually differ by {usual:.3g}")
    return said


def _row_list(rows: Rows, data: MoleculeDataset, group: Indices) -> str:
    number = rows.number or (lambda record: record)
    return ", ".join(str(number(int(row))) for row in data.rows[group])


def _refuses(rows: Rows, options: Options) -> bool:
    """Whether to refuse the table for unreadable labels: always if requested, else if they are most of a column."""
    if options.on_error != "skip" or rows.labels is None:
        return options.on_error == "raise"
    unreadable = Counter(cell.column for cell in rows.bad)
    readable = dict(zip(rows.columns, (~np.isnan(rows.labels)).sum(axis=0).tolist(), strict=True))
    return any(count >= _SYSTEMATIC * (count + readable[name]) for name, count in unreadable.items())


def _blanked(labels: Float32Matrix, records: Iterable[int]) -> Float32Matrix:
    """The labels with some rows set to NaN, so that nothing is inferred from these."""
    blanked = labels.copy()
    blanked[list(records)] = np.nan
    return blanked


def _no_molecule(rows: Rows) -> str:
    first = rows.reasons.get(0) or explain(rows.smiles[0])
    return (
        f"{rows.source}: none of the {len(rows.smiles)} rows, starting at {rows.place(0)}, has a valid molecule; "
        f"the first value is {rows.smiles[0][:60]!r}{f' ({first})' if first else ''}. {rows.hint}"
    )


def _with_report(rows: Rows, options: Options, data: MoleculeDataset, dropped: set[int]) -> MoleculeDataset:
    """The dataset without dropped rows; ``rejects`` lists everything unusable."""
    molecules = [_explained(item, rows) for item in data.rejects if item.row not in rows.remarks]
    cells = [_of_cell(cell, rows, options) for cell in rows.bad]
    if dropped:
        data = data.subset(np.flatnonzero(~np.isin(data.rows, list(dropped))))
        known = {item.row for item in molecules}
        cells = _one_per_row([item for item in cells if item.row not in known])
    data.rejects = sorted([*molecules, *cells], key=lambda item: item.row)
    if data.rejects:
        _say(rows, options, data.rejects)
    if len(data) == 0:
        raise DataError(f"{rows.source}: no row has both a valid molecule and a readable label. {rows.complaint}")
    return data


def _of_cell(cell: BadCell, rows: Rows, options: Options) -> Reject:
    """The reject for an unreadable label: its row is left out, or the label counts as missing."""
    kind: Literal["label", "missing"] = "label" if options.on_error == "skip" else "missing"
    consequence = "" if kind == "label" else "; treated as missing"
    reason = f"column {cell.column!r}: {Message(cell.problem)}{consequence}"
    return Reject(
        cell.record, rows.smiles[cell.record], reason, kind, rows.place(cell.record), _number(rows, cell.record)
    )


def _number(rows: Rows, record: int) -> int | None:
    return None if rows.number is None else rows.number(record)


def _one_per_row(cells: Iterable[Reject]) -> list[Reject]:
    """Several bad labels of a row as one entry."""
    merged: dict[int, Reject] = {}
    for item in cells:
        known = merged.get(item.row)
        merged[item.row] = replace(item, reason=f"{known.reason}; {item.reason}") if known else item
    return list(merged.values())


def _explained(item: Reject, rows: Rows) -> Reject:
    """A reject with the original text, and with a plainer reason if there is one."""
    text = rows.smiles[item.row]
    plain = explain(text) if item.reason == "not a valid SMILES" else None
    reason = rows.reasons.get(item.row) or plain or item.reason
    return Reject(item.row, text, reason, place=rows.place(item.row), number=_number(rows, item.row))


def _say(rows: Rows, options: Options, rejects: Sequence[Reject]) -> None:
    """Log or refuse unusable rows and labels."""
    hidden = len(rejects) - _SHOWN
    shown = "; ".join([*map(str, rejects[:_SHOWN]), *([f"and {hidden} more"] if hidden > 0 else [])])
    affected = len({item.row for item in rejects})
    found = f"{rows.source}: {affected} of {len(rows.smiles)} rows cannot be used: {shown}"
    if options.on_error == "raise":
        raise DataError(f"{found}. Correct them, or leave them out with {mention('on_error', 'skip')}.")
    _LOG.warning("%s", found)
