"""Choice of the rows of a large library that the model scores: those that a fast surrogate ranks highest."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from functools import partial
from itertools import islice
from typing import Final, NamedTuple

import numpy as np
from jsonargparse import Namespace

from molweight._progress import with_progress
from molweight.arrays import AnyArray
from molweight.cli._molecules import Chunk, InputColumn, feature_places, open_input, stream
from molweight.cli._output import say
from molweight.cli._screen_state import Kept, ScreenState
from molweight.datasets.internal import MoleculeRows
from molweight.errors import ConfigError, OptionError
from molweight.runs import Run
from molweight.runs.internal import Agreement, Surrogate, agreement, ahead, surrogate_features

__all__ = ["CANDIDATES", "Narrowed", "narrowed"]

CANDIDATES: Final = "candidates"
"""Suffix of the state file's name."""
_FEW: Final = 50_000
"""Up to this number of rows, all are scored: this takes minutes, and sample and candidates would be a third of them."""
_SAMPLE: Final = 5_000
_LEAST: Final = 100
"""Minimum number of valid molecules in the sample."""
_DRAWN: Final = 2 * _LEAST
"""Minimum size of the sample, of which some rows may have no valid molecule. Inputs of this size are scored whole."""
_FEWEST: Final = 10_000
"""Minimum number of candidates."""
_TIMES: Final = 10
"""Candidates per requested row."""
_PART: Final = 2_000

Score = Callable[[Chunk], AnyArray]
Record = tuple[int, list[str]]


class _Sample(NamedTuple):
    """Randomly sampled rows of the input, and the total number of rows."""

    size: int
    records: list[Record]


class Narrowed(NamedTuple):
    """The rows that the model scores.

    Args:
        table: The rows.
        ranked: Number of rows that a surrogate ranked; 0 if the model scores all rows.
        rejected: Number of these without a valid molecule.
    """

    table: MoleculeRows
    ranked: int = 0
    rejected: int = 0


def narrowed(options: Namespace, run: Run, table: MoleculeRows, score: Score) -> Narrowed:
    """The rows that the model scores: all of them, or the candidates of a surrogate, in the order of the input.

    The model scores a random sample, and a surrogate is fitted to these scores. It ranks all rows in worker processes.

    Args:
        options: Those of ``molweight predict``, with ``top``.
        run: The model.
        table: All rows.
        score: Scores rows with the model; higher is better.

    Raises:
        ConfigError: If candidates are requested, and the input can be read only once.
        OptionError: If there are fewer candidates than requested rows.
    """
    if _exhaustive(options):
        return Narrowed(table)
    state = ScreenState.begin(options, CANDIDATES)
    if not state.about and not _prepare(options, run, table, score, state):
        return Narrowed(table)
    if not state.about["ranked"]:
        _rank(options, run, table, state)
    _tell(options, state)
    chosen: dict[int, Kept] = {item[2]: item for item in [*map(tuple, state.about["best"]), *state.kept]}
    rows = sorted((row, cells) for _, _, row, cells in chosen.values())
    return Narrowed(table._replace(rows=iter(rows)), state.done, state.rejected)


def _exhaustive(options: Namespace) -> bool:
    """Whether the model scores all rows regardless of their number."""
    asked = options.candidates
    if isinstance(asked, int):
        if asked < options.top:
            raise OptionError("candidates", asked, f"must be at least --top {options.top}")
        if options.input == "-":
            raise ConfigError(
                "--candidates with a number reads the input twice, which standard input does not allow. Name a file."
            )
    return bool(asked == "all" or options.input == "-")


