"""Data of objectives: auxiliary tables, parts of a corpus, labelled tables without held-out compounds."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from molweight import datasets
from molweight.arrays import Indices
from molweight.datasets import Splits
from molweight.datasets.internal import PART, SourceTable, read_sources
from molweight.ensemble.internal import PROFILE
from molweight.errors import ConfigError, Message, OptionError, mention
from molweight.graphs import Featuriser, MoleculeDataset, Molecules
from molweight.models import Pretrainer
from molweight.objectives import Source, get
from molweight.objectives.internal import SourcePool
from molweight.options import Job
from molweight.runs.internal import molecules_digest
from molweight.training._held_out import HeldOut, allowed_rows, load_labelled
from molweight.training._learned import renamed_for_parts

__all__ = [
    "SOURCE",
    "attach_tables",
    "join_sources",
    "resolve_assay_table",
    "uses_sources",
    "warn_unused",
    "with_parts",
    "with_sources",
    "without_part",
]

SOURCE: Final = "source"
"""Name of the objective that learns an auxiliary table."""
_GROUPS: Final = 32
"""Maximum number of weights per table."""
_LOG: Final = logging.getLogger(__name__)

Aux = str | MoleculeDataset | SourceTable
_ASSAYS: Final = "assay_labels"
_CHOICES: Final = ("tox21", "sider")


def with_sources(
    job: Job, data: MoleculeDataset, splits: Splits, aux: Sequence[Aux] = ()
) -> tuple[Job, tuple[SourceTable, ...]]:
    """The job with an objective for each source, and their tables.

    Args:
        job: The options, with tables in ``aux``.
        data: The table of the task.
        splits: Its roles, whose held-out compounds are left out of the tables.
        aux: Further tables; if they have already been read, they replace all others.

    Returns:
        The new job; the job itself if there is no table.

    Raises:
        DataError: If a table cannot be used.
        UnknownNameError: If there is no such table.
    """
    ready = [table for table in aux if isinstance(table, SourceTable)]
    sources = ready or read_sources(
        [*job.aux, *(table for table in aux if not isinstance(table, SourceTable))], data, splits
    )
    options = _all_objectives(sources, job.aux_weights)
    if not options:
        return job, ()
    names = [*job.objectives, *(name for name in options if name not in job.objectives)]
    settings = {**job.objective_options, **options}
    return replace(job, objectives=names, objective_options=settings), tuple(sources)


def uses_sources(job: Job) -> bool:
    """Whether anything is learned from auxiliary tables: in pretraining, or by the partner that reads them.

    Args:
        job: The options, resolved.
    """
    pretrains = job.adapts or (job.init == "pretrain" and job.pretrain_steps > 0)
    return pretrains or (job.members != 1 and PROFILE in (job.partners or ()))


def warn_unused(job: Job, sources: Sequence[SourceTable]) -> None:
    """Warn if nothing is learned from auxiliary tables.

    Args:
        job: The options, resolved.
        sources: The tables.
    """
    if sources and not uses_sources(job):
        _LOG.warning(
            "nothing is learned from the auxiliary tables (%s): there is no pretraining and no partner that reads "
            "them. Choose a weighting, %s, or an ensemble with the partner 'profile'; or leave aux out",
            ", ".join(source.data.name for source in sources),
            Message(mention("init", "pretrain")),
        )


def with_parts(job: Job, corpus: MoleculeDataset) -> Job:
    """The job with one copy of every objective per part of the corpus, if ``corpus_weights`` requests it.

    Objectives with labelled tables, and those with an alias, are unchanged.

    Args:
        job: The options.
        corpus: The molecules, from :func:`molweight.datasets.internal.join_corpora`.

    Raises:
        OptionError: If the corpus has no parts.
    """
    if job.corpus_weights == "joint":
        return job
    parts = [name.removeprefix(PART) for name in corpus.columns if name.startswith(PART)]
    if not parts:
        raise OptionError(
            "corpus_weights", "part", f"needs a corpus of several parts, but {corpus.name} has one",
            "Join corpora: --corpus own+near+zinc",
        )  # fmt: skip
    plain = without_part(job)
    copies = {name: [f"{name}:{part}" for part in parts] if name in plain else [name] for name in job.objectives}
    options = {
        copy: job.objective_options[name]
        for name, own in copies.items()
        if name in job.objective_options
        for copy in own
    }
    names = [copy for own in copies.values() for copy in own]
    learn = renamed_for_parts(job.learn, copies)
    return replace(job, objectives=names, objective_options=options, learn=learn)


def without_part(job: Job) -> list[str]:
    """Objectives that :func:`with_parts` will replace by copies; their number is unknown before the corpus is read.

    Args:
        job: The options.
    """
    if job.corpus_weights == "joint":
        return []
    return [name for name in job.objectives if ":" not in name and not get(name).tables]


def _all_objectives(sources: Sequence[SourceTable], weights: str) -> dict[str, dict[str, Any]]:
    """Options by name of the objectives that learn some tables; tables are numbered if names would be repeated."""
    aliases = [_alias(source.data.name) for source in sources]
    parts = [_objectives(source, alias, weights) for source, alias in zip(sources, aliases, strict=True)]
    found = {name: values for part in parts for name, values in part.items()}
    if len(found) == sum(map(len, parts)):
        return found
    numbered = [f"{number}-{alias}" for number, alias in enumerate(aliases, start=1)]
    parts = [_objectives(source, alias, weights) for source, alias in zip(sources, numbered, strict=True)]
    return {name: values for part in parts for name, values in part.items()}


def _objectives(source: SourceTable, alias: str, weights: str) -> dict[str, dict[str, Any]]:
    """Options by name of the objectives that learn a table."""
    columns, name = source.data.target_names, f"{SOURCE}:{alias}"
    if weights == "table" or len(columns) == 1:
        return {name: {"table": source.origin, "labels": len(columns), "columns": list(columns)}}
    if len(columns) <= _GROUPS:
        groups = {_alias(column): [column] for column in columns}
        if len(groups) < len(columns):
            groups = {f"{number}-{_alias(column)}": [column] for number, column in enumerate(columns, start=1)}
    else:
        parts = np.array_split(_by_molecules(source.data), _GROUPS)
        groups = {f"group{number}": [columns[place] for place in part] for number, part in enumerate(parts, start=1)}
    return {
        f"{name}-{group}": {"table": source.origin, "labels": len(part), "columns": part}
        for group, part in groups.items()
    }


def _alias(name: str) -> str:
    """A name in a form that is valid in the name of an objective."""
    return re.sub(r"[^\w-]+", "_", name).strip("_") or "table"


def _by_molecules(data: MoleculeDataset) -> Indices:
    """The columns, ordered so that adjacent ones were measured on similar sets of molecules."""
    from scipy.cluster import hierarchy

    known = (~np.isnan(data.targets)).T.astype(np.float32)
    unit = known / np.linalg.norm(known, axis=1, keepdims=True)
    apart = (1 - unit @ unit.T).clip(0)[np.triu_indices(len(unit), 1)]
    return np.asarray(hierarchy.leaves_list(hierarchy.average(apart)), dtype=np.int64)


def join_sources(objectives: Mapping[str, Source], sources: Sequence[SourceTable], featuriser: Featuriser) -> None:
    """Let all sources of a model sample from one pool without repeated molecules.

    Args:
        objectives: The sources by name, with attached tables.
        sources: The tables.
        featuriser: The features that the encoder reads.
    """
    if not objectives:
        return
    _, first, place = np.unique(
        np.concatenate([source.keys for source in sources]), return_index=True, return_inverse=True
    )
    order = np.argsort(first)  # in order of first occurrence
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    parts = np.split(rank[place], np.cumsum([len(source.keys) for source in sources])[:-1])
    positions = {source.origin: part for source, part in zip(sources, parts, strict=True)}
    joined = Molecules.concatenate([source.data.with_featuriser(featuriser).molecules for source in sources])
    molecules = MoleculeDataset(joined.take(first[order]), name="auxiliary tables", featuriser=featuriser)
    heads = list(objectives.values())
    pool = SourcePool(molecules, [positions[head.tables[0]][head.known_rows()] for head in heads])
    for number, head in enumerate(heads):
        rows = np.full(len(molecules), -1, dtype=np.int64)
        own = positions[head.tables[0]]
        rows[own] = np.arange(len(own))
        head.join(pool, number, rows)


def resolve_assay_table(job: Job, data: MoleculeDataset | None = None) -> Job:
    """The job with the tables of ``assay_labels`` resolved, under each of its aliases.

    The table is the named one, else that of the alias (``assay_labels:sider``), else one that is not the task.

    Args:
        job: The options.
        data: The table of the task; ``None`` if there is no task.

    Returns:
        The resolved job; the job itself if there is nothing to resolve.

    Raises:
        ConfigError: If a table has labels of the task.
    """
    settled = dict(job.objective_options)
    for name in job.objectives:
        if name.partition(":")[0] == _ASSAYS:
            settled[name] = _settled(name, job.objective_options.get(name, {}), data)
    return job if settled == job.objective_options else replace(job, objective_options=settled)


def _settled(objective: str, given: dict[str, Any], data: MoleculeDataset | None) -> dict[str, Any]:
    """Options of one ``assay_labels`` with its table and the number of its labels."""
    alias = objective.partition(":")[2]
    named = given.get("table") or (alias if alias in datasets.available() else None)
    task, targets = (None, []) if data is None else (data.name, data.target_names)
    name = named or next(choice for choice in _CHOICES if choice != task)
    table = load_labelled(name)
    shared = sorted(set(table.target_names) & set(targets))
    if name == task or shared:
        raise ConfigError(
            f"objective {objective!r}: the table {name!r} has labels of the task ({', '.join(shared) or name}), so "
            f"test labels would be learned. Name another with objective_options, e.g. {{'{objective}': "
            f"{{'table': '{next(choice for choice in _CHOICES if choice != name)}'}}}}."
        )
    found = {**given, "table": name, "labels": len(table.target_names)}
    if found != given:
        _LOG.info("%s learns the %d labels of %s", objective, found["labels"], name)
    return found


def attach_tables(model: Pretrainer, featuriser: Featuriser, held: HeldOut | None = None) -> dict[str, dict[str, str]]:
    """Attach to each objective the tables that it names.

    Args:
        model: Model with the objectives.
        featuriser: The features that its encoder reads.
        held: The task; with ``None`` all labels are used, with a warning.

    Returns:
        For each objective with labelled tables, the digests of the attached parts.
    """
    given: dict[str, dict[str, str]] = {}
    sources = {source.origin: source for source in (held.sources if held else ())}
    pooled: dict[str, Source] = {}
    for name in model.objectives:
        objective = model.objective(name)
        if objective.tables:
            # Other objectives need all columns of a table, in their own form: aux may name some, and drops sparse ones.
            known = sources if isinstance(objective, Source) else {}
            tables = {
                table: known[table].data.with_featuriser(featuriser)
                if table in known
                else allowed_rows(name, load_labelled(table).with_featuriser(featuriser), held)
                for table in objective.tables
            }
            objective.attach(tables)
            given[name] = {table: molecules_digest(data) for table, data in tables.items()}
            if isinstance(objective, Source) and objective.tables[0] in sources:
                pooled[name] = objective
    join_sources(pooled, list(sources.values()), featuriser)
    return given
