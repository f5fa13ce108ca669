"""``molweight hypergrad-check``: how accurate each solver is on your data, and what it costs."""

import json
import sys
from pathlib import Path
from typing import Any, Literal

import torch
from jsonargparse import Namespace

from molweight.cli._data_options import (
    add_data_options,
    add_job_options,
    job_of,
    load_corpus,
    load_table,
    split_table,
)
from molweight.cli._parser import Parser, names
from molweight.diagnostics import hypergrad_check
from molweight.errors import ConfigError
from molweight.options import AdaptationOptions, EncoderOptions, PretrainingOptions, RunOptions, TaskOptions
from molweight.storage import write_file

__all__ = ["parser", "run"]


def parser() -> Parser:
    """Options of the command: those of the data, of the comparison, then those of :class:`molweight.Job`."""
    made = Parser(
        prog="molweight hypergrad-check",
        description="Compare solvers with the exact hypergradient, along a run: accuracy, ranking, cost.",
    )
    made.add_argument("--config", action="config", help="YAML file with any of these options")
    add_data_options(made)
    add = made.add_argument
    add("--points", type=_texts, default=[], help="after which steps; 0, a quarter and all of --steps if left out")
    add("--dampings", type=_texts, default=["0.1", "safe"], help="of the reference; safe: makes it positive definite")
    add("--candidates", type=_texts, default=[], help="solvers: cg:iterations=5,identity; a default list if left out")
    add("--dtype", type=Literal["float64", "float32"], default="float64", help="floating-point type of the comparison")
    add("--limit", type=int, default=3_000, help="most variables of a level for the dense reference; MINRES beyond")
    add("--iterations", type=int, default=300, help="most products of the MINRES reference")
    add("--tolerance", type=float, default=1e-6, help="relative residual at which MINRES stops")
    add("--output", type=str | None, default=None, help="JSON file to write the result to")
    add("--quiet", action="store_true", help="no progress bars")
    add_job_options(made, EncoderOptions, PretrainingOptions, AdaptationOptions, TaskOptions, RunOptions)
    return made


def run(options: Namespace) -> None:
    """Check, print the table, write the JSON file."""
    job, data = job_of(options), load_table(options)
    found = hypergrad_check(
        job,
        data,
        split_table(options, data),
        load_corpus(options),
        points=[_number("--points", text, int) for text in options.points] or None,
        dampings=["safe" if text == "safe" else _number("--dampings", text, float) for text in options.dampings],
        candidates=[_candidate(text) for text in options.candidates] or None,
        dtype=getattr(torch, options.dtype),
        limit=options.limit,
        iterations=options.iterations,
        tolerance=options.tolerance,
        progress=not options.quiet,
    )
    sys.stdout.write(f"{found.table()}\n")
    if options.output is not None:
        write_file(Path(options.output), (json.dumps(found.as_dict(), indent=2) + "\n").encode())
        sys.stdout.write(f"\nwritten to {options.output}\n")


def _number(option: str, text: str, kind: type[Any]) -> Any:
    try:
        return kind(text)
    except ValueError as error:
        raise ConfigError(f"{option}: {text!r} is no {kind.__name__}. Give numbers separated by commas.") from error


def _candidate(text: str) -> tuple[str, dict[str, Any]]:
    """A solver as typed, ``cg:iterations=5:damping=0.1``."""
    name, *options = text.split(":")
    pairs = [option.partition("=") for option in options]
    for option, equals, _ in pairs:
        if not equals:
            raise ConfigError(f"--candidates: {option!r} in {text!r} has no value. Write cg:iterations=5:damping=0.1.")
    return name, {option: _value(value) for option, _, value in pairs}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _texts(value: Any) -> list[str]:
    """Texts separated by commas, or a list or a single number as in a YAML file."""
    return names([str(part) for part in value] if isinstance(value, list) else str(value))
