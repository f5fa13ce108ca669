"""Labels of a test file in the units of the training table."""

import logging
from typing import Final

import numpy as np

from molweight.datasets._label_units import same_unit
from molweight.datasets._numbers import molar_factor
from molweight.datasets._test_classes import class_targets
from molweight.datasets._train_labels import TrainLabels
from molweight.errors import DataError
from molweight.graphs import MoleculeDataset

__all__ = ["in_train_units"]

_LOG: Final = logging.getLogger(__name__)


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
