"""Options that say which molecules to use, shared by the commands that train."""

import inspect
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from jsonargparse import Namespace

from molweight import datasets
from molweight.datasets import Splits
from molweight.datasets.internal import (
    ROLES,
    Reading,
    join_corpora,
    read_any,
    read_test_file,
    shared_molecules,
    single_class,
    understand,
    with_feature_columns,
    with_test,
)
from molweight.errors import ConfigError, DataError, OptionError, mention, suggest
from molweight.features.internal import COLUMN_PREFIX
from molweight.graphs import MoleculeDataset
from molweight.options import Job
from molweight.options.internal import option_names
from molweight.training.internal import check_job

__all__ = [
    "job_of",
    "load_corpus",
    "load_table",
    "reading_of",
    "sheet_of",
    "split_table",
    "split_with_test",
]

_LOG: Final = logging.getLogger(__name__)
_READ: Final = {
    name: parameter.default
    for name, parameter in inspect.signature(datasets.from_file).parameters.items()
    if name not in ("name", "metric")
}
"""Options of a table, with their defaults; a command may use the two excluded names for something else."""
_NEAR_THE_TASK: Final = "own+near"
"""The value of ``--corpus auto``."""
_TEST_FILE: Final = "test_file"
"""Name of the split with ``--test``; the options file of a run holds it next to ``test``."""
_FEW: Final = 20
"""Number of test molecules below which a score is uninformative."""


def job_of(options: Namespace, **settled: Any) -> Job:
    """The job that the options describe, checked.

    Args:
        options: Parsed options of :func:`add_job_options`; options of other groups keep their defaults.
        **settled: Options that the command fixes.
    """
    values = {**options.as_dict(), **settled}
    return check_job(Job(**{name: values[name] for name in option_names(Job) if name in values}))


def load_table(options: Namespace) -> MoleculeDataset:
    """The labelled table; with ``--stereo ignore``, without stereochemistry.

    Raises:
        ConfigError: If none or two are named.
        DataError: If it cannot be read, or has no labels.
    """
    data = _labelled_table(options)
    if options.get("stereo") != "ignore":
        return data
    # Before the roles are checked for shared molecules: without stereochemistry, stereoisomers are the same input.
    return data.with_featuriser(replace(data.featuriser, stereo="ignore"))


def _labelled_table(options: Namespace) -> MoleculeDataset:
    if (options.table is None) == (options.data is None):
        raise ConfigError(
            "name one table: your own file, or a MoleculeNet table with --data NAME (see 'molweight list datasets')."
        )
    if options.data is not None:
        _refuse_own(options)
        return datasets.load(options.data, options.targets or None)
    data = datasets.from_file(options.table, **reading_of(options))
    if data.task is None:
        raise DataError(_without_labels(options))
    return _with_features(options, options.table, data)


def _without_labels(options: Namespace) -> str:
    """The reason why no column of the table holds labels."""
    table, reports = understand(read_any(options.table, Reading.of(reading_of(options))), options.smiles)
    if found := single_class(table, reports):
        return f"{options.table}, {found}"
    return (
        f"{options.table}: no column looks like labels (text, identifiers and row numbers are not used as labels). "
        "Name the label columns: --targets a,b. A table without labels can be predicted (molweight predict RUN "
        "FILE, or --test FILE), or be pretrained on (--corpus FILE)."
    )


def _with_features(options: Namespace, path: str, data: MoleculeDataset) -> MoleculeDataset:
    """The molecules with the columns of their file that serve as features: ``--features descriptors,column:pH``."""
    asked = [name for name in options.get("features") or [] if name.startswith(COLUMN_PREFIX)]
    names = [name.removeprefix(COLUMN_PREFIX) for name in asked]
    return with_feature_columns(data, path, names, **reading_of(options)) if names else data


def reading_of(options: Namespace) -> dict[str, Any]:
    """The arguments of :func:`molweight.datasets.from_file`, from those options that the command has."""
    found = {name: options[name] for name in _READ if name in options}
    weights = {"target_weights": _weights_by_target(options.get("target_weights") or [])}
    given = {"sheet": sheet_of(options), "targets": options.get("targets") or None, **weights}
    return {**found, **{name: value for name, value in given.items() if name in found}}


def _weights_by_target(given: list[float] | list[str]) -> list[float] | dict[str, float]:
    """Weights in the order of the targets, or by target if any is written as ``NAME=WEIGHT``.

    Raises:
        OptionError: If one has no name.
    """
    pairs = [cell.rpartition("=") for cell in given if isinstance(cell, str)]
    if any(not name for name, _, _ in pairs):
        raise OptionError("target_weights", given, "names only some targets", "Name all of them: a=1,b=0.5.")
    return {name.strip(): float(weight) for name, _, weight in pairs} or [float(weight) for weight in given]


def sheet_of(options: Namespace) -> str | int:
    """The requested sheet of a spreadsheet: its name, or its number from 0."""
    sheet: str = options.sheet or "0"
    return int(sheet) if sheet.isdigit() else sheet


def _refuse_own(options: Namespace) -> None:
    """Refuse options that ``--data`` would ignore."""
    for name, default in _READ.items():
        if name not in ("targets", "split_column") and options.get(name) not in (None, [], default):
            reason = f"applies to your own table only; {mention('data', options.data)} is read as published"
            raise OptionError(name, options[name], reason, "Leave it out.")


