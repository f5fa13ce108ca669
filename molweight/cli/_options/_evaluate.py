"""Options of ``molweight evaluate``."""

from typing import Final

from molweight.cli._options._molecules import add_standard_form_option
from molweight.cli._options._table import (
    add_reading_options,
)
from molweight.cli._output import add_output_options
from molweight.cli._parser import Parser

__all__ = ["parser"]

_ABOUT: Final = (
    "Score a run on a labelled table that it has not seen. The output of --json counts the molecules of the table "
    "(molecules), those with an exact label, on which the score is based (labelled), and those of the latter that were "
    "used to train or select the model (seen)."
)


def parser() -> Parser:
    """Options of the command."""
    made = Parser(
        prog="molweight evaluate",
        example="molweight evaluate runs/my labelled.csv",
        description=_ABOUT,
        missing={"run": "the folder of a run", "table": "a labelled table to score it on"},
    )
    add = made.add_argument
    add("--config", action="config", help="YAML file with any of these options")
    add("run", type=str, help="folder of a run: runs/NAME")
    add("table", type=str, help="labelled table: CSV, TSV, Excel, Parquet, SDF, SMILES; gz or not")
    add("--smiles", type=str | None, default=None, help="SMILES column of the table; detected by default")
    add_reading_options(made, duplicates="keep")
    add("--on_error", type=str, default="skip", help="rows that cannot be used: skip, nan (drop bad labels), raise")
    add_standard_form_option(made)
    add("--metric", type=str | None, default=None, help="metric; by default, that of the run's own table")
    add("--device", type=str, default="auto", help="auto, cpu, cuda, cuda:1")
    add_output_options(made)
    return made
