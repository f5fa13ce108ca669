"""A dataset from SMILES and labels at hand."""

from collections.abc import Iterable, Sequence
from typing import Any, get_args

import numpy as np

from molweight.datasets._from_csv import OnError
from molweight.datasets._kinds import Metric, Task
from molweight.datasets._labels import Labels, check_choice, settle
from molweight.errors import DataError
from molweight.graphs import MoleculeDataset, build_dataset

__all__ = ["from_smiles"]


def from_smiles(
    smiles: Iterable[str],
    targets: Any = None,
    *,
    task: Task | None = None,
    metric: Metric | None = None,
    target_names: Sequence[str] | None = None,
    name: str = "molecules",
    on_error: OnError = "skip",
    cache: bool = True,
    n_jobs: int | None = None,
    progress: bool = False,
) -> MoleculeDataset:
    """A dataset from a list, an array or a pandas column of SMILES.

    Args:
        smiles: One SMILES per row; ``None`` and NaN count as empty.
        targets: Labels, ``n`` or ``n x T``, as numbers; ``None`` and NaN are missing labels. ``None`` for no labels.
        task: ``"classification"`` or ``"regression"``; ``None`` for classification if all labels are 0 or 1.
        metric: How predictions are scored; ``None`` for ROC-AUC for classes and RMSE for numbers.
        target_names: Name of each label; ``None`` for ``y0``, ``y1``, ...
        name: What to call the table in messages.
        on_error: What to do with molecules that cannot be parsed: ``"skip"`` puts them into ``rejects``, ``"raise"``
            refuses them all.
        cache: Whether to keep the featurised molecules for the next time.
        n_jobs: Processes for featurising; ``None`` for all cores.
        progress: Whether to show a progress bar on a terminal.

    Returns:
        The molecules that can be used, with their labels; ``rejects`` holds the others, with position and reason.

    Raises:
        DataError: If SMILES or labels cannot be used as they stand; the message names the position, counted from 0.
        ConfigError: If an option has no such choice.

    Example:
        >>> from_smiles(["CCO", "?", "c1ccccc1"], [1, 0, 0], cache=False)
        <MoleculeDataset molecules: 2 molecules, 1 targets (classification), 1 rows rejected>
    """
    check_choice("on_error", on_error, get_args(OnError))
    texts = _texts(smiles, name)
    labels = None if targets is None else _labels(targets, len(texts), name)
    if labels is not None and target_names is None:
        target_names = [f"y{place}" for place in range(labels.shape[1])]
    task, metric = settle(labels, target_names or (), task, metric, name)
    data = build_dataset(
        texts,
        labels,
        name=name,
        task=task,
        metric=metric,
        target_names=None if labels is None else target_names,
        cache=cache,
        n_jobs=n_jobs,
        progress=progress,
    )
    if data.rejects and on_error == "raise":
        first = data.rejects[0]
        raise DataError(
            f"{name}: {len(data.rejects)} of {len(texts)} molecules cannot be used, first position {first.row}: "
            f"{first.smiles!r} {first.reason}. Correct them, or leave them out with on_error='skip'."
        )
    return data


def _texts(smiles: Iterable[str], name: str) -> list[str]:
    """The SMILES as strings, blanks around them removed."""
    if isinstance(smiles, str):
        raise DataError(f"{name}: smiles must be a sequence of SMILES, got the string {smiles[:60]!r}. Use [smiles].")
    texts = ["" if _is_none(item) else item for item in smiles]
    for position, item in enumerate(texts):
        if not isinstance(item, str):
            raise DataError(f"{name}, position {position}: {item!r} is {type(item).__name__}, not a SMILES string.")
    if not texts:
        raise DataError(f"{name}: there are no molecules. Give at least one SMILES.")
    return [item.strip() for item in texts]


def _is_none(item: object) -> bool:
    """Whether an item stands for nothing: ``None`` or the NaN of a pandas column."""
    return item is None or (isinstance(item, float) and np.isnan(item))


def _labels(targets: Any, rows: int, name: str) -> Labels:
    """Labels as ``n x T`` float32."""
    try:
        labels = np.asarray(targets, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name}: the targets are not all numbers ({error}). Use NaN for a missing label.") from error
    labels = labels[:, None] if labels.ndim == 1 else labels
    if labels.ndim != 2 or len(labels) != rows:  # noqa: PLR2004 - rows x targets
        raise DataError(
            f"{name}: targets of shape {labels.shape} for {rows} SMILES. Give one row of labels per SMILES."
        )
    with np.errstate(over="ignore"):
        single = labels.astype(np.float32)
    wrong = np.argwhere(np.isinf(single))
    if len(wrong) > 0:
        row, column = wrong[0]
        raise DataError(
            f"{name}, position {row}, target {column}: {labels[row, column]} is not a finite float32 number."
        )
    return single
