"""Labels of a test file in the units of the training table."""

import logging
from collections.abc import Mapping
from typing import Final

import numpy as np

from molweight.datasets._label_columns import scaled_column, source_column
from molweight.datasets._label_units import same_unit
from molweight.datasets._numbers import molar_factor, unit_in_name, without_unit
from molweight.datasets._table import TextTable
from molweight.datasets._test_classes import class_targets
from molweight.datasets._train_labels import TrainLabels
from molweight.errors import DataError
from molweight.graphs import MoleculeDataset

__all__ = ["in_train_units", "names_in_test", "with_train_names"]

_LOG: Final = logging.getLogger(__name__)


def names_in_test(table: TextTable, train: MoleculeDataset | TrainLabels) -> dict[str, str]:
    """By target of the training table, its name in a test table, which may have another molar unit.

    Args:
        table: The test table.
        train: The training table, or its labels.

    Returns:
        For ``IC50 (nM)`` itself if there is such a column; otherwise the only column that differs from it in its molar
        unit, as ``IC50 (uM)`` does. Targets without a column, which are left out of a score, are not in the mapping.

    Raises:
        DataError: If several columns differ from a target in their unit only.
    """
    found: dict[str, str] = {}
    classes = class_targets(train)
    for target in train.target_names:
        own = target
        if source_column(table, target) not in table.columns:
            own = "" if target in classes else _in_another_unit(table, train, target)
        if own and own not in found.values():  # two targets may be the same quantity in two units
            found[target] = own
    return found


def _in_another_unit(table: TextTable, train: MoleculeDataset | TrainLabels, target: str) -> str:
    """The target with the only column that differs from its own in the molar unit; empty if there is none."""
    source = scaled_column(target) or target
    taken = {source_column(table, name) for name in train.target_names}
    near = [name for name in table.columns if without_unit(name) == without_unit(source) and name not in taken]
    molar = [name for name in near if molar_factor(unit_in_name(name))]
    if len(molar) > 1:
        raise DataError(
            f"{table.source}: the columns {', '.join(map(repr, molar))} may all hold the labels of {target!r}. Leave "
            "only one of them in the file."
        )
    if molar and (source != target or molar_factor((train.units or {}).get(target, ""))):
        _LOG.warning("%s: the labels of %r are those of the column %r", table.source, target, molar[0])
        return target.replace(source, molar[0])
    if near:
        _LOG.warning(
            "%s: the column %r is not used as labels of %r, because they cannot be converted without the units of both "
            "columns. If it has the same unit, call it %r",
            table.source, near[0], target, source,
        )  # fmt: skip
    return ""


def with_train_names(test: MoleculeDataset, names: Mapping[str, str]) -> MoleculeDataset:
    """A test table with the target names of the training table.

    Args:
        test: The test table, which is changed.
        names: The result of :func:`names_in_test`, for the targets of the test table.

    Raises:
        DataError: If a column with a unit in its name has no single unit, so that it cannot be converted.
    """
    for target, own in names.items():
        if own != target and not scaled_column(target) and not test.units.get(own):
            raise DataError(
                f"{test.name}, column {own!r}: the labels have several units, so they cannot be converted for "
                f"{target!r}. Write all of them in one unit."
            )
    test.units = {target: test.units[own] for target, own in names.items() if own in test.units}
    test.target_names = list(names)
    return test


def in_train_units(test: MoleculeDataset, train: MoleculeDataset | TrainLabels) -> MoleculeDataset:
    """A test table with its numbers in the units of the training table.

    Molar concentrations are converted. If only one of the tables states a unit, a warning says so.

    Args:
        test: The test table.
        train: The training table, or its labels; a run of an earlier version stored no units, and nothing is done.

    Returns:
        The test table, with the units of ``train``.

    Raises:
        DataError: If the units differ, and one of them is not molar.
    """
    if train.units is None:
        return test
    classes = class_targets(train)
    factors = np.array([1.0 if name in classes else _factor(test, train, name) for name in test.target_names])
    scaled = test.with_columns({})  # a copy, whose labels are placed on devices again
    scaled.targets = (test.targets * factors).astype(np.float32)
    scaled.units = {name: unit for name, unit in train.units.items() if name in test.target_names}
    return scaled


def _factor(test: MoleculeDataset, train: MoleculeDataset | TrainLabels, name: str) -> float:
    """The factor from the unit of a target in the test table to that of the training table.

    Raises:
        DataError: If there is none.
    """
    own, wanted = test.units.get(name, ""), (train.units or {}).get(name, "")
    if same_unit(own, wanted):
        return 1.0
    if not own or not wanted:
        known, unknown = (train, test) if wanted else (test, train)
        _LOG.warning(
            "%s: labels of %r are in %s in %s, but %s states no single unit: the same unit is assumed. Write the unit "
            "into the cells of both files",
            test.name, name, own or wanted, known.name, unknown.name,
        )  # fmt: skip
        return 1.0
    factor, target = molar_factor(own), molar_factor(wanted)
    if factor is None or target is None:
        raise DataError(
            f"{test.name}, column {name!r}: the labels are in {own}, but those of {train.name} are in {wanted}. "
            f"Convert them to {wanted}."
        )
    _LOG.warning("%s: labels of %r are converted from %s to %s, as in %s", test.name, name, own, wanted, train.name)
    return factor / target
