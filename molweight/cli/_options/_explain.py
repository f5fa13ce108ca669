"""Options of ``molweight explain``."""

from molweight.cli._options._molecules import add_input_arguments, add_input_options
from molweight.cli._output import add_output_options, add_safe_csv_option
from molweight.cli._parser import Parser

__all__ = ["parser"]


def parser() -> Parser:
    """Options of the command."""
    made = Parser(
        prog="molweight explain",
        example="molweight explain runs/my new.csv --limit 3",
        description="Attribute predictions to atoms, and draw the molecules.",
        missing={"run": "the folder of a run", "input": "a file or SMILES to explain"},
    )
    add = made.add_argument
    add("--config", action="config", help="YAML file with any of these options")
    add_input_arguments(made)
    add_input_options(made)
    add("--target", type=str | None, default=None, help="target to explain; required if there are several")
    add("--limit", type=int, default=50, help="maximum number of molecules, from the start of the input")
    add("--pairs", type=int, default=16, help="number of random atom orders; more give less noise")
    add("--seed", type=int, default=0, help="seed of the orders")
    add("--output", type=str, default="explanation.html", help="HTML file to write, with the drawn molecules")
    add("--atoms", type=str | None, default=None, help="CSV file to write: row,smiles,target,atom,share,error")
    add_safe_csv_option(made)
    add("--device", type=str, default="auto", help="auto, cpu, cuda, cuda:1")
    add_output_options(made)
    return made
