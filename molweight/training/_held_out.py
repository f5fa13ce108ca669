"""Labels of held-out compounds: no other table and no checkpoint may have taught them."""

import logging
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from molweight import datasets
from molweight.arrays import Indices
from molweight.datasets import Splits
from molweight.datasets.internal import HeldCompounds, SourceTable, identities, read_sources
from molweight.errors import ConfigError, DataError, UnknownNameError, mention
from molweight.graphs import MoleculeDataset
from molweight.options import AdaptationOptions, Job
from molweight.runs import Checkpoint
from molweight.runs.internal import LearnedLabels, data_card, molecules_digest, trains_encoder

__all__ = [
    "HeldOut",
    "allowed_rows",
    "learns_task",
    "load_labelled",
    "refuse_leaky_checkpoint",
    "task_card",
    "task_labels",
]

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class HeldOut:
    """A task with held-out compounds: other tables may contribute labels only for its compounds in ``train``.

    Args:
        data: The labelled table.
        splits: Its roles.
        sources: Auxiliary tables without its held-out compounds.
        cross_fitted: Whether an ensemble also predicts the molecules in ``train`` by members that were trained without
            them, so that their labels of the task are held out, too.
    """

    data: MoleculeDataset
    splits: Splits
    sources: tuple[SourceTable, ...] = ()
    cross_fitted: bool = False

    def without(self, table: MoleculeDataset) -> MoleculeDataset:
        """A labelled table without all forms of the compounds in ``meta``, ``select`` and ``test``.

        Names of labels are ignored, because a table may repeat labels of another one under other names.

        Args:
            table: The table.

        Raises:
            DataError: If nothing is left.
        """
        kept = self._allowed(table)
        if len(kept) == 0:
            raise DataError(
                f"every molecule of {table.name} is in meta, select or test of {self.data.name}, so none is left to "
                "learn labels from. Name another table with objective_options."
            )
        return kept

    def learned(self, labels: LearnedLabels) -> int:
        """Number of held-out molecules or compounds from whose labels an encoder has learned.

        Args:
            labels: The labels that it has learned.

        Raises:
            UnknownNameError: If their table is not available.
            DataError: If the file of the table cannot be read, or it is not the table that was learned.
        """
        if labels.is_task:
            labels = LearnedLabels.of_task(labels.learner, self._learned_task(labels))
        if labels.compounds:
            parts = [self.data.subset(self._own_rows())]
            parts += [] if self.splits.further is None else [self.splits.further]
            return len(np.unique(np.concatenate([identities(part)[labels.covers(part), 1] for part in parts])))
        if labels.respects(task_card(self.data, self.splits)):
            return 0  # a run on the same table and roles left out the same compounds
        table = load_labelled(labels.table)
        return len(table) - len(self._allowed(table))

    def _learned_task(self, labels: LearnedLabels) -> MoleculeDataset:
        """The molecules of a task that an encoder was trained on, at most.

        Raises:
            UnknownNameError: If their table is not available.
            DataError: If it has changed.
        """
        if labels.respects(task_card(self.data, self.splits)):
            return self.data.subset(self.splits.train)
        table = load_labelled(labels.table)
        if molecules_digest(table) != labels.data:
            raise DataError(f"the table {labels.table!r} of this version has other molecules or labels.")
        return table

    def _allowed(self, table: MoleculeDataset) -> MoleculeDataset:
        """The molecules of another table that are not forms of held-out compounds."""
        out = HeldCompounds.of(self.data, self.splits).covers(table, identities(table)[:, 1])
        return table.subset(np.flatnonzero(~out)) if out.any() else table

    def _own_rows(self) -> Indices:
        """Positions of the compounds whose labels of the task itself are held out."""
        train = ("train",) if self.cross_fitted else ()
        roles = self.splits.roles()
        return np.concatenate([np.asarray(roles[name], dtype=np.int64) for name in (*train, "meta", "select", "test")])


