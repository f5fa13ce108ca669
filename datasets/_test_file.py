"""Tables with test molecules in a separate file, and tables without a test set."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from molweight.arrays import Column, Float32Matrix
from molweight.datasets._from_file import Reading, from_file, read_any
from molweight.datasets._label_columns import source_column
from molweight.datasets._replicates import shared_molecules
from molweight.datasets._row_numbers import ROW_NUMBER, row_numbers
from molweight.datasets._splits import SPLITTERS, Request, Splits, from_groups
from molweight.errors import ConfigError, DataError, Message
from molweight.graphs import MoleculeDataset, build_dataset

__all__ = ["all_rows_train", "number_of_cell", "read_test_file", "with_feature_columns", "with_test"]


_READING: Final = ("delimiter", "encoding", "header", "sheet", "max_mb", "max_rows")
_LOG: Final = logging.getLogger(__name__)
_DEFINITION: Final = "test molecules: {}; train, meta and select are drawn by NumPy's default generator from the seed"


@SPLITTERS.register("none")
def all_rows_train(data: MoleculeDataset, request: Request) -> Splits:
    """A split without test molecules: an ensemble trains on every row and is scored out of fold.

    Args:
        data: The molecules.
        request: Protocol and seed; the share of the test set goes to train.

    Returns:
        The positions by role; ``test`` is empty.
    """
    order = np.random.default_rng(request.seed).permutation(len(data)).astype(np.int64)
    drawn = from_groups("none", _DEFINITION.format("none, every row trains"), list(order[:, None]), request)
    return replace(drawn, train=np.concatenate([drawn.train, drawn.test]), test=np.empty(0, dtype=np.int64))


def read_test_file(path: str | Path, train: MoleculeDataset, **reading: Any) -> MoleculeDataset:
    """The molecules of a test file with the labels of a training table, matched by column names.

    Args:
        path: The file; its columns may be in any order, and cells may be empty.
        train: The training table.
        **reading: Arguments of :func:`from_file`; those about targets, task and duplicates are those of ``train``.

    Returns:
        The molecules with the targets of ``train``, NaN if a label is missing. If the file has no labels at all, the
        dataset has no targets.

    Raises:
        DataError: If the file cannot be read.
    """
    options = {**reading, "duplicates": "keep", "split_column": None, "target_weights": ()}
    table = read_any(path, Reading(**{name: options[name] for name in _READING if name in options}))
    names = [name for name in train.target_names if _labelled(table, name)]
    if not names:
        return from_file(path, **{**options, "targets": []})
    words = any(not _numeric(table.cells(source_column(table, name))) for name in names)
    found = from_file(path, **{**options, "targets": names, "task": None if words else "regression"})
    missing = [name for name in train.target_names if name not in names]
    if missing:
        _LOG.warning("%s has no labels of: %s", path, ", ".join(missing))
    labels = np.full((len(found), len(train.target_names)), np.nan, dtype=np.float32)
    labels[:, [train.target_names.index(name) for name in found.target_names]] = found.targets
    return _labels(found, labels, train)


def with_test(train: MoleculeDataset, test: MoleculeDataset, seed: int = 0) -> tuple[MoleculeDataset, Splits]:
    """Join two tables, with the molecules of the second as test set.

    Molecules in both are reported: their labels are known in training, which makes the score too optimistic.

    Args:
        train: The training molecules.
        test: The test molecules, with the same targets; labels may be missing.
        seed: Seed for sampling ``meta`` and ``select`` from the training molecules.

    Returns:
        The table, and its roles. ``rows`` of a test molecule refers to its own file.

    Raises:
        ConfigError: If the targets differ.
    """
    if test.target_names != train.target_names:
        raise ConfigError(
            f"{test.name} has the targets {', '.join(test.target_names) or 'none'}, but {train.name} has "
            f"{', '.join(train.target_names)}. Read the test table with targets={train.target_names!r}."
        )
    data = _joined(train, test)
    places = np.arange(len(train), len(data), dtype=np.int64)
    drawn = all_rows_train(train, Request(seed=seed))
    splits = replace(drawn, test=places, name="test_file", definition=_DEFINITION.format(f"those of {test.name}"))
    shared = shared_molecules(data, np.arange(len(train)), places)
    if shared:
        note = Message(
            f"{shared} of {len(test)} test molecules are also in the training table, so their labels are known in "
            "training: the score on them says little about new molecules"
        )
        data.notes.append(str(note))
        _LOG.warning("%s: %s", test.name, note)
    return data, splits


def with_feature_columns(
    data: MoleculeDataset, path: str | Path, names: Sequence[str], **reading: Any
) -> MoleculeDataset:
    """The molecules of a file with numeric columns of the same file, for models that read them as features.

    Args:
        data: The result of :func:`from_file` for the file.
        path: The file.
        names: The columns.
        **reading: Arguments with which the file was read.

    Returns:
        The dataset with a column ``column:NAME`` for each, NaN if a cell is empty or not a number.

    Raises:
        DataError: If the file lacks a column.
        ConfigError: If a column is a label.
    """
    labels = [name for name in names if name in data.target_names]
    if labels:
        raise ConfigError(
            f"{path}: column {labels[0]!r} is a label and a feature. Name the labels, e.g. --targets "
            f"{next((name for name in data.target_names if name not in names), 'y')}."
        )
    table = read_any(path, Reading(**{name: reading[name] for name in _READING if name in reading}))
    columns: dict[str, Column] = {}
    for name in names:
        values = np.array([number_of_cell(cell) for cell in table.cells(name)], dtype=np.float32)[data.rows]
        if np.isnan(values).any():
            _LOG.warning(
                "%s, column %r: %d of %d cells are empty or not numbers; they are imputed by the median",
                path, name, int(np.isnan(values).sum()), len(values),
            )  # fmt: skip
        columns[f"column:{name}"] = values[:, None]
    return data.with_columns(columns)


def number_of_cell(cell: str) -> float:
    """The number in a cell; NaN if there is none.

    Example:
        >>> number_of_cell(" 7.4 "), number_of_cell("high")
        (7.4, nan)
    """
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def _labelled(table: Any, name: str) -> bool:
    """Whether a table has a non-empty column for a target."""
    column = source_column(table, name)
    return column in table.columns and any(cell.strip() for cell in table.cells(column))


def _numeric(cells: Sequence[str]) -> bool:
    return any(character.isdigit() for cell in cells for character in cell)


def _labels(data: MoleculeDataset, labels: Float32Matrix, like: MoleculeDataset) -> MoleculeDataset:
    """The molecules of a dataset with the labels of another table."""
    found = MoleculeDataset(
        data.molecules,
        labels,
        name=data.name,
        task=like.task,
        metric=like.metric,
        target_names=like.target_names,
        rejects=data.rejects,
        folder=data.folder,
        featuriser=data.featuriser,
    )
    own = {name: column for name, column in data.columns.items() if name.startswith("column:") or name == ROW_NUMBER}
    if "label_bounds" in data.columns:
        bounds = np.zeros(labels.shape, dtype=np.int8)
        bounds[:, [like.target_names.index(name) for name in data.target_names]] = data.columns["label_bounds"]
        own["label_bounds"] = bounds
    return found.with_columns(own) if own else found


def _joined(first: MoleculeDataset, second: MoleculeDataset) -> MoleculeDataset:
    """The molecules of both datasets, in order.

    Raises:
        DataError: If a molecule of one of them cannot be parsed again.
    """
    smiles = [*first.smiles, *second.smiles]
    data = build_dataset(
        smiles,
        np.concatenate([first.targets, second.targets]),
        name=first.name,
        task=first.task,
        metric=first.metric,
        target_names=first.target_names,
        featuriser=first.featuriser,
    )
    if len(data) < len(smiles):
        raise DataError(f"{first.name}: {data.rejects[0]} cannot be read again. Leave it out.")
    data = data.with_rows(np.concatenate([first.rows, second.rows]))
    data.rejects, data.notes = [*first.rejects, *second.rejects], list(first.notes)
    columns = {name: _column(name, first, second) for name in {**first.columns, **second.columns} if _kept(name)}
    return data.with_columns(columns) if columns else data


def _kept(name: str) -> bool:
    return name.startswith("column:") or name in ("label_bounds", "label_weight", ROW_NUMBER)


def _column(name: str, first: MoleculeDataset, second: MoleculeDataset) -> Column:
    """A column of both tables; a table without it gets exact labels, weights of 1 or empty cells."""
    if name == ROW_NUMBER:
        return np.concatenate([row_numbers(first), row_numbers(second)])
    blank = {"label_bounds": 0, "label_weight": 1}.get(name, np.nan)
    known = first.columns[name] if name in first.columns else second.columns[name]
    parts = [
        data.columns[name] if name in data.columns else np.full((len(data), *known.shape[1:]), blank, known.dtype)
        for data in (first, second)
    ]
    return np.concatenate(parts)
