"""Predicted labels of auxiliary tables as features of a molecule."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from torch import Tensor

from molweight.arrays import AnyArray, Float64Array, Indices
from molweight.datasets.internal import SourceTable, compound_forms
from molweight.ensemble._label_transform import LabelTransform, possible_transforms
from molweight.ensemble._ridge import Ridge
from molweight.errors import DataError
from molweight.features import Standardiser, feature_matrix, get
from molweight.features.internal import SCALE_MEDIAN, scale_from_state, scale_state
from molweight.graphs import MoleculeDataset
from molweight.graphs.internal import column_seconds, tasks_of

__all__ = ["PROFILE", "Profile", "ProfileFit", "ProfileSpec", "fit_profile", "profile_seconds", "profile_tables"]

PROFILE: Final = "profile"
"""Name of these features, and of the Gaussian process that reads them."""
_MOST_MOLECULES: Final = 5_000
"""Maximum number of molecules of a table; those with the most labels are used."""
_MOST_COLUMNS: Final = 64
"""Maximum number of label columns of all tables; those with the most labels are used."""
_LEAST_LABELS: Final = 50
_LIMIT: Final = 6.0
"""Limit of labels, in standard deviations."""
_LEAST_EXPLAINED: Final = 0.05
"""Minimum share of the variance of a column that its model explains in leave-one-out cross-validation."""
_SECONDS_PER_COLUMN: Final = 0.5
"""Measured with 3,000 labels and 730 features."""
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class ProfileSpec:
    """Description of a profile, as JSON values.

    Args:
        features: Feature sets that its models read.
        columns: The predicted label columns.
        tables: The table of each column.
    """

    features: tuple[str, ...]
    columns: tuple[str, ...]
    tables: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {name: list(values) for name, values in vars(self).items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "ProfileSpec":
        """The specification from the values of :meth:`to_json`."""
        return cls(*(tuple(values[name]) for name in ("features", "columns", "tables")))


@dataclass(frozen=True)
class Profile:
    """Linear models of the label columns of auxiliary tables; their predictions are features of the task.

    Source: Martin et al., *Profile-QSAR 2.0*, J. Chem. Inf. Model. 57, 2077, 2017.

    Args:
        spec: Its specification.
        standardiser: Standardiser of the features.
        coefficients: ``D x K`` float64.
        offset: Intercepts, ``K`` float64.
    """

    spec: ProfileSpec
    standardiser: Standardiser
    coefficients: Tensor
    offset: Tensor

    def __call__(self, features: AnyArray) -> AnyArray:
        """Predicted labels in standard units, ``n x K`` float64.

        Args:
            features: ``n x F``, as in the specification.
        """
        rows = self.standardiser(torch.from_numpy(np.asarray(features))).double()
        found: AnyArray = (rows @ self.coefficients + self.offset).numpy()
        return found

    def state(self) -> dict[str, Tensor]:
        """The state as tensors."""
        own = {"coefficients": self.coefficients, "offset": self.offset}
        return {**own, **scale_state(self.standardiser)}

    @classmethod
    def from_state(cls, spec: ProfileSpec, state: Mapping[str, Tensor]) -> "Profile":
        """The profile from its :meth:`state`.

        Raises:
            DataError: If a tensor is missing.
        """
        missing = [name for name in ("coefficients", "offset", SCALE_MEDIAN) if name not in state]
        if missing:
            raise DataError(f"the models of auxiliary tables lack {', '.join(missing)}. Restore the file.")
        standardiser = scale_from_state(state)
        return cls(spec, standardiser, state["coefficients"].cpu(), state["offset"].cpu())


class ProfileFit(NamedTuple):
    """A fitted profile.

    Args:
        profile: The models of the label columns.
        values: Predicted labels of the task's molecules, ``n x K``; those of a compound that a table contains come from
            the model without it.
        independent: Predicted labels by models without any compound of the task, ``n x M``. Only these may be combined
            with the features of the models: together with them, a leave-one-out prediction reveals the label that it
            leaves out.
        tables: The table of each column of ``independent``.
    """

    profile: Profile
    values: AnyArray
    independent: Float64Array
    tables: tuple[str, ...]


def profile_tables(sources: Sequence[SourceTable], data: MoleculeDataset) -> list[SourceTable]:
    """The parts of auxiliary tables that a profile learns: at most 5,000 molecules of each, those with most labels.

    Args:
        sources: The tables, without held-out compounds of the task.
        data: The table of the task, whose treatment of stereochemistry they adopt.
    """
    return [_most_labelled(source, data) for source in sources]


def _most_labelled(source: SourceTable, data: MoleculeDataset) -> SourceTable:
    table = source.data.with_featuriser(data.featuriser)
    counts = (~np.isnan(table.targets)).sum(axis=1)
    order = np.lexsort([np.random.default_rng(0).permutation(len(table)), -counts])
    rows = np.sort(order[:_MOST_MOLECULES])
    return SourceTable(source.origin, table.subset(rows), source.keys[rows], source.compounds[rows], source.use)


def fit_profile(
    tables: Sequence[SourceTable],
    features: Sequence[str],
    data: MoleculeDataset,
    rows: Indices,
    *,
    progress: bool = False,
) -> ProfileFit | None:
    """Fit a ridge regression to each label column, and predict the labels of the task's molecules.

    Args:
        tables: Auxiliary tables without held-out compounds of the task, from :func:`profile_tables`.
        features: Feature sets that the models read.
        data: The table of the task.
        rows: Positions of the molecules to predict, ``n``.
        progress: Whether to show progress bars on a terminal.

    Returns:
        The profile; ``None`` if no column can be predicted from the structure.
    """
    if not tables:
        return None
    matrices = [feature_matrix(table.data, features, progress=progress) for table in tables]
    standardiser = Standardiser.fit(np.concatenate(matrices))
    wanted = _scaled(standardiser, feature_matrix(data, features, progress=progress)[rows])
    task, chosen = data.subset(rows), _chosen(tables)
    fitted = [
        _fitted(source, column, wanted)
        for table, matrix, columns in zip(tables, matrices, chosen, strict=True)
        if columns
        for source in [_Source(table, _scaled(standardiser, matrix), compound_forms(task, table.data, table.compounds))]
        for column in columns
    ]
    useful = [part for part in fitted if part.ridge.explained >= _LEAST_EXPLAINED]
    _report(tables, len(fitted), len(useful))
    return _joined(useful, standardiser, features) if useful else None


def profile_seconds(tables: Sequence[SourceTable], features: Sequence[str]) -> float:
    """Expected seconds of :func:`fit_profile`.

    Args:
        tables: Auxiliary tables, from :func:`profile_tables`.
        features: Feature sets that the models read.
    """
    sets = [get(name).spec for name in features]
    computed = sum(column_seconds(table.data, spec) for table in tables for spec in sets)
    return computed + _SECONDS_PER_COLUMN * sum(map(len, _chosen(tables)))


class _Source(NamedTuple):
    """A table with standardised features, ``n x D``, and the rows that are forms of each molecule of the task."""

    table: SourceTable
    features: Float64Array
    forms: list[Indices]


class _Fitted(NamedTuple):
    """The model of a label column, and its predictions as in :class:`ProfileFit`."""

    table: str
    column: str
    ridge: Ridge
    values: Float64Array
    independent: Float64Array | None


def _chosen(tables: Sequence[SourceTable]) -> list[list[int]]:
    """Positions of the columns to learn in each table: those with enough labels, and of these the largest."""
    counts = [_label_counts(table.data) for table in tables]
    enough = [(count, at, place) for at, own in enumerate(counts) for place, count in enumerate(own.tolist())]
    enough = sorted((item for item in enough if item[0] >= _LEAST_LABELS), key=lambda item: -item[0])[:_MOST_COLUMNS]
    return [sorted(place for _, own, place in enough if own == at) for at in range(len(tables))]


def _label_counts(data: MoleculeDataset) -> AnyArray:
    """Number of labels of each column; 0 if all are equal."""
    known = ~np.isnan(data.targets)
    lowest = np.where(known, data.targets, np.inf).min(axis=0, initial=np.inf)
    highest = np.where(known, data.targets, -np.inf).max(axis=0, initial=-np.inf)
    return np.where(lowest < highest, known.sum(axis=0), 0)


def _fitted(source: _Source, place: int, wanted: Float64Array) -> _Fitted:
    """Fit the model of a column; the column is not constant."""
    data = source.table.data
    known = np.flatnonzero(~np.isnan(data.targets[:, place]))
    labels = _units(data.targets[known, place].astype(np.float64), tasks_of(data.task, len(data.target_names))[place])
    features = source.features[known]
    ridge = Ridge.fit(features, labels)
    forms = [np.flatnonzero(np.isin(known, rows)) for rows in source.forms]
    values, shared = ridge.predict(wanted), [row for row, own in enumerate(forms) if len(own)]
    independent: Float64Array | None = values.copy()
    if shared:
        values[shared] = ridge.without(features, labels, wanted[shared], [forms[row] for row in shared])
        others = np.setdiff1d(np.arange(len(known)), np.concatenate(forms))
        enough = len(others) >= _LEAST_LABELS and np.ptp(labels[others]) > 0
        independent = Ridge.fit(features[others], labels[others]).predict(wanted) if enough else None
    return _Fitted(data.name, data.target_names[place], ridge, values, independent)


def _units(labels: Float64Array, task: str) -> Float64Array:
    """Labels in standard units; skewed ones are transformed, outliers are clipped."""
    kind = possible_transforms(labels)[-1] if task == "regression" else "none"
    column = labels[:, None]
    return LabelTransform.fit(kind, column).forward(column)[:, 0].clip(-_LIMIT, _LIMIT)


def _joined(parts: Sequence[_Fitted], standardiser: Standardiser, features: Sequence[str]) -> ProfileFit:
    spec = ProfileSpec(tuple(features), tuple(part.column for part in parts), tuple(part.table for part in parts))
    coefficients = torch.from_numpy(np.stack([part.ridge.coefficients for part in parts], axis=1))
    offset = torch.tensor([part.ridge.offset for part in parts], dtype=torch.float64)
    unseen = [(part.table, part.independent) for part in parts if part.independent is not None]
    values = np.stack([part.values for part in parts], axis=1)
    independent = np.stack([own for _, own in unseen], axis=1) if unseen else np.empty((len(values), 0))
    profile = Profile(spec, standardiser, coefficients, offset)
    return ProfileFit(profile, values, independent, tuple(name for name, _ in unseen))


def _report(tables: Sequence[SourceTable], fitted: int, useful: int) -> None:
    counts = np.concatenate([_label_counts(table.data) for table in tables])
    few = int((counts < _LEAST_LABELS).sum())
    reasons = {
        f"with fewer than {_LEAST_LABELS} labels, or equal ones": few,
        f"beyond the limit of {_MOST_COLUMNS}": len(counts) - few - fitted,
        "that cannot be predicted from the structure": fitted - useful,
    }
    left_out = ", ".join(f"{count} {reason}" for reason, count in reasons.items() if count)
    level = logging.INFO if useful else logging.WARNING
    _LOG.log(
        level, "predicted labels: %d of %d label columns of auxiliary tables are used%s",
        useful, len(counts), f"; left out: {left_out}" if left_out else "",
    )  # fmt: skip


def _scaled(standardiser: Standardiser, features: AnyArray) -> Float64Array:
    scaled: Float64Array = standardiser(torch.from_numpy(np.asarray(features))).double().numpy()
    return scaled
