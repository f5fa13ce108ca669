"""``molweight predict``: predictions of a run for a file of any size, a row for each row."""

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from jsonargparse import Namespace

from molweight.cli._molecules import Array, add_molecule_options, stream, table_writer
from molweight.cli._output import begin
from molweight.cli._parser import Parser
from molweight.training import load

__all__ = ["number_rows", "parser", "run"]


def parser() -> Parser:
    """Options of the command."""
    made = Parser(prog="molweight predict", description="Predict for every molecule of a file, row by row.")
    made.add_argument("--config", action="config", help="YAML file with any of these options")
    add_molecule_options(made)
    made.add_argument("--output", type=str | None, default=None, help="CSV file, .gz or not; stdout if left out")
    made.add_argument("--quiet", action="store_true", help="no progress bar, no messages")
    return made


def run(options: Namespace) -> None:
    """Read, predict and write, a chunk at a time."""
    begin(options)
    model = load(options.run, options.device)
    with table_writer(options.output, ["row", "smiles", *model.target_names], default=sys.stdout) as write:
        for rows, smiles, values in stream(options, model, model.predict):
            write(number_rows(rows, smiles, values))


def number_rows(rows: list[int], smiles: list[str], values: Array) -> Iterator[list[Any]]:
    """Rows of a CSV file; a number that is none is an empty cell."""
    for row, text, numbers, known in zip(rows, smiles, values, ~np.isnan(values), strict=True):
        yield [
            row,
            text,
            *(f"{number:.7g}" if is_known else "" for number, is_known in zip(numbers, known, strict=True)),
        ]
