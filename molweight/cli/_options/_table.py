"""Options that say which molecules to use, shared by the commands that train."""

from argparse import SUPPRESS
from collections.abc import Sequence
from typing import Any, Final

import docstring_parser

from molweight.cli._parser import Parser, names, weights
from molweight.options.internal import GROUPS, list_options

__all__ = [
    "CORPORA",
    "SPLITS",
    "add_corpus_options",
    "add_data_options",
    "add_job_options",
    "add_reading_options",
    "add_table_options",
    "add_test_option",
]

_COMMON: Final = (
    *("encoder", "init", "objectives", "weighting", "steps", "aux"),
    *("epochs", "members", "features", "seed", "device"),
)
"""Options of a job that ``--help`` shows; ``--help_all`` shows all of them."""
CORPORA: Final = ("moses", "moses_test", "zinc", "zinc250k")
"""Names of the corpora, repeated here because importing the registry takes seconds."""
SPLITS: Final = (
    *("butina", "column", "none", "ogb", "random", "random_scaffold"),
    *("scaffold", "scaffold_achiral", "scaffold_balanced", "scaffold_generic", "stratified"),
)
"""Names of the splits, repeated for the same reason."""


def add_data_options(parser: Parser, *, corpus: str | None = "zinc") -> None:
    """Add the options of the table, its split and the corpus.

    Args:
        parser: The parser to extend.
        corpus: Default corpus; ``None`` for none.
    """
    add_table_options(parser)
    add_corpus_options(parser, corpus=corpus)


def add_table_options(parser: Parser) -> None:
    """Add the options of the table and its split."""
    add = parser.section("Table", ("data", "smiles", "targets", "task")).add_argument
    parser.add_argument(
        "table",
        nargs="?",
        default=SUPPRESS,
        type=str | None,
        help="your own table: CSV, TSV, Excel, Parquet, SDF, SMILES; gz or not",
    )
    add("--data", type=str | None, default=None, help="a MoleculeNet table; see molweight list datasets")
    add("--smiles", type=str | None, default=None, help="SMILES column of your table; detected by default")
    add("--targets", type=names, default=[], help="label columns: a,b,c; p(X): -log10 of molar X; detected by default")
    add("--task", type=str | None, default=None, help="classification, multiclass or regression; detected by default")
    add_reading_options(parser)
    add("--sample_weight", type=str | None, default=None, help="column with a weight for each row")
    add("--target_weights", type=weights, default=[], help="weight of targets in the loss: 1,0.5 or a=1,b=0.5; else 1")
    add("--on_error", type=str, default="skip", help="rows that cannot be used: skip, nan (drop bad labels), raise")
    add("--standardize", type=names, default=[], help="standard form of your molecules: salts,charges,tautomers")
    add_split_options(parser)


def add_reading_options(parser: Parser, *, duplicates: str = "mean") -> None:
    """Add the options that say how the cells of a table are read.

    Args:
        parser: The parser to extend.
        duplicates: Default for molecules in several rows.
    """
    add = parser.section("Reading the table").add_argument
    add("--positive", type=str | None, default=None, help="word or number that is class 1, e.g. active")
    add("--decimal", type=str | None, default=None, help="decimal separator, . or ,; detected by default")
    add("--relation", type=str | None, default=None, help="column of < and > that marks bounds; detected by default")
    add("--duplicates", type=str, default=duplicates, help="a molecule in several rows: mean, median, keep, drop")
    add("--delimiter", type=str | None, default=None, help="cell separator; detected by default")
    add("--encoding", type=str | None, default=None, help="text encoding, e.g. cp1252; UTF-8 by default")
    add("--header", type=bool | None, default=None, help="whether the first row is a header; detected by default")
    add("--sheet", type=str | None, default=None, help="sheet of a spreadsheet; the first by default")
    add("--max_mb", type=float | None, default=None, help="size limit of the table in MB, uncompressed; 512 by default")
    add("--max_rows", type=int | None, default=None, help="row limit of the table; 1000000 by default")


def add_corpus_options(parser: Parser, *, corpus: str | None = "zinc") -> None:
    """Add the options of the corpus.

    Args:
        parser: The parser to extend.
        corpus: Default corpus; ``None`` for none.
    """
    add = parser.section("Corpus", ("corpus",)).add_argument
    add(
        "--corpus",
        type=str | None,
        default=corpus,
        help=f"molecules to pretrain on: {', '.join(CORPORA)}, own, near, near:FILE, auto (own+near), a file, or "
        "several joined by +",
    )
    add("--corpus_size", type=int | None, default=10_000, help="number of these molecules; null for all.")
    add(
        "--near_held_out",
        action="store_true",
        help="allow compounds of meta, select and test in the corpus near (no labels)",
    )
    add("--remove_overlap", type=names, default=[], help="roles whose molecules are removed from the corpus: test,meta")


def add_split_options(parser: Parser) -> None:
    """Add the options of the split."""
    add = parser.section("Split", ("split", "test")).add_argument
    add("--split", type=str, default="auto", help=f"auto (a column with roles, else scaffold), {', '.join(SPLITS)}")
    add("--split_options", type=dict[str, Any], default={}, help="options of the split: --split_options.cutoff 0.5")
    add("--split_column", type=str | None, default=None, help="column of your table with the role of each row")
    add("--split_file", type=str | None, default=None, help="JSON file with a saved split, or with rows by role")
    add("--protocol", type=str, default="four-role", help="roles of the split: four-role or paper")


def add_test_option(parser: Parser) -> None:
    """Add the option for a file with the test set."""
    parser.section("Split").add_argument(
        "--test",
        type=str | None,
        default=None,
        help="file with the test set; all rows of the table are then used for training",
    )


def add_job_options(parser: Parser, *groups: type, common: Sequence[str] = ()) -> None:
    """Add the options of a job, with a section of the help for each group.

    Args:
        parser: The parser to extend.
        *groups: The option groups that the command takes; all groups of a job if empty.
        common: Options that are common for this command, in addition to those that always are.
    """
    for group in groups or GROUPS:
        text = docstring_parser.parse(group.__doc__ or "")
        described = {item.arg_name: item.description for item in text.params}
        lists: dict[str, Any] = {item.name: item.default for item in list_options(group)}
        section = parser.section(_title(text), {*_COMMON, *common})
        section.add_class_arguments(group, as_group=False, skip=set(lists))
        for name, value in lists.items():
            default = value if value is None else list(value)
            section.add_argument(f"--{name}", type=names, default=default, help=described[name])


def _title(text: docstring_parser.Docstring) -> str:
    return (text.short_description or "").rstrip(".")
