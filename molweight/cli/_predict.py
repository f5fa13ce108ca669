"""``molweight predict``: predictions of a run for a file of any size, one output row per input row."""

import sys
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

import numpy as np
from jsonargparse import Namespace

from molweight.arrays import Float32Matrix
from molweight.cli._ensemble import Average, members_of, other_runs
from molweight.cli._molecules import (
    Chunk,
    format_numbers,
    open_input,
    refuse_other_formats,
    say_of_imputed,
    stream,
    table_writer,
)
from molweight.cli._output import begin, say
from molweight.cli._screen import finish_screening, screened
from molweight.cli._standard_form import with_standard_form
from molweight.datasets.internal import MoleculeRows
from molweight.errors import ConfigError, DataError, OptionError, mention, suggest
from molweight.runs import Run, load
from molweight.runs.internal import ENSEMBLE

__all__ = ["run"]

_ROW: Final = "row"
"""Column with the number of each row, unless the input has a column of this name."""
_DOMAIN: Final = ("similarity", "in_domain")
_LISTED: Final = 20
_OF_TOP: Final = {"rank": None, "lowest": False, "candidates": "auto"}
"""Options of ``--top``, with their defaults."""


def run(options: Namespace) -> None:
    """Read, predict and write, a chunk at a time.

    Raises:
        ConfigError: If options contradict each other, or the run lacks data that they need.
        OptionError: If the name of an output promises another format.
    """
    begin(options)
    refuse_other_formats(options, "output", "rejects")
    model = load(options.run, options.device)
    given, options = options, with_standard_form(options, model)
    others = other_runs(options, model)
    _refuse_conflicts(options)
    table = open_input(options, model)
    members, table = members_of(given, options, others, table)
    average = Average(model, members, uncertain=options.uncertainty)
    answers = _answers(options, model, average)
    kept = _kept(options.columns, table)
    columns = [table.columns[place] for place in kept]
    numbered = _ROW not in columns
    header = _header([*([_ROW] if numbered else []), *columns], answers.names)
    if options.top is None:
        source = stream(options, model, table, others=[member.read for member in members])
    else:
        source = screened(options, model, table)
    with table_writer(options.output, header, default=sys.stdout, safe=options.safe_csv) as write:
        for chunk in source:
            made = format_numbers(answers.of(chunk))
            write(
                [*([row] if numbered else []), *(record[place] for place in kept), *values]
                for row, record, values in zip(chunk.rows, chunk.cells, made, strict=True)
            )
    say_of_imputed(options, average.blank)
    finish_screening(options)


class _Answers(NamedTuple):
    """Names of the computed columns, and the function that computes them."""

    names: list[str]
    of: Callable[[Chunk], Float32Matrix]


def _refuse_conflicts(options: Namespace) -> None:
    """Refuse options that contradict each other, or have no effect.

    Raises:
        ConfigError: If two options contradict each other.
        OptionError: If an option of ``--top`` is given without it.
    """
    for name, asked in (("interval", options.interval is not None), ("domain", options.domain)):
        if options.ensemble and asked:
            raise ConfigError(f"--{name} is for a single run, but --ensemble averages several. Leave one of them out.")
    if options.top is not None:
        return
    for name, usual in _OF_TOP.items():
        if options[name] != usual:
            raise OptionError(name, options[name], f"needs --top, e.g. {mention('top', 1000)}")


def _answers(options: Namespace, model: Run, average: Average) -> _Answers:
    """The requested values: predictions, deviations, ranges, domain."""
    targets = model.target_names
    spread = [f"{name}.deviation" for name in targets if options.uncertainty]
    if average.members:
        return _Answers([*targets, *spread], average.of)
    ends = [f"{name}.{end}" for name in targets for end in ("lower", "upper") if options.interval is not None]
    wanted = options.domain is not False
    domain = wanted and model.has_calibration()
    if wanted and not domain:
        say(
            options,
            f"{options.run} stores no training molecules, so similarity and domain cannot be computed: fit again",
        )
    place = [*_DOMAIN] if domain else []
    if not ends and not domain and not spread:
        return _Answers(targets, lambda chunk: model.predict(chunk.parsed))
    return _Answers([*targets, *spread, *ends, *place], partial(_assessed, options, model, domain=domain))


def _assessed(options: Namespace, model: Run, chunk: Chunk, *, domain: bool) -> Float32Matrix:
    """Predictions, and deviations, ranges and domain if requested."""
    parsed = chunk.parsed
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


def _header(columns: list[str], computed: list[str]) -> list[str]:
    """The names of the columns of the output, each once if those of the input are.

    Example:
        >>> _header(["row", "y"], ["y", "y.predicted"])
        ['row', 'y', 'y.predicted', 'y.predicted.predicted']
    """
    taken = list(columns)
    for name in computed:
        taken.append(_free(name, taken))
    return taken


def _free(name: str, taken: list[str]) -> str:
    """A name for predictions that is not taken: ``y``, ``y.predicted``, ``y.predicted.predicted``, ...

    Example:
        >>> _free("y", ["id"]), _free("y", ["id", "y"])
        ('y', 'y.predicted')
    """
    while name in taken:
        name = f"{name}.predicted"
    return name
