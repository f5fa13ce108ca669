"""Options of commands that read molecules and write a row for each."""

from typing import Final

from molweight.cli._output import add_safe_csv_option
from molweight.cli._parser import Parser, names

__all__ = [
    "MOST_ROWS",
    "add_input_arguments",
    "add_input_options",
    "add_molecule_options",
    "add_standard_form_option",
]

MOST_ROWS: Final = 500
"""Maximum number of rows in a chunk, repeated here because importing :mod:`molweight.runs` takes seconds."""


READING: Final = "Reading the input"
"""Title of the section on how a file of molecules is read."""


def add_input_arguments(parser: Parser) -> None:
    """Add the arguments that name a run, and molecules for it."""
    add = parser.add_argument
    add("run", type=str, help="folder of a run: runs/NAME")
    add(
        "input",
        type=str,
        help="CSV, TSV, Excel, Parquet, SDF or SMILES file, compressed or not; - for standard input; or SMILES",
    )
    add("more", nargs="*", type=str, default=[], help="further SMILES")


def add_input_options(parser: Parser) -> None:
    """Add the options that say how a file of molecules is read."""
    add = parser.section(READING, ("smiles",)).add_argument
    add("--smiles", type=str | None, default=None, help="SMILES column of a table; detected by default")
    add("--encoding", type=str | None, default=None, help="text encoding, e.g. cp1252; UTF-8 by default")
    add("--delimiter", type=str | None, default=None, help="cell separator; detected by default")
    add("--header", type=bool | None, default=None, help="whether the first row is a header; detected by default")
    add("--decimal", type=str | None, default=None, help="decimal separator of feature columns; detected by default")
    add("--sheet", type=str | None, default=None, help="sheet of a spreadsheet; the first by default")
    add_standard_form_option(parser)


def add_standard_form_option(parser: Parser) -> None:
    """Add the option for the standard form of new molecules."""
    parser.section(READING).add_argument(
        "--standardize",
        type=names,
        default=None,
        help="standard form of the molecules: salts,charges,tautomers; [] for none; by default, that of the run",
    )


def add_molecule_options(parser: Parser) -> None:
    """Add the options for the run, the input and its format."""
    add = parser.add_argument
    add_input_arguments(parser)
    add_input_options(parser)
    add = parser.section("Output", ("output", "columns")).add_argument
    add("--rejects", type=str | None, default=None, help="CSV file for rows without a molecule: row,smiles,reason")
    add_safe_csv_option(parser)
    add = parser.section("Running", ("device", "quiet")).add_argument
    add("--chunk_size", type=int, default=MOST_ROWS, help="rows processed at a time, at most 500; limits memory")
    add("--device", type=str, default="auto", help="auto, cpu, cuda, cuda:1")