def _prepare(options: Namespace, run: Run, table: MoleculeRows, score: Score, state: ScreenState) -> bool:
    """Fit the surrogate, and return whether it is needed."""
    auto = options.candidates == "auto"
    most = max(_TIMES * options.top, _FEWEST) if auto else int(options.candidates)
    records = with_progress(open_input(options, run).rows, None if options.quiet else "reading", "rows")
    sample = _drawn(records, min(max(most, _DRAWN), _SAMPLE))
    if sample.size <= max(2 * most, _FEW if auto else _DRAWN):
        return False
    chunks = stream(options, run, table._replace(rows=iter(sample.records)))
    best, scored = ScreenState(""), []
    for chunk in chunks:
        scored.append(score(chunk))
        best.add(chunk.rows, chunk.cells, scored[-1], options.top)
    best.settle()
    read = _reader(options, run, table)
    features, scores = read(sample.records), np.concatenate(scored)
    known = ~np.isnan(scores) & ~np.isnan(features[:, 0])
    if known.sum() < _LEAST:
        _say_of_few(options, int(known.sum()), len(known))
        return False
    features, scores = features[known], scores[known]
    share = {"best": options.top / sample.size, "share": most / sample.size}
    state.about = {
        "ranked": False,
        "count": sample.size,
        "most": most,
        "best": best.kept,
        "agreement": asdict(agreement(features, scores, **share)),
        "surrogate": Surrogate.fit(features, scores).text,
    }
    state.write(options, CANDIDATES)
    return True


def _drawn(records: Iterable[Record], most: int) -> _Sample:
    """Sample rows uniformly and reproducibly.

    Source: Vitter, *Random sampling with a reservoir*, ACM Trans. Math. Softw. 1985.
    """
    kept: list[Record] = []
    rng, count = np.random.default_rng(0), 0
    pending = iter(records)
    while part := list(islice(pending, _PART)):
        draws = rng.random(len(part))
        for record, draw in zip(part, draws.tolist(), strict=True):
            count += 1
            if len(kept) < most:
                kept.append(record)
            elif (place := int(draw * count)) < most:
                kept[place] = record
    return _Sample(count, sorted(kept))


def _reader(options: Namespace, run: Run, table: MoleculeRows) -> Callable[[list[Record]], AnyArray]:
    """Reader of a surrogate's input: molecules, and the columns that the model reads."""
    return partial(_features, smiles=table.smiles, places=list(feature_places(options, run, table).values()))


def _features(records: list[Record], smiles: int, places: list[InputColumn]) -> AnyArray:
    columns = [place.numbers([cells for _, cells in records]) for place in places]
    numbers = np.array(columns, dtype=np.float32).reshape(len(places), len(records)).T
    return np.concatenate([surrogate_features([cells[smiles].strip() for _, cells in records]), numbers], axis=1)


def _rank(options: Namespace, run: Run, table: MoleculeRows, state: ScreenState) -> None:
    """Rank all rows by the surrogate, and keep the best ones."""
    if state.done:
        say(options, f"resuming the ranking at row {state.done + 1} of the input")
    work = partial(_ranked, Surrogate.from_text(state.about["surrogate"]), _reader(options, run, table))
    title, total = None if options.quiet else "ranking", state.about["count"]
    records = with_progress(table.rows, title, "rows", total=total)
    due = 0.0
    for part, scores in ahead(_parts(islice(records, state.done, None)), work):
        state.add([row for row, _ in part], [cells for _, cells in part], scores, state.about["most"])
        due = state.write(options, CANDIDATES, due)
    state.settle()
    state.about.update(ranked=True, surrogate="")
    state.write(options, CANDIDATES)


def _ranked(surrogate: Surrogate, read: Callable[[list[Record]], AnyArray], records: list[Record]) -> AnyArray:
    return surrogate.score(read(records))


def _parts(records: Iterable[Record]) -> Iterator[tuple[list[Record], list[Record]]]:
    pending = iter(records)
    while part := list(islice(pending, _PART)):
        yield part, part


def _say_of_few(options: Namespace, valid: int, drawn: int) -> None:
    """Report that all rows are scored, because the sample has too few molecules."""
    say(
        options,
        f"only {valid} of {drawn} random rows have a valid molecule, and a surrogate needs {_LEAST}: the model scores "
        "all rows",
    )


def _tell(options: Namespace, state: ScreenState) -> None:
    """Report how many rows were not scored, and how far the surrogate can be trusted."""
    found = Agreement(**state.about["agreement"])
    say(
        options,
        f"A fast surrogate of the model ranked {state.done} rows; the model scores only its top {len(state.kept)} and "
        f"the best rows of a random sample. {state.rejected} rows have no valid molecule. On {found.rows} random rows "
        f"that the surrogate was not fitted on, its Spearman correlation with the model is {found.spearman:.2f}, and "
        f"{found.found} of the model's best {found.best} are in the part that the model scores. To score all rows: "
        "--candidates all",
    )
