"""The rows of a library with the best predictions: millions are streamed, few are kept, and the state is saved."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Final

import numpy as np
from jsonargparse import Namespace

from molweight.arrays import AnyArray
from molweight.cli._candidates import CANDIDATES, Narrowed, narrowed
from molweight.cli._molecules import Chunk, feature_places, imputed, say_of_imputed, standard, stream, with_numbers
from molweight.cli._output import say
from molweight.cli._screen_state import ScreenState, state_path
from molweight.datasets.internal import MoleculeRows
from molweight.errors import OptionError, mention, suggest
from molweight.runs import Run

__all__ = ["finish_screening", "screened"]

_STATE: Final = "screening"
"""Suffix of the state file's name."""
_PART: Final = 500


def screened(options: Namespace, run: Run, table: MoleculeRows) -> Iterator[Chunk]:
    """The rows with the best predictions, the best one first.

    If the output is a file, the rows kept so far are saved next to it every few seconds, and the same command resumes
    from there.

    Args:
        options: Those of ``molweight predict``, with ``top``.
        run: The model.
        table: The rows.

    Yields:
        Up to 500 rows at a time.

    Raises:
        ConfigError: If an option cannot be combined with ``--top``, or the target to rank by is not named.
        OptionError: If fewer than one row is requested.
    """
    column, sign = _ranked_by(options, run), -1.0 if options.lowest else 1.0
    places = feature_places(options, run, table)

    def score(chunk: Chunk) -> AnyArray:
        return sign * run.predict(chunk.parsed)[:, column].astype(np.float64)

    chosen = narrowed(options, run, table, score)
    state = ScreenState.begin(options, _STATE)
    if state.done:
        say(options, f"resuming after {state.done} scored rows, from {state_path(options, _STATE)}")
    rest = table._replace(rows=islice(chosen.table.rows, state.done, None))
    due = 0.0
    for chunk in stream(options, run, rest):
        state.add(chunk.rows, chunk.cells, score(chunk), options.top)
        due = state.write(options, _STATE, due)
    state.settle()
    state.write(options, _STATE)
    say(options, _summary(state, chosen))
    blank: Counter[str] = Counter()
    for start in range(0, len(state.kept), _PART):
        part = state.kept[start : start + _PART]
        rows, cells = [row for _, _, row, _ in part], [record for _, _, _, record in part]
        parsed = run.parse(standard([record[table.smiles].strip() for record in cells], options.get("standardize")))
        found = with_numbers(parsed, cells, places)
        blank += imputed(found)
        yield Chunk(rows, cells, found)
    say_of_imputed(options, blank)


def _summary(state: ScreenState, chosen: Narrowed) -> str:
    """How many rows are kept, of how many."""
    kept, rejected = len(state.kept), chosen.rejected + state.rejected
    if not chosen.ranked:
        return f"{kept} of {state.done} rows kept; {rejected} rows have no valid molecule"
    rows = f"of {chosen.ranked} rows; {rejected} have no valid molecule"
    return f"{kept} of the {state.done} scored rows kept ({rows})"


def finish_screening(options: Namespace) -> None:
    """Remove the state files after the output has been written.

    Args:
        options: Those of ``molweight predict``.
    """
    for name in (CANDIDATES, _STATE):
        path = state_path(options, name)
        if path is not None:
            path.unlink(missing_ok=True)


def _ranked_by(options: Namespace, run: Run) -> int:
    """Position of the target that rows are ranked by.

    Raises:
        OptionError: If it is not named although there are several, no target has that name, another option conflicts,
            or fewer than one row is requested.
    """
    if options.top < 1:
        raise OptionError("top", options.top, "must be at least 1")
    for name in ("rejects", "ensemble"):
        if options[name]:
            reason = f"cannot be combined with {mention('top', options.top)}"
            raise OptionError(name, options[name], reason, "Leave one of them out.")
    if options.rank is None and len(run.target_names) > 1:
        remedy = f"Name it with {mention('rank', ...)}: {', '.join(map(repr, run.target_names[:10]))}."
        raise OptionError("top", options.top, "ranks by one target", remedy)
    name = run.target_names[0] if options.rank is None else options.rank
    if name not in run.target_names:
        raise OptionError("rank", name, f"is not a target of the run{suggest(name, run.target_names)}")
    return run.target_names.index(name)
