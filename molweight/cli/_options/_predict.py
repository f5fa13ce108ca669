"""Options of ``molweight predict``."""

from typing import Literal

from molweight.cli._options._molecules import add_molecule_options
from molweight.cli._parser import Parser, names

__all__ = ["parser"]


def parser() -> Parser:
    """Options of the command."""
    made = Parser(prog="molweight predict", description="Predict for every molecule of a file, row by row.")
    made.add_argument("--config", action="config", help="YAML file with any of these options")
    add_molecule_options(made)
    made.add_argument("--output", type=str | None, default=None, help="CSV file, .gz or not; stdout if left out")
    made.add_argument("--columns", type=names, default=None, help="columns of the input to keep: a,b; all if left out")
    made.add_argument("--uncertainty", action="store_true", help="columns with standard deviations")
    made.add_argument("--interval", type=float | None, default=None, help="ends of ranges that hold the label: 0.9")
    made.add_argument(
        "--domain", type=bool, default=True, help="columns similarity (to the training molecules), in_domain"
    )
    made.add_argument("--top", type=int | None, default=None, help="only the rows with the best predictions: 1000")
    made.add_argument("--rank", type=str | None, default=None, help="target that --top ranks by; may be left out")
    made.add_argument("--lowest", action="store_true", help="the lowest predictions are the best ones")
    made.add_argument(
        "--candidates",
        type=int | Literal["auto", "all"],
        default="auto",
        help="rows that --top scores, chosen by a fast surrogate; auto: all up to 50,000, else 10 for each of the top",
    )
    made.add_argument("--ensemble", type=names, default=[], help="further runs of the same targets to average: a,b")
    made.add_argument("--quiet", action="store_true", help="no progress bar, no messages")
    return made
