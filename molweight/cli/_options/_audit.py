"""Options of ``molweight audit``."""

from typing import Literal

from molweight.cli._options._table import add_data_options, add_test_option
from molweight.cli._parser import Parser

__all__ = ["parser"]


def parser() -> Parser:
    """Options of the command: those of the data."""
    made = Parser(
        prog="molweight audit",
        example="molweight audit my.csv",
        description="Show how each column of a table is interpreted, and the fit command to run next; check for "
        "duplicates, undefined stereochemistry, unbalanced labels, leakage between roles, and molecules of the table "
        "in the corpus.",
    )
    made.add_argument("--config", action="config", help="YAML file with any of these options")
    add_data_options(made, corpus=None)
    add_test_option(made)
    add = made.add_argument
    add("--stereo", type=Literal["use", "ignore"], default="use", help="use or ignore stereochemistry")
    add("--seed", type=int, default=0, help="seed of a random split")
    made.add_argument(
        "--json", action="store_true", help="print JSON, with the rows of duplicates, all labels and all rejects"
    )
    made.add_argument("--quiet", action="store_true", help="no progress bars")
    return made
