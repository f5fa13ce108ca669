"""``molweight hypergrad-check``: how accurate each solver is on your data, and what it costs."""

import json
from pathlib import Path
from typing import Any, Literal

import torch
from jsonargparse import Namespace

from molweight.cli._data_options import (
    job_of,
    load_corpus,
    load_table,
    split_table,
)
from molweight.cli._output import show
from molweight.diagnostics import hypergrad_check
from molweight.errors import ConfigError, OptionError
from molweight.mlo import solvers
from molweight.storage import write_file

__all__ = ["run"]


def run(options: Namespace) -> None:
    """Check, print the table, write the JSON file."""
    points = [_number("--points", text, int) for text in options.points] or None
    dampings: list[float | Literal["safe"]] = [
        "safe" if text == "safe" else _number("--dampings", text, float) for text in options.dampings
    ]
    candidates = [_candidate(text) for text in options.candidates] or None
    job, data = job_of(options), load_table(options)
    splits = split_table(options, data)
    found = hypergrad_check(
        job,
        data,
        splits,
        load_corpus(options, data, splits),
        points=points,
        dampings=dampings,
        candidates=candidates,
        dtype=getattr(torch, options.dtype),
        limit=options.limit,
        iterations=options.iterations,
        tolerance=options.tolerance,
        progress=not options.quiet,
    )
    show(found.table())
    if options.output is not None:
        write_file(Path(options.output), (json.dumps(found.as_dict(), indent=2) + "\n").encode())
        show(f"\nwritten to {options.output}")


def _number(option: str, text: str, kind: type[Any]) -> Any:
    try:
        return kind(text)
    except ValueError as error:
        raise ConfigError(
            f"{option}: {text!r} is not a {'whole number' if kind is int else 'number'}. "
            "Give numbers separated by commas."
        ) from error


def _candidate(text: str) -> tuple[str, dict[str, Any]]:
    """Parse a solver as typed, ``cg:iterations=5:damping=0.1``."""
    name, *options = text.split(":")
    pairs = [option.partition("=") for option in options]
    for option, equals, _ in pairs:
        if not equals:
            raise ConfigError(f"--candidates: {option!r} in {text!r} has no value. Write cg:iterations=5:damping=0.1.")
    chosen = {option: _value(value) for option, _, value in pairs}
    try:
        solvers.create(name, **chosen)
    except OptionError as error:  # its message names an option of --solver
        raise ConfigError(f"--candidates: {error.option}={error.value} in {text!r} {error.reason}.") from error
    return name, chosen


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
