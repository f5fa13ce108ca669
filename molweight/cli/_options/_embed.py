"""Options of ``molweight embed``."""

from molweight.cli._options._molecules import add_molecule_options
from molweight.cli._parser import Parser

__all__ = ["parser"]


def parser() -> Parser:
    """Options of the command."""
    made = Parser(
        prog="molweight embed",
        example="molweight embed runs/my new.csv --output vectors.npz",
        description="Vectors of every molecule of a file, row by row.",
        missing={"run": "the folder of a run", "input": "a file or SMILES to embed"},
    )
    made.add_argument("--config", action="config", help="YAML file with any of these options")
    add_molecule_options(made)
    made.section("Output").add_argument(
        "--output",
        type=str | None,
        default=None,
        help="file to write: .npz, .csv or .csv.gz; by default, CSV to stdout",
    )
    made.section("Running").add_argument("--quiet", action="store_true", help="no progress bar, no messages")
    return made
