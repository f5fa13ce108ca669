"""A table of molecules with labels, in columns."""

import copy
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from molweight.arrays import Column, Float32Matrix, Int64Array
from molweight.errors import DataError
from molweight.graphs._batch import GraphBatch, Resident
from molweight.graphs._cache import cache_root, content_key
from molweight.graphs._featuriser import Featuriser
from molweight.graphs._molecules import Molecules, Reject, RejectCounts, SmilesColumn, item_positions
from molweight.graphs._stored import featurised_again, featurize_cached

if TYPE_CHECKING:
    from torch_geometric.data import Batch, Data

__all__ = ["MoleculeDataset", "OneTask", "Task", "build_dataset", "check_some", "is_mixed", "join_tasks", "tasks_of"]

OneTask = Literal["classification", "regression"]
Task = str
"""``"classification"``, ``"regression"``, or one of these for each target, separated by commas; or ``"multiclass"``:
the targets are the classes of one column, of which a molecule has exactly one."""


def is_mixed(task: str | None) -> bool:
    """Whether some targets are classes and others numbers.

    Example:
        >>> is_mixed("classification,regression"), is_mixed("regression"), is_mixed(None)
        (True, False, False)
    """
    return task is not None and "," in task


def tasks_of(task: str | None, targets: int) -> list[str]:
    """The task of each target.

    Args:
        task: Task of the table.
        targets: Number of targets.

    Example:
        >>> tasks_of("classification", 2), tasks_of("classification,regression", 2), tasks_of("multiclass", 1)
        (['classification', 'classification'], ['classification', 'regression'], ['classification'])
    """
    if task == "multiclass":
        return ["classification"] * targets
    return (task or "regression").split(",") if is_mixed(task) else [task or "regression"] * targets


def join_tasks(tasks: list[str]) -> str:
    """The task of a table, from those of its targets.

    Example:
        >>> join_tasks(["regression", "regression"]), join_tasks(["classification", "regression"])
        ('regression', 'classification,regression')
    """
    return tasks[0] if len(set(tasks)) == 1 else ",".join(tasks)


Indices = Sequence[int] | Int64Array | Tensor


