"""Options that say which molecules to use, shared by the commands that train."""

from dataclasses import fields
from typing import Final

from jsonargparse import Namespace

from molweight import datasets
from molweight.cli._parser import Parser, names
from molweight.datasets import Splits
from molweight.errors import ConfigError
from molweight.graphs import MoleculeDataset
from molweight.training import DEFAULT_OBJECTIVES, TapWeight

__all__ = ["add_data_options", "add_job_options", "job_of", "load_corpus", "load_table", "split_table"]

_JOB: Final = tuple(field.name for field in fields(TapWeight))


def add_data_options(parser: Parser) -> None:
    """Add the options of the table, its split and the corpus."""
    add = parser.add_argument
    add("table", nargs="?", default=None, type=str | None, help="your own table (CSV or TSV, gz or not)")
    add("--data", type=str | None, default=None, help="an embedded table: molweight list datasets")
    add("--smiles", type=str | None, default=None, help="SMILES column of your table; found if left out")
    add("--targets", type=names, default=[], help="label columns of your table: a,b,c; found if left out")
    add("--split", type=str, default="scaffold", help="how the table is split")
    add("--protocol", type=str, default="four-role", help="four-role or paper")
    add("--corpus", type=str, default="zinc", help="molecules to pretrain on")
    add("--corpus_size", type=int, default=10_000, help="how many of them")


def add_job_options(parser: Parser, *, skip: frozenset[str] = frozenset()) -> None:
    """Add the options of :class:`molweight.TapWeight`.

    Args:
        parser: Where to add them.
        skip: Names of those to leave out.
    """
    parser.add_argument("--objectives", type=names, default=list(DEFAULT_OBJECTIVES), help="objectives: a,b,c")
    parser.add_class_arguments(TapWeight, skip={"objectives", *skip})


def job_of(options: Namespace) -> TapWeight:
    """The job that the options describe.

    Args:
        options: What :func:`add_job_options` added, as parsed; what was skipped keeps its default.
    """
    values = options.as_dict()
    return TapWeight(**{name: values[name] for name in _JOB if name in values})


def load_table(options: Namespace) -> MoleculeDataset:
    """The labelled table.

    Raises:
        ConfigError: If none or two are named.
        DataError: If it cannot be read.
    """
    if (options.table is None) == (options.data is None):
        raise ConfigError(
            "name one table: an embedded one with --data NAME (see 'molweight list datasets'), or your own file."
        )
    if options.data is not None:
        return datasets.load(options.data)
    return datasets.from_csv(options.table, smiles=options.smiles, targets=options.targets or None)


def split_table(options: Namespace, data: MoleculeDataset) -> Splits:
    """The roles of the table's molecules."""
    return datasets.split(data, options.split, protocol=options.protocol, seed=options.seed)


def load_corpus(options: Namespace) -> MoleculeDataset:
    """The molecules to pretrain on."""
    return datasets.load_corpus(options.corpus, size=options.corpus_size)
