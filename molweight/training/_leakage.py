"""Labelled tables that objectives learn from, in addition to the corpus, without what the task holds out."""

import logging
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from molweight import datasets, objectives
from molweight.datasets import Splits
from molweight.datasets.internal import SourceTable, read_sources
from molweight.errors import ConfigError, DataError, mention
from molweight.graphs import Featuriser, MoleculeDataset
from molweight.models import Pretrainer
from molweight.objectives import Source
from molweight.options import Job
from molweight.runs import Checkpoint
from molweight.runs.internal import data_card, molecules_digest
from molweight.training._sources import join_sources

__all__ = ["HeldOut", "attach_tables", "refuse_leaky_checkpoint", "resolve_assay_table"]

_ASSAYS: Final = "assay_labels"
_CHOICES: Final = ("tox21", "sider")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HeldOut:
    """A task, of whose compounds other tables may know labels only for those in ``train``.

    Args:
        data: The labelled table.
        splits: Its roles.
        sources: Auxiliary tables, from which its held-out compounds were left out.
    """

    data: MoleculeDataset
    splits: Splits
    sources: tuple[SourceTable, ...] = ()

    def without(self, table: MoleculeDataset) -> MoleculeDataset:
        """A labelled table without all forms of the compounds in ``meta``, ``select`` and ``test``.

        What the labels are called is not looked at: one table may repeat those of another under other names.

        Args:
            table: The table.

        Raises:
            DataError: If nothing is left.
        """
        roles = self.splits.roles()
        held = np.concatenate([np.asarray(roles[name], dtype=np.int64) for name in ("meta", "select", "test")])
        kept = datasets.without(table, self.data, held)
        if len(kept) == 0:
            raise DataError(
                f"every molecule of {table.name} is in meta, select or test of {self.data.name}, so that none is left "
                "to learn labels from. Name another table with objective_options."
            )
        return kept


def resolve_assay_table(job: Job, data: MoleculeDataset) -> Job:
    """The job with the tables of ``assay_labels`` settled, under each of its aliases.

    The table is the one that is named, else that of the alias (``assay_labels:sider``), else one that is not the task.

    Args:
        job: The options.
        data: The table of the task.

    Returns:
        The job itself where there is nothing to settle.

    Raises:
        ConfigError: If a table has labels of the task.
    """
    settled = dict(job.objective_options)
    for name in job.objectives:
        if name.partition(":")[0] == _ASSAYS:
            settled[name] = _settled(name, job.objective_options.get(name, {}), data)
    return job if settled == job.objective_options else replace(job, objective_options=settled)


def _settled(objective: str, given: dict[str, Any], data: MoleculeDataset) -> dict[str, Any]:
    """Options of one ``assay_labels`` with its table and the number of its labels."""
    alias = objective.partition(":")[2]
    named = given.get("table") or (alias if alias in datasets.available() else None)
    name = named or next(choice for choice in _CHOICES if choice != data.name)
    table = datasets.load(name)
    shared = sorted(set(table.target_names) & set(data.target_names))
    if name == data.name or shared:
        raise ConfigError(
            f"objective {objective!r}: the table {name!r} has labels of the task ({', '.join(shared) or name}), so "
            f"those of test molecules would be learned. Name another with objective_options, e.g. {{'{objective}': "
            f"{{'table': '{next(choice for choice in _CHOICES if choice != name)}'}}}}."
        )
    found = {**given, "table": name, "labels": len(table.target_names)}
    if found != given:
        _log.info("%s learns the %d labels of %s", objective, found["labels"], name)
    return found


def attach_tables(model: Pretrainer, featuriser: Featuriser, held: HeldOut | None = None) -> dict[str, dict[str, str]]:
    """Give each objective the tables it names.

    Args:
        model: Whose objectives to give them to.
        featuriser: The features that its encoder reads.
        held: The task; ``None`` where none is at hand, so that all labels are learned, which is warned of.

    Returns:
        For each objective that learns from tables, the digest of what it was given of each.
    """
    given: dict[str, dict[str, str]] = {}
    sources = {source.origin: source for source in (held.sources if held else ())}
    pooled: dict[str, Source] = {}
    for name in model.objectives:
        objective = model.objective(name)
        if objective.tables:
            tables = {
                table: sources[table].data.with_featuriser(featuriser)
                if table in sources
                else _allowed(name, _load(table).with_featuriser(featuriser), held)
                for table in objective.tables
            }
            objective.attach(tables)
            given[name] = {table: molecules_digest(data) for table, data in tables.items()}
            if isinstance(objective, Source) and objective.tables[0] in sources:
                pooled[name] = objective
    join_sources(pooled, list(sources.values()), featuriser)
    return given


def _load(table: str) -> MoleculeDataset:
    """A labelled table by its name, or an auxiliary table by its file."""
    return datasets.load(table) if table in datasets.available() else read_sources([table])[0].data


def refuse_leaky_checkpoint(checkpoint: Checkpoint, init: str, held: HeldOut) -> None:
    """Refuse a checkpoint that has learned labels of compounds that are held out.

    Args:
        checkpoint: What is started from.
        init: What it is called.
        held: The task.

    Raises:
        ConfigError: Naming the table, and what to do.
    """
    task = {name: value for name, value in (checkpoint.task or {}).items() if name != "sources"}
    if task and task == data_card(held.data, held.splits):
        return  # a run on the same roles of the same table, which left the same compounds out
    for name, options in checkpoint.objectives.items():
        for table in map(_load, objectives.create(name, width=1, **options).tables):
            seen = len(table) - len(held.without(table))
            if seen:
                raise ConfigError(
                    f"{mention('init', init)} has learned labels of {table.name} ({name}), and {seen} of its molecules "
                    f"are compounds that {held.data.name} holds out: its score would mean little. Leave init out, so "
                    f"that {name} is learned without them, or name a checkpoint without {name}."
                )


def _allowed(name: str, table: MoleculeDataset, held: HeldOut | None) -> MoleculeDataset:
    """What of a table may be learned."""
    if held is None:
        _log.warning("%s learns all labels of %s; do not judge on its molecules what is made of this", name, table.name)
        return table
    kept = held.without(table)
    if len(kept) < len(table):
        _log.info("%s: %d molecules of %s are held out", name, len(table) - len(kept), table.name)
    return kept