class MoleculeDataset:
    """``n`` molecules as flat arrays, with ``T`` labels each.

    Args:
        molecules: The arrays.
        targets: Labels, ``n x T`` float32, NaN where missing; ``None`` for a corpus without labels.
        name: Name of the table in messages and reports.
        task: ``"classification"``, ``"regression"``, or one of these for each target, separated by commas; ``None``
            without labels.
        metric: Metric of predictions, e.g. ``"roc_auc"`` or ``"rmse"``; ``None`` without labels.
        target_names: Name of each of the ``T`` labels.
        rejects: Unusable rows and labels of the source, with the reason.
        folder: Cache folder of the arrays, and of values computed from the molecules; ``None`` for no cache.
        featuriser: The features of the molecules; ``None`` for ``Featuriser()``.

    Attributes:
        columns: Further values by name: one row per molecule, or per atom for the names in ``per_atom``.
        per_atom: Which of the columns have one row per atom.
        without_stereo: Which of the columns are feature sets that were computed without stereochemistry.
        notes: Notes on how the source was read, if that is not obvious.
        merged_rows: For rows of the source that were averaged with an earlier row of the same molecule, that row.
        source_rows: Number of rows of the source, including omitted and merged ones; 0 if unknown.
        codes: By target, the class of each text in the source; without targets that are written as 0 and 1, or that are
            numbers.
        decimals: By column of the source that serves as a feature, its decimal sign.
        units: By target, the unit of its numbers in the source; without targets whose unit is not known.
        standard_form: Steps of :func:`molweight.datasets.standardize` that the molecules went through when they were
            read; ``None`` if unknown.

    Raises:
        DataError: If the labels do not match the molecules or their names.

    Example:
        >>> from molweight.graphs import build_dataset
        >>> data = build_dataset(["CCO", "?", "C"], [[1.0], [2.0], [3.0]], name="demo", task="regression", cache=False)
        >>> len(data), data.smiles[1], data.targets.ravel().tolist(), data.rows.tolist()
        (2, 'C', [1.0, 3.0], [0, 2])
        >>> data.graphs([1, 0]).ptr.tolist()
        [0, 1, 4]
    """

    def __init__(
        self,
        molecules: Molecules,
        targets: Float32Matrix | None = None,
        *,
        name: str = "molecules",
        task: Task | None = None,
        metric: str | None = None,
        target_names: Sequence[str] = (),
        rejects: Sequence[Reject] = (),
        folder: Path | None = None,
        featuriser: Featuriser | None = None,
    ) -> None:
        """Check that the labels match the molecules."""
        self.molecules = molecules
        self.targets: Float32Matrix = np.empty((len(molecules), 0), dtype=np.float32) if targets is None else targets
        self.name = name
        self.task = task
        self.metric = metric
        self.target_names = list(target_names)
        self.rejects = list(rejects)
        self.folder = folder
        self.featuriser = featuriser or Featuriser()
        self.columns: dict[str, Column] = {}
        self.per_atom: frozenset[str] = frozenset()
        self.without_stereo: frozenset[str] = frozenset()
        self.notes: list[str] = []
        self.merged_rows: dict[int, int] = {}
        self.source_rows = 0
        self.codes: Mapping[str, Mapping[str, int]] = {}
        self.decimals: Mapping[str, str] = {}
        self.units: Mapping[str, str] = {}
        self.standard_form: Sequence[str] | None = None
        self._resident: dict[torch.device, Resident] = {}
        self._tensors: dict[tuple[str, torch.device], Tensor] = {}
        if self.targets.shape != (len(molecules), len(self.target_names)):
            raise DataError(
                f"{name}: labels of shape {self.targets.shape} for {len(molecules)} molecules and "
                f"{len(self.target_names)} target names; they must be molecules x targets."
            )

    def __len__(self) -> int:
        """Number of molecules, without the rejected rows."""
        return len(self.molecules)

    def __repr__(self) -> str:
        """Name and sizes."""
        kind = "classes and numbers" if is_mixed(self.task) else self.task
        labels = f", {len(self.target_names)} targets ({kind})" if self.target_names else ""
        unusable = "".join(f", {words}" for words in RejectCounts.of(self.rejects).words())
        return f"<MoleculeDataset {self.name}: {len(self)} molecules{labels}{unusable}>"

    @property
    def smiles(self) -> SmilesColumn:
        """The SMILES as they were given."""
        return self.molecules.smiles

    @property
    def rows(self) -> Int64Array:
        """Row of the source that each molecule came from, counted from 0."""
        return self.molecules.rows

    def __getitem__(self, index: int) -> "Data":
        """One molecule as PyG ``Data`` with ``x, edge_index, edge_attr, y, smiles``."""
        from torch_geometric.data import Data

        position = range(len(self))[index]
        graph = self.graphs([position])
        fields = {"x": graph.x, "edge_index": graph.edge_index, "edge_attr": graph.edge_attr}
        if self.target_names:
            fields["y"] = torch.from_numpy(self.targets[[position]])
        return Data(**fields, smiles=self.smiles[position])

    def graphs(self, indices: Indices, device: torch.device | str | None = None) -> GraphBatch:
        """Molecules as a batch of plain tensors, created by index arithmetic on the device.

        Args:
            indices: Positions of the molecules, in the requested order; repetitions are allowed.
            device: Device of the batch; the whole table is copied there on first use. CPU by default.

        Returns:
            The batch, with ``y`` if there are labels, and with all attached columns.

        Raises:
            DataError: If a position lies outside the table.
        """
        where = torch.device(device or "cpu")
        chosen = self._checked(indices)
        if where not in self._resident:
            self._resident[where] = Resident.of(self.molecules, where, stereo=self.featuriser.stereo == "use")
        graph = self._resident[where].batch(chosen, {name: self._tensor(name, where) for name in self.per_atom})
        on_device = torch.from_numpy(chosen).to(where)
        columns = {name: self._tensor(name, where)[on_device] for name in self.columns if name not in self.per_atom}
        labels = self._tensor("y", where)[on_device] if self.target_names else None
        return replace(graph, y=labels, columns=columns)

    def batch(self, indices: Indices, device: torch.device | str | None = None) -> "Batch":
        """Molecules as a PyG ``Batch``, equal to collating ``[self[i] for i in indices]``, but without the SMILES.

        No Python runs per molecule; ``batch.to_data_list()`` and ``batch[i]`` work.

        Args:
            indices: Positions of the molecules, in the requested order.
            device: Device of the batch.
        """
        from molweight.graphs._pyg import to_pyg

        chosen = self._checked(indices)
        first = self.molecules.bond_offsets
        edges = 2 * (first[chosen + 1] - first[chosen])
        return to_pyg(self.graphs(chosen, device), torch.from_numpy(np.concatenate([[0], np.cumsum(edges)])))

    def subset(self, indices: Indices) -> "MoleculeDataset":
        """Some of the molecules as a new dataset, in the given order, without rejected rows.

        Args:
            indices: Positions of the molecules.

        Raises:
            DataError: If a position lies outside the table.
        """
        chosen = self._checked(indices)
        molecules = self.molecules.take(chosen)
        part = MoleculeDataset(
            molecules,
            self.targets[chosen],
            name=self.name,
            task=self.task,
            metric=self.metric,
            target_names=self.target_names,
            folder=_folder_of(molecules, self.featuriser) if self.folder else None,
            featuriser=self.featuriser,
        )
        part.codes, part.decimals, part.units = self.codes, self.decimals, self.units
        part.standard_form = self.standard_form
        atoms = item_positions(self.molecules.atom_offsets, chosen) if self.per_atom else chosen
        rows = {name: atoms if name in self.per_atom else chosen for name in self.columns}
        picked = {name: column[rows[name]] for name, column in self.columns.items()}
        part = part.with_columns(
            {name: column for name, column in picked.items() if name not in self.per_atom},
            {name: picked[name] for name in self.per_atom},
        )
        part.without_stereo = self.without_stereo
        return part

    def with_rows(self, rows: Int64Array) -> "MoleculeDataset":
        """The same molecules and rejects with other row numbers.

        Args:
            rows: New number for each row of the input.
        """
        other = copy.copy(self)
        other.molecules = replace(self.molecules, rows=rows[self.rows])
        other.rejects = [replace(reject, row=int(rows[reject.row])) for reject in self.rejects]
        return other

    def with_featuriser(self, featuriser: Featuriser, *, n_jobs: int | None = None) -> "MoleculeDataset":
        """The same molecules, labels and columns with another choice of features.

        Ignoring stereochemistry needs no computation: it is left out of the batches. Other features are computed from
        the SMILES, and cached if this dataset is. Columns are unchanged; models compute their feature sets again if the
        treatment of stereochemistry changes.

        Args:
            featuriser: The choice.
            n_jobs: Processes for featurising; ``None`` for all cores.

        Raises:
            DataError: If RDKit refuses a molecule of the dataset, as happens with files of OGB.

        Example:
            >>> from molweight.graphs import build_dataset
            >>> data = build_dataset(["C[C@@H](C(=O)O)O"], cache=False)
            >>> data[0].x[:, 1].tolist(), data.with_featuriser(Featuriser(stereo="ignore"))[0].x[:, 1].tolist()
            ([0, 2, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0])
        """
        if featuriser == self.featuriser:
            return self
        other = copy.copy(self)
        other.featuriser = featuriser
        other._resident = {}  # noqa: SLF001 - a copy of our own class: its arrays are placed again
        if featuriser.features != self.featuriser.features:
            other.molecules, other.folder = featurised_again(self.molecules, featuriser, self.folder, n_jobs)
        return other

    def with_columns(
        self, columns: Mapping[str, Column], atom_columns: Mapping[str, Column] | None = None
    ) -> "MoleculeDataset":
        """The same molecules with further values, which are included in every batch.

        Args:
            columns: Arrays with one row per molecule; in batches under ``columns``.
            atom_columns: Arrays with one row per atom; in batches under ``atom_columns``.

        Raises:
            DataError: If an array has another number of rows.
        """
        per_atom, atoms = atom_columns or {}, len(self.molecules.atoms)
        for name, column in columns.items():
            if len(column) != len(self):
                raise DataError(f"{self.name}: column {name!r} has {len(column)} rows for {len(self)} molecules.")
        for name, column in per_atom.items():
            if len(column) != atoms:
                raise DataError(f"{self.name}: column {name!r} has {len(column)} rows for {atoms} atoms.")
        other = copy.copy(self)
        other.columns = {**self.columns, **columns, **per_atom}
        other.per_atom = (self.per_atom - columns.keys()) | per_atom.keys()
        other.without_stereo = self.without_stereo - columns.keys() - per_atom.keys()
        other._tensors = {}  # noqa: SLF001 - a copy of our own class: its tensors are placed again
        return other

    def _tensor(self, name: str, device: torch.device) -> Tensor:
        if (name, device) not in self._tensors:
            array = self.targets if name == "y" else self.columns[name]
            self._tensors[name, device] = torch.from_numpy(array).to(device)
        return self._tensors[name, device]

    def _checked(self, indices: Indices) -> Int64Array:
        chosen: Int64Array = np.ascontiguousarray(
            indices.cpu().numpy() if isinstance(indices, Tensor) else indices, dtype=np.int64
        ).reshape(-1)
        if len(chosen) and not (chosen.min() >= 0 and chosen.max() < len(self)):
            worst = chosen[(chosen < 0) | (chosen >= len(self))][0]
            raise DataError(f"{self.name}: no molecule at position {worst}; there are {len(self)}, counted from 0.")
        return chosen