def task_card(data: MoleculeDataset, splits: Splits) -> dict[str, Any]:
    """The card of a table and its roles, in which the digest of the roles includes test molecules without labels.

    Args:
        data: The table.
        splits: Its roles.
    """
    card, further = data_card(data, splits), splits.further
    digest = "" if further is None else molecules_digest(further)
    return {**card, "split_sha256": card["split_sha256"] + digest}


def learns_task(options: AdaptationOptions) -> bool:
    """Whether adaptive pretraining trains the encoder itself on the labels of ``train``.

    Args:
        options: The weighting, and the number of steps.

    Example:
        >>> learns_task(AdaptationOptions(weighting="bilevel")), learns_task(AdaptationOptions())
        (True, False)
    """
    return options.steps > 0 and trains_encoder(options.weighting)


def task_labels(job: Job, data: MoleculeDataset, splits: Splits) -> list[LearnedLabels]:
    """Labels of the task that the pretrained encoder learns; none if only a copy of it is trained on the task.

    Args:
        job: The options.
        data: The table of the task.
        splits: Its roles.
    """
    return [LearnedLabels.of_task(job.weighting, data.subset(splits.train))] if learns_task(job) else []


def load_labelled(table: str) -> MoleculeDataset:
    """A labelled table by its name, or an auxiliary table by its file.

    Args:
        table: The name or the path.
    """
    return datasets.load(table) if table in datasets.available() else read_sources([table])[0].data


def refuse_leaky_checkpoint(checkpoint: Checkpoint, init: str, held: HeldOut) -> None:
    """Refuse a checkpoint that was trained on labels of held-out compounds, or started from one that was.

    Args:
        checkpoint: The checkpoint.
        init: Its name.
        held: The task.

    Raises:
        ConfigError: If it was, or if this cannot be checked; names the table and the remedy.
    """
    for labels in _labels(checkpoint, init):
        try:
            seen = held.learned(labels)
        except (UnknownNameError, DataError) as error:
            raise ConfigError(
                f"{mention('init', init)} was trained on labels of {labels.table} ({labels.learner}), which is not "
                f"available, so it cannot be checked whether {held.data.name} holds them out: {error} "
                "Give that file, or leave init out."
            ) from error
        if seen:
            of_task = labels.compounds or labels.is_task
            remedy = (
                f"Leave init out, or name a run with another weighting than {labels.learner}."
                if of_task
                else f"Leave init out, so that {labels.learner} is learned without them, or name a checkpoint without "
                f"{labels.learner}."
            )
            raise ConfigError(
                f"{mention('init', init)} was trained on labels of {labels.table} ({labels.learner}); {seen} of its "
                f"{'compounds' if of_task else 'molecules'} are in the held-out rows of {held.data.name}, so "
                f"the score would be too optimistic. {remedy}"
            )


def _labels(checkpoint: Checkpoint, init: str) -> tuple[LearnedLabels, ...]:
    """The labels that a checkpoint has learned.

    Raises:
        ConfigError: If they depend on an objective or a weighting that is not registered.
    """
    try:
        return checkpoint.labels()
    except UnknownNameError as error:
        raise ConfigError(
            f"{mention('init', init)} was pretrained with an objective or weighting that is not available, so it "
            "cannot be checked whether it was trained on labels that are held out: "
            f"{error} If a plug-in registers it, give --plugin MODULE; in Python, import it first."
        ) from error


def allowed_rows(name: str, table: MoleculeDataset, held: HeldOut | None) -> MoleculeDataset:
    """The part of a table that may be learned.

    Args:
        name: The objective that learns it.
        table: The table.
        held: The task; with ``None`` all rows are allowed, with a warning.
    """
    if held is None:
        _LOG.warning(
            "%s learns all labels of %s: do not use these labels to evaluate a model that starts from this checkpoint",
            name,
            table.name,
        )
        return table
    kept = held.without(table)
    if len(kept) < len(table):
        _LOG.info("%s: %d molecules of %s are held out", name, len(table) - len(kept), table.name)
    return kept
