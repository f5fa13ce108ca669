"""Options of ``molweight hypergrad-check``."""

from typing import Any, Literal

from molweight.cli._options._table import (
    add_data_options,
    add_job_options,
)
from molweight.cli._parser import Parser, names
from molweight.options import (
    AdaptationOptions,
    EncoderOptions,
    PretrainingOptions,
    RunOptions,
    TaskOptions,
)

__all__ = ["parser"]


def parser() -> Parser:
    """Options of the command: those of the data, of the comparison, then those of :class:`molweight.Job`."""
    made = Parser(
        prog="molweight hypergrad-check",
        example="molweight hypergrad-check my.csv --points 0,50 --candidates identity,cg:iterations=5",
        description="Compare solvers with the exact hypergradient, along a run: accuracy, ranking, cost.",
    )
    made.add_argument("--config", action="config", help="YAML file with any of these options")
    add_data_options(made)
    add = made.add_argument
    add(
        "--points",
        type=_texts,
        default=[],
        help="steps after which to check; by default 0, a quarter and all of --steps",
    )
    add(
        "--dampings",
        type=_texts,
        default=["0.1", "safe"],
        help="dampings of the reference; safe: enough to make it positive definite",
    )
    add("--candidates", type=_texts, default=[], help="solvers, e.g. cg:iterations=5,identity; by default, a selection")
    add("--dtype", type=Literal["float64", "float32"], default="float64", help="floating-point type of the comparison")
    add("--limit", type=int, default=3_000, help="maximum number of variables for the dense reference; MINRES above")
    add("--iterations", type=int, default=300, help="maximum number of products of the MINRES reference")
    add("--tolerance", type=float, default=1e-6, help="relative residual at which MINRES stops")
    add("--output", type=str | None, default=None, help="JSON file to write the result to")
    add("--quiet", action="store_true", help="no progress bars")
    add_job_options(
        made, EncoderOptions, PretrainingOptions, AdaptationOptions, TaskOptions, RunOptions, common=("solver",)
    )
    return made


def _texts(value: Any) -> list[str]:
    """Parse texts separated by commas, or a list or single number from a YAML file."""
    return names([str(part) for part in value] if isinstance(value, list) else str(value))
