"""``molweight predict``: predictions of a run for a file of any size, one output row per input row."""

import sys
from collections.abc import Callable
from functools import partial
from itertools import combinations
from typing import Final, NamedTuple

import numpy as np
import torch
from jsonargparse import Namespace

from molweight.arrays import Float32Matrix
from molweight.cli._molecules import format_numbers, open_input, refuse_other_formats, stream, table_writer
from molweight.cli._output import begin, say
from molweight.cli._screen import finish_screening, screened
from molweight.cli._standard_form import with_standard_form
from molweight.datasets.internal import MoleculeRows, conflicting_classes, format_classes
from molweight.errors import ConfigError, DataError, suggest
from molweight.runs import ParsedRows, Run, load
from molweight.runs.internal import ENSEMBLE, spread_of

__all__ = ["run"]

_ROW: Final = "row"
"""Column with the number of each row, unless the input has a column of this name."""
_DOMAIN: Final = ("similarity", "in_domain")
_LISTED: Final = 20


def run(options: Namespace) -> None:
    """Read, predict and write, a chunk at a time.

    Raises:
        ConfigError: If options contradict each other, or the run lacks data that they need.
        OptionError: If the name of an output promises another format.
    """
    begin(options)
    refuse_other_formats(options, "output", "rejects")
    options = with_standard_form(options)
    model = load(options.run, options.device)
    answers = _answers(options, model)
    table = open_input(options, model)
    kept = _kept(options.columns, table)
    columns = [table.columns[place] for place in kept]
    numbered = _ROW not in columns
    header = [*([_ROW] if numbered else []), *columns, *(_free(name, columns) for name in answers.names)]
    source = screened(options, model, table) if options.top is not None else stream(options, model, table)
    with table_writer(options.output, header, default=sys.stdout, safe=options.safe_csv) as write:
        for rows, cells, parsed in source:
            made = format_numbers(answers.of(parsed))
            write(
                [*([row] if numbered else []), *(record[place] for place in kept), *values]
                for row, record, values in zip(rows, cells, made, strict=True)
            )
    finish_screening(options)


class _Answers(NamedTuple):
    """Names of the computed columns, and the function that computes them."""

    names: list[str]
    of: Callable[[ParsedRows], Float32Matrix]


def _answers(options: Namespace, model: Run) -> _Answers:
    """The requested values: predictions, deviations, ranges, domain.

    Raises:
        ConfigError: If options contradict each other, or the run lacks data that they need.
    """
    targets, others = model.target_names, _others(options, model)
    spread = [f"{name}.deviation" for name in targets if options.uncertainty]
    if others:
        if options.interval is not None:
            raise ConfigError("--interval is for a single run, but --ensemble averages several. Leave one of them out.")
        return _Answers([*targets, *spread], partial(_averaged, [model, *others], uncertain=options.uncertainty))
    ends = [f"{name}.{end}" for name in targets for end in ("lower", "upper") if options.interval is not None]
    domain = options.domain and model.has_calibration()
    if options.domain and not domain:
        say(
            options,
            f"{options.run} stores no training molecules, so similarity and domain cannot be computed: fit again",
        )
    place = [*_DOMAIN] if domain else []
    if not ends and not domain and not spread:
        return _Answers(targets, model.predict)
    return _Answers([*targets, *spread, *ends, *place], partial(_assessed, options, model, domain=domain))


def _assessed(options: Namespace, model: Run, parsed: ParsedRows, *, domain: bool) -> Float32Matrix:
    """Predictions, and deviations, ranges and domain if requested."""
    if options.interval is None and not domain:
        stated = model.uncertainty(parsed)
        return np.concatenate([stated.prediction, stated.deviation], axis=1)
    found = model.assess(parsed, *([] if options.interval is None else [options.interval]))
    parts = [found.prediction]
    if options.uncertainty:
        parts.append(found.deviation if model.method == ENSEMBLE else model.uncertainty(parsed).deviation)
    if options.interval is not None:
        ends = np.stack([found.intervals.lower, found.intervals.upper], axis=2)
        parts.append(ends.reshape(len(ends), -1))
    if domain:
        inside = np.where(np.isnan(found.domain.similarity), np.nan, found.domain.inside)
        parts.append(np.stack([found.domain.similarity, inside], axis=1).astype(np.float32))
    return np.concatenate(parts, axis=1)


def _averaged(runs: list[Run], parsed: ParsedRows, *, uncertain: bool) -> Float32Matrix:
    """The mean over several runs, and their spread."""
    found = spread_of([run.predict(parsed) for run in runs])
    return np.concatenate([found.prediction, found.deviation], axis=1) if uncertain else found.prediction


def _kept(columns: list[str] | None, table: MoleculeRows) -> list[int]:
    """Positions of the input columns that the output repeats: all of them, or the SMILES and those named by the user.

    Raises:
        DataError: If there is no such column.
    """
    if columns is None:
        return list(range(len(table.columns)))
    for name in columns:
        if name not in table.columns:
            raise DataError(
                f"--columns: the input has no column {name!r}{suggest(name, table.columns)} Its columns are "
                f"{', '.join(map(repr, table.columns[:_LISTED]))}."
            )
    return [place for place, name in enumerate(table.columns) if place == table.smiles or name in columns]


def _free(name: str, taken: list[str]) -> str:
    """A name for predictions that is not a column of the input: ``y``, ``y.predicted``, ``y.predicted.predicted``, ...

    Example:
        >>> _free("y", ["id"]), _free("y", ["id", "y"])
        ('y', 'y.predicted')
    """
    while name in taken:
        name = f"{name}.predicted"
    return name


def _others(options: Namespace, model: Run) -> list[Run]:
    """The other runs of the ensemble.

    Raises:
        ConfigError: If one of them predicts something else, or is the same model as another one.
    """
    others = [load(folder, options.device) for folder in options.ensemble]
    for folder, other in zip(options.ensemble, others, strict=True):
        if (other.target_names, other.model.task) != (model.target_names, model.model.task):
            raise ConfigError(
                f"--ensemble {folder} predicts {', '.join(other.target_names)} ({other.model.task}), but {options.run} "
                f"predicts {', '.join(model.target_names)} ({model.model.task}). Name runs of the same table."
            )
    folders, runs = [options.run, *options.ensemble], [model, *others]
    for one, another in combinations(zip(folders, runs, strict=True), 2):
        _refuse_other_classes(one, another)
    _refuse_same(folders, runs)
    return others


def _refuse_other_classes(first: tuple[str, Run], second: tuple[str, Run]) -> None:
    """Refuse a run whose class 1 means something else; runs of earlier versions do not store it."""
    cards = [run.trained_on for _, run in (first, second)]
    if not all("codes" in card for card in cards):
        return
    target = conflicting_classes(cards[0]["codes"], cards[1]["codes"])
    if target is not None:
        one, other = (format_classes({"codes": {target: card["codes"].get(target, {"1": 1})}}) for card in cards)
        raise ConfigError(
            f"--ensemble {second[0]}: {other}, but in {first[0]} {one}, so a mean of their probabilities means "
            "nothing. Name runs with the same classes, or fit again with --positive."
        )


def _refuse_same(folders: list[str], runs: list[Run]) -> None:
    """Refuse members that are copies of each other: their spread would be zero."""
    for (one, run), (other, further) in combinations(zip(folders, runs, strict=True), 2):
        mine, theirs = run.model.state_dict(), further.model.state_dict()
        if mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine):
            raise ConfigError(
                f"--ensemble: {one} and {other} are the same model, so their spread means nothing. Name runs with "
                "different seeds."
            )
