"""Options of ``molweight advise``."""

from molweight.cli._options._table import (
    add_table_options,
)
from molweight.cli._output import add_output_options
from molweight.cli._parser import Parser, names

__all__ = ["parser"]


def parser() -> Parser:
    """Options of the command."""
    made = Parser(
        prog="molweight advise",
        example="molweight advise my.csv --aux other.csv,esol",
        description="Test auxiliary tables: how much predicted labels improve a linear model of descriptors.",
    )
    made.add_argument("--config", action="config", help="YAML file with any of these options")
    add_table_options(made)
    made.add_argument("--aux", type=names, default=[], help="auxiliary tables: a.csv,tox21,esol:COLUMN")
    made.add_argument("--init", type=str, default="auto", help="checkpoint or run whose vectors replace descriptors")
    made.add_argument("--seed", type=int, default=0, help="seed of the folds, and of a random split")
    made.add_argument("--device", type=str, default="auto", help="auto, cpu, cuda, cuda:1")
    add_output_options(made)
    return made