def split_table(options: Namespace, data: MoleculeDataset) -> Splits:
    """The roles of the table's molecules.

    Raises:
        ConfigError: If two splits are named.
        OptionError: If a column is named, but the table has no further columns.
        DataError: If the split cannot be used as given.
    """
    if options.split_column is not None and options.split_file is not None:
        raise ConfigError("--split_column and --split_file both name a split. Leave one of them out.")
    if options.split_file is not None:
        stored = datasets.load_splits(options.split_file, data, options.protocol)
        _remark(data, stored)
        return stored
    if options.split_column is not None and options.table is None:
        reason = f"names a column of your own table, but {mention('data', options.data)} has none"
        raise OptionError("split_column", options.split_column, reason, "Use --split.")
    stated = options.split_column is not None or (options.split == "auto" and "given_role" in data.columns)
    if stated or options.split == "auto":
        options.split = "column" if stated else "scaffold"
    splits = datasets.split(
        data, options.split, protocol=options.protocol, seed=options.seed, options=options.split_options
    )
    _remark(data, splits)
    return splits


def split_with_test(
    options: Namespace, data: MoleculeDataset
) -> tuple[MoleculeDataset, Splits, MoleculeDataset | None]:
    """The table and its roles; with ``--test`` the molecules of that file are the test set.

    Returns:
        The table, its roles, and the molecules of a test file without labels, which can only be predicted.

    Raises:
        ConfigError: If a split is also requested.
    """
    if options.test is None:
        return data, split_table(options, data), None
    named = options.split_column is not None or options.split_file is not None
    if named or options.split not in ("auto", "none", _TEST_FILE):
        raise ConfigError(
            "--test FILE already defines the test set, so a split cannot be chosen as well. Leave out --split, "
            "--split_column and --split_file; the other roles are drawn at random."
        )
    reading = {name: value for name, value in reading_of(options).items() if name not in ("targets", "task")}
    test = _with_features(options, options.test, read_test_file(options.test, data, **reading))
    if test.target_names:
        options.split = _TEST_FILE
        data, splits = with_test(data, test, options.seed)
        _remark(data, splits)
        return data, splits, None
    _LOG.warning(
        "%s: no column has labels of %s, so its molecules are predicted but not scored; the estimate is out of fold",
        options.test, ", ".join(data.target_names),
    )  # fmt: skip
    options.split = "none"
    splits = datasets.split(data, "none", protocol=options.protocol, seed=options.seed)
    return data, replace(splits, further=test), test


def _remark(data: MoleculeDataset, splits: Splits) -> None:
    """Warn if a score on ``test`` means little: few molecules, or molecules that are also trained on."""
    if 0 < len(splits.test) < _FEW:
        _LOG.warning(
            "%s: the test set has only %d molecule%s; a verdict on the model needs at least %d",
            data.name, len(splits.test), "s" if len(splits.test) > 1 else "", _FEW,
        )  # fmt: skip
    learned = np.concatenate([splits.train, splits.meta, splits.select])
    by_row = splits.name in ("random", "stratified", "given")
    shared = shared_molecules(data, learned, splits.test) if by_row else 0
    if shared:
        way_out = "drop" if splits.name == "given" else "mean"  # means are taken within the roles that the table states
        _LOG.warning(
            "%s: %d of %d test molecules also occur in other roles, so their labels are known in training: "
            "use --duplicates %s or --split scaffold",
            data.name, shared, len(splits.test), way_out,
        )  # fmt: skip


def _read_corpus(options: Namespace, data: MoleculeDataset | None, splits: Splits | None) -> MoleculeDataset:
    """One corpus, or several joined by ``+``."""
    asked = _NEAR_THE_TASK if options.corpus == "auto" else options.corpus
    names_of_parts = [asked] if Path(asked).is_file() else asked.split("+")
    parts = [_part(options, name, data, splits) for name in names_of_parts]
    return parts[0] if len(parts) == 1 else join_corpora(parts)


def _part(options: Namespace, name: str, data: MoleculeDataset | None, splits: Splits | None) -> MoleculeDataset:
    """``own``: the molecules that the task trains on; ``near``: molecules similar to them; or a corpus or file."""
    kind, colon, file = name.partition(":")
    progress = not options.as_dict().get("quiet")
    if name != "own" and kind != "near":
        return datasets.load_corpus(name, size=options.corpus_size, progress=progress)
    if data is None or splits is None:
        which = "consists of" if name == "own" else "needs"
        reason = f"{which} the train molecules of a table, but this command has no table"
        raise OptionError("corpus", name, reason, "Leave it out.")
    if name == "own":
        own = join_corpora([data.subset(splits.train)])
        own.name = "own"
        return own
    libraries = [file] if colon else []
    held_out = options.near_held_out
    return datasets.near_corpus(data, splits, libraries, options.corpus_size, held_out=held_out, progress=progress)


def load_corpus(
    options: Namespace, data: MoleculeDataset | None = None, splits: Splits | None = None
) -> MoleculeDataset:
    """The molecules to pretrain on.

    Args:
        options: The parsed options.
        data: The table; with ``splits``, its molecules are removed as ``--remove_overlap`` says.
        splits: Its roles.

    Raises:
        ConfigError: If there is no corpus.
        OptionError: If ``--remove_overlap`` names no role.
    """
    if options.corpus is None:
        raise ConfigError(
            f"--corpus names no molecules. Use one of {', '.join(datasets.available_corpora())}, or a file."
        )
    corpus = _read_corpus(options, data, splits)
    for role in options.remove_overlap:
        if role not in ROLES:
            clause = suggest(role, ROLES)
            raise OptionError("remove_overlap", role, f"is not a role{clause}", f"Roles: {', '.join(ROLES)}.")
    if data is None or splits is None or not options.remove_overlap:
        return corpus
    roles = splits.roles()
    left = datasets.without(corpus, data, np.concatenate([roles[role] for role in options.remove_overlap]))
    if splits.further is None or "test" not in options.remove_overlap:
        return left
    return datasets.without(left, splits.further)
