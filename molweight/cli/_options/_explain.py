"""Options of ``molweight explain``."""

from molweight.cli._output import add_output_options, add_safe_csv_option
from molweight.cli._parser import Parser

__all__ = ["parser"]


def parser() -> Parser:
    """Options of the command."""
    made = Parser(prog="molweight explain", description="Share predictions out among the atoms, and draw them.")
    add = made.add_argument
    add("--config", action="config", help="YAML file with any of these options")
    add("run", type=str, help="folder of a run: runs/NAME")
    add("input", type=str, help="molecules: .csv, .tsv, .smi, .txt; gz, xz, bz2 or not")
    add("--smiles", type=str | None, default=None, help="SMILES column of a table; found if left out")
    add("--target", type=str | None, default=None, help="which target; may be left out if there is one")
    add("--limit", type=int, default=50, help="molecules at most, the first ones of the file")
    add("--pairs", type=int, default=16, help="orders of the atoms to draw; more give less noise")
    add("--seed", type=int, default=0, help="seed of the orders")
    add("--output", type=str, default="explanation.html", help="page with the molecules drawn")
    add("--atoms", type=str | None, default=None, help="CSV file: row,smiles,target,atom,share,error")
    add_safe_csv_option(made)
    add("--device", type=str, default="auto", help="auto, cpu, cuda, cuda:1")
    add_output_options(made)
    return made
