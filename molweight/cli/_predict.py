"""``molweight predict``: predictions of a run for a file of any size, a row for each row."""

import sys
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import numpy as np
import torch
from jsonargparse import Namespace

from molweight.arrays import Float32Matrix
from molweight.cli._molecules import add_molecule_options, stream, table_writer
from molweight.cli._output import begin
from molweight.cli._parser import Parser, names
from molweight.errors import ConfigError
from molweight.runs import ParsedRows, Run, load, spread_of

__all__ = ["number_rows", "parser", "run"]


def parser() -> Parser:
    """Options of the command."""
    made = Parser(prog="molweight predict", description="Predict for every molecule of a file, row by row.")
    made.add_argument("--config", action="config", help="YAML file with any of these options")
    add_molecule_options(made)
    made.add_argument("--output", type=str | None, default=None, help="CSV file, .gz or not; stdout if left out")
    made.add_argument("--uncertainty", action="store_true", help="standard deviations too, by dropout or an ensemble")
    made.add_argument("--ensemble", type=names, default=[], help="further runs of the same targets to average: a,b")
    made.add_argument("--quiet", action="store_true", help="no progress bar, no messages")
    return made


def run(options: Namespace) -> None:
    """Read, predict and write, a chunk at a time."""
    begin(options)
    model = load(options.run, options.device)
    header = ["row", "smiles", *model.target_names]
    if options.uncertainty:
        header += [f"{name}.deviation" for name in model.target_names]
    method = _method(model, _others(options, model), uncertain=options.uncertainty)
    with table_writer(options.output, header, default=sys.stdout, safe=options.safe_csv) as write:
        for rows, smiles, values in stream(options, model, method):
            write(number_rows(rows, smiles, values))


def _others(options: Namespace, model: Run) -> list[Run]:
    """The other runs of the ensemble.

    Raises:
        ConfigError: If one of them predicts something else, or is the same model as another one.
    """
    others = [load(folder, options.device) for folder in options.ensemble]
    for folder, other in zip(options.ensemble, others, strict=True):
        if (other.target_names, other.model.task) != (model.target_names, model.model.task):
            raise ConfigError(
                f"--ensemble {folder} predicts {', '.join(other.target_names)} ({other.model.task}), and {options.run} "
                f"predicts {', '.join(model.target_names)} ({model.model.task}). Name runs of the same table."
            )
    _refuse_same([options.run, *options.ensemble], [model, *others])
    return others


def _refuse_same(folders: list[str], runs: list[Run]) -> None:
    """Refuse members that are copies of each other: they would make an ensemble look sure of itself."""
    for (one, run), (other, further) in combinations(zip(folders, runs, strict=True), 2):
        mine, theirs = run.model.state_dict(), further.model.state_dict()
        if mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine):
            raise ConfigError(
                f"--ensemble: {one} and {other} are the same model, so their spread says nothing. Name runs that "
                "differ in their seed."
            )


def _method(model: Run, others: list[Run], *, uncertain: bool) -> Callable[[ParsedRows], Float32Matrix]:
    """From parsed rows to predictions, followed by their deviations if these are wanted."""

    def predict(rows: ParsedRows) -> Float32Matrix:
        if others:
            found = spread_of([run.predict(rows) for run in (model, *others)])
        elif uncertain:
            found = model.uncertainty(rows)
        else:
            return model.predict(rows)
        return np.concatenate([found.prediction, found.deviation], axis=1) if uncertain else found.prediction

    return predict


def number_rows(rows: list[int], smiles: list[str], values: Float32Matrix) -> Iterator[list[Any]]:
    """Rows of a CSV file; a number that is none is an empty cell."""
    for row, text, numbers, known in zip(rows, smiles, values, ~np.isnan(values), strict=True):
        yield [
            row,
            text,
            *(f"{number:.7g}" if is_known else "" for number, is_known in zip(numbers, known, strict=True)),
        ]
