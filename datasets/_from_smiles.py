"""A dataset from SMILES and labels in memory."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from molweight.arrays import Float32Array, Float32Matrix, Int8Array
from molweight.datasets._assemble import OnError, Options, Rows, assemble
from molweight.datasets._label_columns import BadCell
from molweight.datasets._replicates import Duplicated
from molweight.datasets._standardize import StandardStep
from molweight.datasets._table_spec import Metric, Task
from molweight.errors import DataError
from molweight.graphs import MoleculeDataset
from molweight.graphs.internal import as_smiles

__all__ = ["from_smiles"]


def from_smiles(
    smiles: Iterable[Any],
    targets: Any = None,
    *,
    task: Task | None = None,
    metric: Metric | None = None,
    target_names: Sequence[str] | None = None,
    name: str = "molecules",
    bounds: Any = None,
    sample_weight: Any = None,
    target_weights: Sequence[float] | Mapping[str, float] = (),
    duplicates: Duplicated = "keep",
    on_error: OnError = "skip",
    standardize: StandardStep | Sequence[StandardStep] = (),
    cache: bool = True,
    n_jobs: int | None = None,
    progress: bool = False,
) -> MoleculeDataset:
    """A dataset from a list, an array or a pandas column of SMILES or RDKit molecules.

    Args:
        smiles: One SMILES or RDKit molecule per row; ``None`` and NaN count as empty.
        targets: Labels, ``n`` or ``n x T``, as numbers; ``None`` and NaN are missing labels. ``None`` for no labels.
        task: ``"classification"`` or ``"regression"``; ``None`` for classification if all labels are 0 or 1.
        metric: Metric of predictions; ``None`` for ROC-AUC for classes and RMSE for numbers.
        target_names: Name of each label; ``None`` for ``y0``, ``y1``, ...
        name: Name of the table in messages.
        bounds: Which labels are bounds, ``n`` or ``n x T``: -1 where the true value is below the label, 1 where it is
            above, 0 where it is the label; ``None`` for exact labels.
        sample_weight: Weight of each row, ``n``, not negative; ``None`` for equal ones.
        target_weights: Weight of each target in the loss: in their order, or by name, with 1 for targets that are not
            named; none for equal ones.
        duplicates: Treatment of molecules in several rows, as in :func:`molweight.datasets.from_file`.
        on_error: Treatment of unusable rows and labels: ``"skip"``, ``"nan"`` or ``"raise"``, as in
            :func:`molweight.datasets.from_file`.
        standardize: Standardisation steps; none by default. See :func:`molweight.datasets.standardize`.
        cache: Whether to cache the featurised molecules on disk.
        n_jobs: Processes for featurising; ``None`` for all cores.
        progress: Whether to show a progress bar on a terminal.

    Returns:
        The molecules that can be used, with their labels; ``rejects`` holds the others, with position and reason.

    Raises:
        DataError: If SMILES or labels are unusable; the message names the position, counted from 0.
        ConfigError: If an option has no such choice.

    Example:
        >>> from_smiles(["CCO", "?", "c1ccccc1"], [1, 0, 0], cache=False)
        <MoleculeDataset molecules: 2 molecules, 1 targets (classification), 1 row without a molecule>
    """
    options = Options(
        name, task, metric, on_error, standardize, cache, n_jobs, progress,
        duplicates=duplicates, target_weights=target_weights,
    )  # fmt: skip
    texts = _texts(smiles, name)
    labels, bad = (None, []) if targets is None else _labels(targets, target_names, len(texts), name)
    columns = _names(labels, target_names)
    cell = bad[0] if bad else None
    rows = Rows(
        source=name,
        smiles=texts,
        place=lambda position: f"position {position}",
        labels=labels,
        columns=columns,
        bad=bad,
        complaint=f"{name}, position {cell.record}, target {cell.column!r}: {cell.problem}." if cell else "",
        bounds=None if bounds is None or labels is None else _bounds(bounds, labels, name),
        weights=None if sample_weight is None else _weights(sample_weight, len(texts), name),
        number=lambda position: position,
    )
    return assemble(rows, options)


def _names(labels: Float32Matrix | None, target_names: Sequence[str] | None) -> list[str]:
    width = 0 if labels is None else labels.shape[1]
    return [f"y{place}" for place in range(width)] if target_names is None else list(target_names)


def _texts(smiles: Iterable[Any], name: str) -> list[str]:
    """The SMILES as strings, without surrounding blanks."""
    texts = as_smiles(smiles, name)
    if not texts:
        raise DataError(f"{name}: there are no molecules. Give at least one SMILES.")
    return texts


def _labels(
    targets: Any, target_names: Sequence[str] | None, rows: int, name: str
) -> tuple[Float32Matrix, list[BadCell]]:
    """Labels as ``n x T`` float32, NaN if missing or not a finite float32 number, and the positions of the latter."""
    try:
        given = np.asarray(targets, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name}: the targets are not all numbers ({error}). Use NaN for a missing label.") from error
    given = given[:, None] if given.ndim == 1 else given
    if given.ndim != 2 or len(given) != rows:  # noqa: PLR2004 - rows x targets
        raise DataError(f"{name}: targets of shape {given.shape} for {rows} SMILES. Give one row of labels per SMILES.")
    with np.errstate(over="ignore"):
        labels: Float32Matrix = given.astype(np.float32)
    names = _names(labels, target_names)
    if len(names) != labels.shape[1] or len(set(names)) != len(names):
        raise DataError(
            f"{name}: target_names {names} for {labels.shape[1]} target{'s' * (labels.shape[1] > 1)}. Give each target "
            "a name of its own."
        )
    bad = [BadCell(int(row), names[column], str(given[row, column])) for row, column in np.argwhere(np.isinf(labels))]
    labels[np.isinf(labels)] = np.nan
    return labels, bad


def _bounds(bounds: Any, labels: Float32Matrix, name: str) -> Int8Array:
    given = np.asarray(bounds).reshape(len(labels), -1) if np.size(bounds) == labels.size else np.empty((0, 0))
    if given.shape != labels.shape or not np.isin(given, (-1, 0, 1)).all():
        raise DataError(f"{name}: bounds must be -1, 0 or 1 for each of the labels, of shape {labels.shape}.")
    return given.astype(np.int8)


def _weights(weights: Any, rows: int, name: str) -> Float32Array:
    try:
        given = np.asarray(weights, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name}: sample_weight is not all numbers ({error}). Give one per SMILES.") from error
    if given.shape != (rows,) or not (np.isfinite(given) & (given >= 0)).all() or not given.any():
        raise DataError(f"{name}: sample_weight must be {rows} numbers >= 0, not all of them zero.")
    return given
