"""What objectives learn from: auxiliary tables, all on one pool of molecules, and the parts of a corpus."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from molweight.arrays import Indices
from molweight.datasets import Splits
from molweight.datasets.internal import PART, SourceTable, read_sources
from molweight.errors import OptionError
from molweight.graphs import Featuriser, MoleculeDataset, Molecules
from molweight.objectives import Source, get
from molweight.objectives.internal import SourcePool
from molweight.options import Job

__all__ = ["SOURCE", "join_sources", "with_parts", "with_sources"]

SOURCE: Final = "source"
"""Name of the objective that learns an auxiliary table."""
_GROUPS: Final = 32
"""Weights of one table at most."""

Aux = str | MoleculeDataset | SourceTable


def with_sources(
    job: Job, data: MoleculeDataset, splits: Splits, aux: Sequence[Aux] = ()
) -> tuple[Job, tuple[SourceTable, ...]]:
    """The job with an objective for each source, and the tables that they learn from.

    Args:
        job: The options, of which ``aux`` names tables.
        data: The table of the task.
        splits: Its roles, whose held-out compounds are left out of the tables.
        aux: Further tables; those that are read already are taken as they are, in place of all others.

    Returns:
        The job itself where there is no table.

    Raises:
        DataError: If a table cannot be used.
        UnknownNameError: If there is no such table.
    """
    ready = [table for table in aux if isinstance(table, SourceTable)]
    sources = ready or read_sources(
        [*job.aux, *(table for table in aux if not isinstance(table, SourceTable))], data, splits
    )
    options = {name: values for source in sources for name, values in _objectives(source, job.aux_weights).items()}
    if not options:
        return job, ()
    names = [*job.objectives, *(name for name in options if name not in job.objectives)]
    settings = {**job.objective_options, **options}
    return replace(job, objectives=names, objective_options=settings), tuple(sources)


def with_parts(job: Job, corpus: MoleculeDataset) -> Job:
    """The job with every objective once for each part of the corpus, where ``corpus_weights`` asks for it.

    Objectives that learn from tables, and those with an alias, stay as they are.

    Args:
        job: The options.
        corpus: The molecules, as :func:`molweight.datasets.internal.join_corpora` gives them.

    Raises:
        OptionError: If the corpus has no parts.
    """
    if job.corpus_weights == "joint":
        return job
    parts = [name.removeprefix(PART) for name in corpus.columns if name.startswith(PART)]
    if not parts:
        raise OptionError(
            "corpus_weights", "part", f"needs a corpus of several parts, and {corpus.name} is one",
            "Join corpora: --corpus own+near+zinc",
        )  # fmt: skip
    plain = [name for name in job.objectives if ":" not in name and not get(name).tables]
    copies = {name: [f"{name}:{part}" for part in parts] if name in plain else [name] for name in job.objectives}
    options = {
        copy: job.objective_options[name]
        for name, own in copies.items()
        if name in job.objective_options
        for copy in own
    }
    names = [copy for own in copies.values() for copy in own]
    return replace(job, objectives=names, objective_options=options)


def _objectives(source: SourceTable, weights: str) -> dict[str, dict[str, Any]]:
    """Options by name of the objectives that learn a table."""
    columns, name = source.data.target_names, f"{SOURCE}:{_alias(source.data.name)}"
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
        f"{name}-{alias}": {"table": source.origin, "labels": len(part), "columns": part}
        for alias, part in groups.items()
    }


def _alias(name: str) -> str:
    """A name as part of the name of an objective."""
    return re.sub(r"[^\w-]+", "_", name).strip("_") or "table"


def _by_molecules(data: MoleculeDataset) -> Indices:
    """The columns in an order in which neighbours were measured on similar sets of molecules."""
    from scipy.cluster import hierarchy

    known = (~np.isnan(data.targets)).T.astype(np.float32)
    unit = known / np.linalg.norm(known, axis=1, keepdims=True)
    apart = (1 - unit @ unit.T).clip(0)[np.triu_indices(len(unit), 1)]
    return np.asarray(hierarchy.leaves_list(hierarchy.average(apart)), dtype=np.int64)


def join_sources(objectives: Mapping[str, Source], sources: Sequence[SourceTable], featuriser: Featuriser) -> None:
    """Let all sources of a model draw from one pool, in which each molecule is once.

    Args:
        objectives: The sources by name, to which their tables are attached.
        sources: The tables.
        featuriser: The features that the encoder reads.
    """
    if not objectives:
        return
    _, first, place = np.unique(
        np.concatenate([source.keys for source in sources]), return_index=True, return_inverse=True
    )
    order = np.argsort(first)  # by first appearance
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
