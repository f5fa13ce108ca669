"""Options of commands that read molecules and write a row for each."""

from molweight.cli._output import add_safe_csv_option
from molweight.cli._parser import Parser

__all__ = ["add_molecule_options"]


def add_molecule_options(parser: Parser) -> None:
    """Add the options for the run, the input and its format."""
    add = parser.add_argument
    add("run", type=str, help="folder of a run: runs/NAME")
    add("input", type=str, help="CSV, TSV, Excel, Parquet, SDF, SMILES, packed or not; - for standard input; or SMILES")
    add("more", nargs="*", type=str, default=[], help="further SMILES")
    add("--smiles", type=str | None, default=None, help="SMILES column of a table; found if left out")
    add("--encoding", type=str | None, default=None, help="encoding of text, e.g. cp1252; UTF-8 if left out")
    add("--delimiter", type=str | None, default=None, help="what separates cells; found if left out")
    add("--header", type=bool | None, default=None, help="whether the first row names the columns; found")
    add("--sheet", type=str | None, default=None, help="sheet of a spreadsheet; the first if left out")
    add("--rejects", type=str | None, default=None, help="CSV file for rows without a molecule: row,smiles,reason")
    add_safe_csv_option(parser)
    add("--chunk_size", type=int, default=10_000, help="rows at a time, at most 500; bounds the memory")
    add("--device", type=str, default="auto", help="auto, cpu, cuda, cuda:1")
