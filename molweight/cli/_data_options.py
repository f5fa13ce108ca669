"""Options that say which molecules to use, shared by the commands that train."""

import logging
from argparse import SUPPRESS
from pathlib import Path
from typing import Any, Final

import numpy as np
from jsonargparse import Namespace

from molweight import datasets
from molweight.cli._parser import Parser, names
from molweight.datasets import Splits
from molweight.datasets.internal import (
    ROLES,
    join_corpora,
    read_test_file,
    shared_molecules,
    with_feature_columns,
    with_test,
)
from molweight.errors import ConfigError, DataError, suggest
from molweight.features.internal import COLUMN_PREFIX
from molweight.graphs import MoleculeDataset
from molweight.options import FinetuningOptions, Job
from molweight.options.internal import DEFAULT_OBJECTIVES, GROUPS, option_names
from molweight.training.internal import check_job

__all__ = [
    "add_corpus_options",
    "add_data_options",
    "add_job_options",
    "add_reading_options",
    "add_table_options",
    "job_of",
    "load_corpus",
    "load_table",
    "reading_of",
    "sheet_of",
    "split_table",
    "split_with_test",
]

_LOG: Final = logging.getLogger(__name__)
_OWN: Final[dict[str, object]] = {
    **dict.fromkeys(("smiles", "task", "delimiter", "encoding", "header", "sheet", "positive", "decimal", "relation")),
    **dict.fromkeys(("sample_weight", "max_mb", "max_rows")),
    "duplicates": "mean",
    "target_weights": [],
    "on_error": "skip",
    "standardize": [],
}
"""Options of a table of the user's own, with their defaults."""
_FEW: Final = 20
"""Test molecules below which a score says nothing."""


def add_data_options(parser: Parser, *, corpus: str | None = "zinc") -> None:
    """Add the options of the table, its split and the corpus.

    Args:
        parser: Where to add them.
        corpus: The corpus if none is named; ``None`` for none.
    """
    add_table_options(parser)
    add_corpus_options(parser, corpus=corpus)


def add_table_options(parser: Parser) -> None:
    """Add the options of the table and its split."""
    add = parser.add_argument_group("Table").add_argument
    parser.add_argument(
        "table",
        nargs="?",
        default=SUPPRESS,
        type=str | None,
        help="your own table: CSV, TSV, Excel, Parquet, SDF, SMILES; gz or not",
    )
    add("--data", type=str | None, default=None, help="a table of MoleculeNet: molweight list datasets")
    add("--smiles", type=str | None, default=None, help="SMILES column of your table; found if left out")
    add("--targets", type=names, default=[], help="label columns: a,b,c; p(X): -log10 of molar X; found if left out")
    add("--task", type=str | None, default=None, help="classification, multiclass or regression; found if left out")
    add_reading_options(parser)
    add("--sample_weight", type=str | None, default=None, help="column with a weight for each row")
    add("--target_weights", type=_numbers, default=[], help="weight of each target in the loss: 1,0.5; equal")
    add("--on_error", type=str, default="skip", help="rows that cannot be used: skip, nan (bad labels missing), raise")
    add("--standardize", type=names, default=[], help="standard form of your molecules: salts,charges,tautomers")
    add_split_options(parser)


def add_reading_options(parser: Parser, *, duplicates: str = "mean") -> None:
    """Add the options that say how the cells of a table are read.

    Args:
        parser: Where to add them.
        duplicates: What is done with molecules in several rows unless it is said.
    """
    add = parser.add_argument_group("Reading the table").add_argument
    add("--positive", type=str | None, default=None, help="word or number that is class 1, e.g. active")
    add("--decimal", type=str | None, default=None, help="decimal sign, . or ,; found if left out")
    add("--relation", type=str | None, default=None, help="column of < and >: which labels are bounds; found")
    add("--duplicates", type=str, default=duplicates, help="a molecule in several rows: mean, median, keep, drop")
    add("--delimiter", type=str | None, default=None, help="what separates cells; found if left out")
    add("--encoding", type=str | None, default=None, help="encoding of text, e.g. cp1252; UTF-8 if left out")
    add("--header", type=bool | None, default=None, help="whether the first row names the columns; found")
    add("--sheet", type=str | None, default=None, help="sheet of a spreadsheet; the first if left out")
    add("--max_mb", type=float | None, default=None, help="largest size of the table in MB, unpacked: 512")
    add("--max_rows", type=int | None, default=None, help="most rows of the table: 1000000")


def _numbers(value: Any) -> list[float]:
    """Numbers as typed on the command line, ``1,0.5``, or as in a YAML file.

    Raises:
        ValueError: If one of them is no number.
    """
    return [float(part) for part in (value if isinstance(value, list) else names(str(value)))]


