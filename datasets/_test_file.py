"""Tables with test molecules in a separate file."""

import logging
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from molweight.arrays import Column, Float32Matrix
from molweight.datasets._assemble import Options
from molweight.datasets._columns import find_smiles, listed
from molweight.datasets._from_file import Reading, read_any, stem
from molweight.datasets._from_table import from_table, without_descriptions
from molweight.datasets._label_columns import source_column
from molweight.datasets._labels import bounds_of, exact_labels
from molweight.datasets._none_split import DEFINITION, all_rows_train
from molweight.datasets._numbers import Decimal, read_numbers
from molweight.datasets._replicates import Duplicated, Measurements, groups_of, merge, shared_molecules
from molweight.datasets._row_numbers import ROW_NUMBER, row_numbers
from molweight.datasets._splits import Request, Splits
from molweight.datasets._table import TextTable
from molweight.datasets._test_classes import (
    check_test_classes,
    class_targets,
    with_train_classes,
    without_truth_values,
)
from molweight.datasets._test_units import in_train_units, names_in_test, with_train_names
from molweight.datasets._train_labels import TrainLabels
from molweight.errors import ConfigError, DataError, Message, mention
from molweight.graphs import MoleculeDataset, build_dataset
from molweight.graphs.internal import tasks_of

__all__ = ["read_test_file", "with_test"]

_LOG: Final = logging.getLogger(__name__)


def read_test_file(
    path: str | Path, train: MoleculeDataset | TrainLabels, *, replicates: Duplicated = "keep", **reading: Any
) -> MoleculeDataset:
    """The molecules of a test file with the labels of a training table, matched by column names.

    Words and numbers that stand for classes have the meaning that they have in the training table, and molar
    concentrations in another unit are converted, also if the names differ in that unit: ``IC50 (nM)``, ``IC50 (uM)``.

    Args:
        path: The file; its columns may be in any order, and cells may be empty.
        train: The training table, or its labels.
        replicates: Treatment of molecules in several rows, as ``duplicates`` of :func:`from_file`.
        **reading: Arguments of :func:`from_file`; those about targets, task, duplicates and weights have no effect: the
            file needs no column of weights, and every row counts.

    Returns:
        The molecules with the targets of ``train``, NaN if a label is missing. If the file has no labels at all, the
        dataset has no targets.

    Raises:
        DataError: If the file cannot be read, a label is not a class of ``train``, or is in another unit that is not
            molar.
    """
    options = _options(path, reading)
    table = read_any(path, Reading.of(reading))
    smiles = reading.get("smiles") or find_smiles(table)
    table, said = without_descriptions(table, smiles)
    table = replace(table, notes=(*table.notes, *said))
    lenient = options.on_error == "nan"
    table = with_train_classes(table, smiles, train, options.decimal, lenient=lenient)
    table = without_truth_values(table, train, lenient=lenient)
    known = names_in_test(table, train).items()
    names = {name: own for name, own in known if _labelled(table, own, options.decimal)}
    found = from_table(table, smiles, list(names.values()), options)
    for name in found.codes:
        raise DataError(
            f"{path}, column {source_column(table, name)!r}: holds the words {listed(list(found.codes[name]))}, but "
            f"the target {name!r} of {train.name} is a number. Write numbers, or leave the cells empty."
        )
    found.decimals = train.decimals
    if not names:
        return found
    missing = [name for name in train.target_names if name not in names]
    if missing:
        _LOG.warning("%s has no labels of: %s", path, ", ".join(missing))
    found = in_train_units(with_train_names(found, names), train)
    labels = np.full((len(found), len(train.target_names)), np.nan, dtype=np.float32)
    labels[:, [train.target_names.index(name) for name in found.target_names]] = found.targets
    return _merged(_labels(found, labels, train), replicates)


def with_test(train: MoleculeDataset, test: MoleculeDataset, seed: int = 0) -> tuple[MoleculeDataset, Splits]:
    """Join two tables, with the molecules of the second as test set.

    Scored molecules in both are reported: their labels are known in training, which makes the score too optimistic.

    Args:
        train: The training molecules.
        test: The test molecules, with the same targets; labels may be missing.
        seed: Seed for sampling ``meta`` and ``select`` from the training molecules.

    Returns:
        The table, and its roles. ``rows`` of a test molecule refers to its own file.

    Raises:
        ConfigError: If the targets differ.
        DataError: If a label is not a class of ``train``, or is in another unit that is not molar.
    """
    if test.target_names != train.target_names:
        raise ConfigError(
            f"{test.name} has the targets {', '.join(test.target_names) or 'none'}, but {train.name} has "
            f"{', '.join(train.target_names)}. Read the test table with targets={train.target_names!r}."
        )
    check_test_classes(train, test)
    test = in_train_units(test, train)
    data = _joined(train, test)
    places = np.arange(len(train), len(data), dtype=np.int64)
    drawn = all_rows_train(train, Request(seed=seed))
    splits = replace(drawn, test=places, name="test_file", definition=DEFINITION.format(f"those of {test.name}"))
    scored = places[~np.isnan(exact_labels(data, places)).all(axis=1)]
    shared = shared_molecules(data, np.arange(len(train)), scored)
    if shared:
        word = "labelled " if len(scored) < len(test) else ""
        note = Message(
            f"{shared} of {len(scored)} {word}test molecules are also in the training table, so their labels are known "
            "in training: the score on them says little about new molecules"
        )
        data.notes.append(str(note))
        _LOG.warning("%s: %s", test.name, note)
    return data, splits


def _options(path: str | Path, reading: Mapping[str, Any]) -> Options:
    """The options for the labels of a test file: every row counts, and classes are numbers, as one may be absent."""
    known = {item.name: reading[item.name] for item in fields(Options) if item.name in reading}
    own: dict[str, Any] = {"task": "regression", "metric": None, "positive": None, "duplicates": "keep"}
    own |= {"sample_weight": None, "target_weights": ()}  # scores count all labels equally
    return Options(**{"name": stem(path), **known, **own, "split_column": None, "trains": False})


def _labelled(table: TextTable, name: str, decimal: Decimal | None) -> bool:
    """Whether a table, with its classes as 0 and 1, has labels in the column for a target."""
    column = source_column(table, name)
    return column in table.columns and not np.isnan(read_numbers(table.distinct(column)[1], decimal).values).all()


def _merged(data: MoleculeDataset, how: Duplicated) -> MoleculeDataset:
    """The dataset with the molecules that occur in several rows merged into one, or left out."""
    groups = [] if how == "keep" else groups_of(data)
    if not groups:
        return data
    classes = [task == "classification" for task in tasks_of(data.task, len(data.target_names))]
    merged, stay = merge(Measurements(data.targets, bounds_of(data), classes), groups, how)
    _LOG.warning(
        "%s: %d molecules remain, one row each (%s)", data.name, len(stay), Message(mention("duplicates", how))
    )
    part = data.subset(stay)
    part.targets, part.rejects = merged.labels[stay], data.rejects
    return part.with_columns({"label_bounds": merged.bounds[stay]} if "label_bounds" in data.columns else {})


def _labels(data: MoleculeDataset, labels: Float32Matrix, like: MoleculeDataset | TrainLabels) -> MoleculeDataset:
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
        bounds[:, [like.target_names.index(name) for name in class_targets(like)]] = 0
        own["label_bounds"] = bounds
    found.codes, found.decimals, found.units = like.codes, like.decimals, data.units
    found.standard_form = data.standard_form
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
    data.codes, data.decimals, data.units = first.codes, first.decimals, first.units
    data.standard_form = first.standard_form
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
