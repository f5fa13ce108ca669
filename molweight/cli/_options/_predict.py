"""Options of ``molweight predict``."""

from typing import Literal

from molweight.cli._options._molecules import add_molecule_options
from molweight.cli._parser import Parser, names

__all__ = ["parser"]


def parser() -> Parser:
    """Options of the command."""
    made = Parser(
        prog="molweight predict",
        example="molweight predict runs/my new.csv --interval 0.9 --output predictions.csv",
        description="Predict for every molecule of a file, row by row.",
        missing={"run": "the folder of a run", "input": "a file or SMILES to predict"},
    )
    made.add_argument("--config", action="config", help="YAML file with any of these options")
    add_molecule_options(made)
    add = made.section("Output").add_argument
    add("--output", type=str | None, default=None, help="CSV file to write, .gz or not; stdout by default")
    add("--columns", type=names, default=None, help="columns of the input to keep: a,b; all by default")
    add = made.section("Uncertainty and domain", ("uncertainty", "interval", "domain")).add_argument
    add("--uncertainty", action="store_true", help="add columns with standard deviations")
    add("--interval", type=float | None, default=None, help="add prediction intervals with this coverage: 0.9")
    add(
        "--domain",
        type=bool | None,
        default=None,
        help="add columns similarity (to the training molecules) and in_domain; yes by default, for a single run",
    )
    add = made.section("Ranking", ("top", "rank", "lowest", "candidates")).add_argument
    add("--top", type=int | None, default=None, help="keep only the N best rows, e.g. 1000")
    add("--rank", type=str | None, default=None, help="target that --top ranks by; required if there are several")
    add("--lowest", action="store_true", help="rank the lowest predictions first")
    add(
        "--candidates",
        type=int | Literal["auto", "all"],
        default="auto",
        help="rows that the model scores for --top, preselected by a fast surrogate; auto: 10 x --top, at least "
        "10,000. All rows are scored if the input has at most twice as many or 200, or with auto at most 50,000",
    )
    made.section("Running", ("ensemble",)).add_argument(
        "--ensemble", type=names, default=[], help="further runs with the same targets to average over: a,b"
    )
    made.section("Running").add_argument("--quiet", action="store_true", help="no progress bar, no messages")
    return made