def add_corpus_options(parser: Parser, *, corpus: str | None = "zinc") -> None:
    """Add the options of the corpus.

    Args:
        parser: Where to add them.
        corpus: The corpus if none is named; ``None`` for none.
    """
    add = parser.add_argument_group("Corpus").add_argument
    corpora = ", ".join(datasets.available_corpora())
    add(
        "--corpus",
        type=str | None,
        default=corpus,
        help=f"molecules to pretrain on: {corpora}, own, near, near:FILE, a file; own+near+zinc joins",
    )
    add("--corpus_size", type=int | None, default=10_000, help="how many of them; null for all")
    add("--near_held_out", action="store_true", help="near may hold compounds of meta, select and test, unlabelled")
    add("--remove_overlap", type=names, default=[], help="roles whose molecules are taken out of the corpus: test,meta")


def add_split_options(parser: Parser) -> None:
    """Add the options of the split."""
    add = parser.add_argument_group("Split").add_argument
    methods = ", ".join(datasets.SPLITTERS.available())
    add("--split", type=str, default="auto", help=f"auto (a column with roles, else scaffold), {methods}")
    add("--split_options", type=dict[str, Any], default={}, help="options of the split: --split_options.cutoff 0.5")
    add("--split_column", type=str | None, default=None, help="column of your table with the role of each row")
    add("--split_file", type=str | None, default=None, help="JSON file with a saved split, or with rows by role")
    add("--protocol", type=str, default="four-role", help="four-role or paper")


def add_job_options(parser: Parser, *groups: type) -> None:
    """Add the options of a job, a titled part of the help for each group.

    Args:
        parser: Where to add them.
        *groups: The option groups that the command takes; all of a job's if none is named.
    """
    for group in groups or GROUPS:
        parser.add_class_arguments(group, skip={"objectives", "aux", "features", "partners"})
        if "aux" in option_names(group):
            parser.add_argument("--aux", type=names, default=[], help="auxiliary tables: a.csv,tox21,esol:COLUMN")
        if "objectives" in option_names(group):
            default = list(DEFAULT_OBJECTIVES)
            parser.add_argument("--objectives", type=names, default=default, help="objectives: a,b,c")
        if "features" in option_names(group):
            plain = FinetuningOptions()
            add = parser.add_argument
            add("--features", type=names, default=list(plain.features), help="feature sets and columns: a,b,column:pH")
            add("--partners", type=names, default=list(plain.partners), help="models without a graph; [] for none")


def job_of(options: Namespace, **settled: Any) -> Job:
    """The job that the options describe, checked.

    Args:
        options: What :func:`add_job_options` added, as parsed; options of other groups keep their defaults.
        **settled: Options that the command has no choice in.
    """
    values = {**options.as_dict(), **settled}
    return check_job(Job(**{name: values[name] for name in option_names(Job) if name in values}))


def load_table(options: Namespace) -> MoleculeDataset:
    """The labelled table.

    Raises:
        ConfigError: If none or two are named.
        DataError: If it cannot be read, or has no labels.
    """
    if (options.table is None) == (options.data is None):
        raise ConfigError(
            "name one table: one of MoleculeNet with --data NAME (see 'molweight list datasets'), or your own file."
        )
    if options.data is not None:
        _refuse_own(options)
        return datasets.load(options.data, options.targets or None)
    data = datasets.from_file(options.table, **reading_of(options))
    if data.task is None:
        raise DataError(
            f"{options.table}: no column holds labels (text, identifiers and columns that count the rows are not taken "
            "for labels). Name the label columns: --targets a,b. A table without labels can only be what is pretrained "
            "on: --corpus FILE."
        )
    return _with_features(options, options.table, data)


def _with_features(options: Namespace, path: str, data: MoleculeDataset) -> MoleculeDataset:
    """The molecules with the columns of their file that are features: ``--features descriptors,column:pH``."""
    asked = [name for name in options.get("features") or [] if name.startswith(COLUMN_PREFIX)]
    names = [name.removeprefix(COLUMN_PREFIX) for name in asked]
    return with_feature_columns(data, path, names, **reading_of(options)) if names else data


def reading_of(options: Namespace) -> dict[str, Any]:
    """The arguments of :func:`molweight.datasets.from_file` that were typed."""
    same = ("smiles", "task", "positive", "decimal", "relation", "duplicates", "sample_weight", "delimiter", "encoding")
    found = {name: options[name] for name in (*same, "header", "on_error", "standardize", "max_mb", "max_rows")}
    found["sheet"] = sheet_of(options)
    found["target_weights"] = options.target_weights
    return {**found, "targets": options.targets or None, "split_column": options.split_column}


def sheet_of(options: Namespace) -> str | int:
    """The sheet of a spreadsheet that was asked for: its name, or its number from 0."""
    sheet: str = options.sheet or "0"
    return int(sheet) if sheet.isdigit() else sheet


