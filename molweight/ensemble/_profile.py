"""Predicted labels of auxiliary tables as features of a molecule."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from torch import Tensor

from molweight.arrays import AnyArray, Float64Array, Indices, Uint64Array
from molweight.datasets.internal import SourceTable, compound_keys
from molweight.ensemble._label_transform import LabelTransform, possible_transforms
from molweight.ensemble._ridge import Ridge
from molweight.errors import DataError
from molweight.features import Standardiser, feature_matrix
from molweight.graphs import MoleculeDataset
from molweight.graphs.internal import tasks_of

__all__ = ["PROFILE", "Profile", "ProfileSpec", "fit_profile", "profile_tables"]

PROFILE: Final = "profile"
"""Name of these features, and of the Gaussian process that reads them."""
_MOST_MOLECULES: Final = 5_000
"""Maximum number of molecules of a table; those with the most labels are used."""
_MOST_COLUMNS: Final = 128
"""Maximum number of label columns of all tables; those with the most labels are used."""
_LEAST_LABELS: Final = 50
_LEAST_EXPLAINED: Final = 0.05
"""Minimum share of the variance of a column that its model explains in leave-one-out cross-validation."""
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
        return {**own, **{f"standardiser.{name}": tensor for name, tensor in self.standardiser.state_dict().items()}}

    @classmethod
    def from_state(cls, spec: ProfileSpec, state: Mapping[str, Tensor]) -> "Profile":
        """The profile from its :meth:`state`.

        Raises:
            DataError: If a tensor is missing.
        """
        missing = [name for name in ("coefficients", "offset", "standardiser.median") if name not in state]
        if missing:
            raise DataError(f"the models of auxiliary tables lack {', '.join(missing)}. Restore the file.")
        standardiser, prefix = Standardiser(len(state["standardiser.median"])), "standardiser."
        standardiser.load_state_dict({n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)})
        return cls(spec, standardiser, state["coefficients"].cpu(), state["offset"].cpu())


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
) -> tuple[Profile, AnyArray] | None:
    """Fit a ridge regression to each label column, and predict the labels of the task's molecules.

    For a molecule of the task whose compound is in a table, the prediction is that of the model without all molecules
    of this compound, as for a molecule that nobody has measured.

    Args:
        tables: Auxiliary tables without held-out compounds of the task, from :func:`profile_tables`.
        features: Feature sets that the models read.
        data: The table of the task.
        rows: Positions of the molecules to predict, ``n``.
        progress: Whether to show progress bars on a terminal.

    Returns:
        The profile, and the predictions in standard units, ``n x K``; ``None`` if no column can be predicted from the
        structure.
    """
    if not tables:
        return None
    matrices = [feature_matrix(table.data, features, progress=progress) for table in tables]
    standardiser = Standardiser.fit(np.concatenate(matrices))
    wanted = _Wanted(
        _scaled(standardiser, feature_matrix(data, features, progress=progress)[rows]), compound_keys(data)[rows]
    )
    chosen = sorted(_columns(tables, matrices, standardiser), key=lambda column: -len(column.labels))[:_MOST_COLUMNS]
    fitted = [(column, Ridge.fit(column.features, column.labels)) for column in chosen]
    useful = [(column, ridge) for column, ridge in fitted if ridge.explained >= _LEAST_EXPLAINED]
    _LOG.info(
        "profile: %d of %d label columns of auxiliary tables can be predicted from the structure",
        len(useful), sum(table.use.columns for table in tables),
    )  # fmt: skip
    if not useful:
        return None
    coefficients = torch.from_numpy(np.stack([ridge.coefficients for _, ridge in useful], axis=1))
    offset = torch.tensor([ridge.offset for _, ridge in useful], dtype=torch.float64)
    names, origins = zip(*((column.name, column.table) for column, _ in useful), strict=True)
    spec = ProfileSpec(tuple(features), names, origins)
    values = np.stack([wanted.predicted(column, ridge) for column, ridge in useful], axis=1)
    return Profile(spec, standardiser, coefficients, offset), values


class _Column(NamedTuple):
    """The known labels of a column: standardised features ``n x D``, labels in standard units, and compounds."""

    table: str
    name: str
    features: Float64Array
    labels: Float64Array
    compounds: Uint64Array


class _Wanted(NamedTuple):
    """Molecules of the task: standardised features ``m x D``, and compounds."""

    features: Float64Array
    compounds: Uint64Array

    def predicted(self, column: _Column, ridge: Ridge) -> Float64Array:
        """Predictions by a model of a column, without the molecule's own compound."""
        found = ridge.predict(self.features)
        shared = np.flatnonzero(np.isin(self.compounds, column.compounds))
        if len(shared):
            left_out = [np.flatnonzero(column.compounds == self.compounds[row]) for row in shared]
            found[shared] = ridge.without(column.features, column.labels, self.features[shared], left_out)
        return found


def _columns(
    tables: Sequence[SourceTable], matrices: Sequence[AnyArray], standardiser: Standardiser
) -> Iterator[_Column]:
    """The columns with enough labels, in standard units; skewed labels are transformed, outliers are clipped."""
    for table, matrix in zip(tables, matrices, strict=True):
        features, data = _scaled(standardiser, matrix), table.data
        tasks = tasks_of(data.task, len(data.target_names))
        for name, task, labels in zip(data.target_names, tasks, data.targets.T.astype(np.float64), strict=True):
            known = ~np.isnan(labels)
            if known.sum() >= _LEAST_LABELS and np.ptp(labels[known]) > 0:
                kind = possible_transforms(labels[known])[-1] if task == "regression" else "none"
                column = labels[known][:, None]
                units = LabelTransform.fit(kind, column).forward(column)[:, 0]
                clipped = units.clip(-standardiser.limit, standardiser.limit)
                yield _Column(data.name, name, features[known], clipped, table.compounds[known])


def _scaled(standardiser: Standardiser, features: AnyArray) -> Float64Array:
    scaled: Float64Array = standardiser(torch.from_numpy(np.asarray(features))).double().numpy()
    return scaled
