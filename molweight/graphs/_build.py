"""From SMILES to a cached dataset."""

import logging
from collections.abc import Sequence

import numpy as np

from molweight.arrays import Float32Matrix
from molweight.errors import DataError
from molweight.graphs._dataset import MoleculeDataset, Task
from molweight.graphs._featuriser import Featuriser
from molweight.graphs._molecules import Reject
from molweight.graphs._stored import featurize_cached

__all__ = ["build_dataset", "check_some"]

_log = logging.getLogger(__name__)


def build_dataset(
    smiles: Sequence[str],
    targets: np.ndarray[tuple[int, ...], np.dtype[np.floating]] | Sequence[Sequence[float]] | None = None,
    *,
    name: str = "molecules",
    task: Task | None = None,
    metric: str | None = None,
    target_names: Sequence[str] | None = None,
    featuriser: Featuriser | None = None,
    cache: bool = True,
    n_jobs: int | None = None,
    progress: bool = False,
) -> MoleculeDataset:
    """Featurise molecules, or find them featurised in the cache, and keep their labels aligned.

    The cache lies under :func:`molweight.graphs.internal.cache_root`; its key is the content (all SMILES), the features
    and their version, so a changed table is never served from an old cache. Labels are not part of it.

    Args:
        smiles: One SMILES per row.
        targets: Labels, rows x targets, NaN where missing; ``None`` for a corpus.
        name: What the table is called in messages.
        task: ``"classification"`` or ``"regression"``.
        metric: How predictions are scored.
        target_names: Name of each label; numbered by default.
        featuriser: Which features; ``None`` for ``Featuriser()``.
        cache: Whether to read and write the cache.
        n_jobs: Processes for featurising; ``None`` for all cores.
        progress: Whether to show a progress bar on a terminal.

    Returns:
        The dataset of all rows that could be parsed; the others are in its ``rejects``, with row and reason.

    Raises:
        DataError: If no molecule could be parsed, or labels and SMILES differ in number.

    Example:
        >>> build_dataset(["CCO", "C1CC"], [[1.0], [0.0]], name="two", task="classification", cache=False)
        <MoleculeDataset two: 1 molecules, 1 targets (classification), 1 row without a molecule>
    """
    labels = None if targets is None else _labels(targets, len(smiles), name)
    featuriser = featuriser or Featuriser()
    title = f"featurising {name}" if progress else None
    molecules, rejects, folder = featurize_cached(smiles, featuriser, cache=cache, n_jobs=n_jobs, progress=title)
    check_some(len(molecules), rejects, name)
    if rejects:  # readers of tables say more about them, so this is for those who call it directly
        _log.debug("%s: %d of %d rows cannot be used; see dataset.rejects", name, len(rejects), len(smiles))
    width = 0 if labels is None else labels.shape[1]
    return MoleculeDataset(
        molecules,
        None if labels is None else labels[molecules.rows],
        name=name,
        task=task,
        metric=metric,
        target_names=[f"y{index}" for index in range(width)] if target_names is None else target_names,
        rejects=rejects,
        folder=folder,
        featuriser=featuriser,
    )


def _labels(targets: object, rows: int, name: str) -> Float32Matrix:
    labels = np.asarray(targets, dtype=np.float32)
    if labels.ndim == 1:
        labels = labels[:, None]
    if labels.ndim != 2 or len(labels) != rows:  # noqa: PLR2004 - rows x targets
        raise DataError(f"{name}: labels of shape {labels.shape} for {rows} SMILES; they must be rows x targets.")
    return labels


def check_some(found: int, rejects: Sequence[Reject], name: str) -> None:
    """Refuse a source without any molecule.

    Args:
        found: Number of molecules.
        rejects: The rows that hold none.
        name: What the source is called.

    Raises:
        DataError: If there is no molecule, with an example.
    """
    if found == 0:
        first = f", e.g. row {rejects[0].row} {rejects[0].smiles[:60]!r}: {rejects[0].reason}" if rejects else ""
        raise DataError(f"{name}: none of {len(rejects)} rows holds a usable molecule{first}. Check the SMILES column.")