def _refuse_own(options: Namespace) -> None:
    """Refuse what would be ignored with ``--data``."""
    for name, default in _OWN.items():
        if options[name] != default:
            raise ConfigError(
                f"--{name} is for a table of your own; what --data {options.data} names is read as it was published. "
                "Leave it out."
            )


def split_table(options: Namespace, data: MoleculeDataset) -> Splits:
    """The roles of the table's molecules.

    Raises:
        ConfigError: If two splits are named, or a column of a table that has no other columns.
        DataError: If the split cannot be used as given.
    """
    if options.split_column is not None and options.split_file is not None:
        raise ConfigError("--split_column and --split_file both name a split. Leave one of them out.")
    if options.split_file is not None:
        return datasets.load_splits(options.split_file, data, options.protocol)
    if options.split_column is not None and options.table is None:
        raise ConfigError("--split_column names a column of your own table; --data has none. Use --split.")
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
        ConfigError: If a split is asked for as well.
    """
    if options.test is None:
        return data, split_table(options, data), None
    if options.split not in ("auto", "none") or options.split_column is not None or options.split_file is not None:
        raise ConfigError(
            "--test FILE is the test set, and a split is asked for, too. Leave --split, --split_column and "
            "--split_file out; the roles of the other molecules are drawn at random."
        )
    reading = {name: value for name, value in reading_of(options).items() if name not in ("targets", "task")}
    test = _with_features(options, options.test, read_test_file(options.test, data, **reading))
    if test.target_names:
        options.split = "test_file"
        data, splits = with_test(data, test, options.seed)
        _remark(data, splits)
        return data, splits, None
    _LOG.warning(
        "%s: no column has labels of %s, so its molecules are predicted and not scored; the estimate is out of fold",
        options.test, ", ".join(data.target_names),
    )  # fmt: skip
    options.split = "none"
    return data, datasets.split(data, "none", protocol=options.protocol, seed=options.seed), test


def _remark(data: MoleculeDataset, splits: Splits) -> None:
    """Say what makes a score on ``test`` worth little: few molecules, or molecules that are trained on."""
    if 0 < len(splits.test) < _FEW:
        _LOG.warning(
            "%s: the role test has %d molecules, fewer than %d: its score is no verdict on the model",
            data.name, len(splits.test), _FEW,
        )  # fmt: skip
    learned = np.concatenate([splits.train, splits.meta, splits.select])
    shared = shared_molecules(data, learned, splits.test) if splits.name in ("random", "stratified") else 0
    if shared:
        _LOG.warning(
            "%s: %d of %d test molecules are in the other roles, too, so their labels are known in training: "
            "leave them out with --duplicates mean, or use --split scaffold",
            data.name, shared, len(splits.test),
        )  # fmt: skip


def _read_corpus(options: Namespace, data: MoleculeDataset | None, splits: Splits | None) -> MoleculeDataset:
    """One corpus, or several joined by ``+``."""
    names_of_parts = [options.corpus] if Path(options.corpus).is_file() else options.corpus.split("+")
    parts = [_part(options, name, data, splits) for name in names_of_parts]
    return parts[0] if len(parts) == 1 else join_corpora(parts)


def _part(options: Namespace, name: str, data: MoleculeDataset | None, splits: Splits | None) -> MoleculeDataset:
    """``own``: the molecules that the task trains on; ``near``: those that are like them; or a corpus or file."""
    kind, colon, file = name.partition(":")
    progress = not options.as_dict().get("quiet")
    if name != "own" and kind != "near":
        return datasets.load_corpus(name, size=options.corpus_size, progress=progress)
    if data is None or splits is None:
        which = "is" if name == "own" else "looks for molecules like"
        raise ConfigError(
            f"--corpus {name} {which} the train molecules of a table, and this command has none. Leave it out."
        )
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
        options: What was typed.
        data: The table; with ``splits``, its molecules are taken out as ``--remove_overlap`` says.
        splits: Its roles.

    Raises:
        ConfigError: If there is no corpus, or ``--remove_overlap`` names no role.
    """
    if options.corpus is None:
        raise ConfigError(
            f"--corpus names no molecules. Use one of {', '.join(datasets.available_corpora())}, or a file."
        )
    corpus = _read_corpus(options, data, splits)
    for role in options.remove_overlap:
        if role not in ROLES:
            clause = suggest(role, ROLES)
            raise ConfigError(f"--remove_overlap: {role!r} is no role{clause} Roles: {', '.join(ROLES)}.")
    if data is None or splits is None or not options.remove_overlap:
        return corpus
    roles = splits.roles()
    return datasets.without(corpus, data, np.concatenate([roles[role] for role in options.remove_overlap]))