def _folder_of(molecules: Molecules, featuriser: Featuriser) -> Path:
    """Folder for values of a part of a table, named by its molecules."""
    parts = (molecules.smiles_data.tobytes(), molecules.smiles_offsets.tobytes())
    return cache_root() / "subsets" / content_key([featuriser.cache_key(), *parts])


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
    """Featurise molecules, or read them from the cache, and align their labels.

    The cache is under :func:`molweight.graphs.internal.cache_root`; its key is the content (all SMILES), the features,
    their version and that of RDKit, so an old cache is never used for a changed table. Labels are not part of it.

    Args:
        smiles: One SMILES per row.
        targets: Labels, rows x targets, NaN where missing; ``None`` for a corpus.
        name: Name of the table in messages.
        task: ``"classification"`` or ``"regression"``.
        metric: Metric of predictions.
        target_names: Name of each label; numbered by default.
        featuriser: The features; ``None`` for ``Featuriser()``.
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
    if rejects:  # only for direct callers; readers of tables report more
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
        rejects: The rows without a molecule.
        name: Name of the source.

    Raises:
        DataError: If there is no molecule, with an example.
    """
    if found == 0:
        first = f", e.g. row {rejects[0].row} {rejects[0].smiles[:60]!r}: {rejects[0].reason}" if rejects else ""
        raise DataError(f"{name}: none of {len(rejects)} rows has a usable molecule{first}. Check the SMILES column.")
