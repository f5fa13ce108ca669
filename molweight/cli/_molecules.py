"""Rows of molecules through a model, a chunk at a time, for any number of rows."""

import csv
import gzip
import io
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, NamedTuple, TextIO

import numpy as np
from jsonargparse import Namespace

from molweight._progress import with_progress
from molweight.arrays import Float32Matrix
from molweight.cli._data_options import sheet_of
from molweight.cli._lost_files import is_there
from molweight.cli._output import say
from molweight.datasets import standardize
from molweight.datasets.internal import Decimal, MoleculeRows, Reading, decimal_signs, numbers_of_cells, read_rows
from molweight.errors import ConfigError, DataError, OptionError
from molweight.features.internal import COLUMN_PREFIX
from molweight.graphs import MoleculeDataset, Reject
from molweight.graphs.internal import partial_name
from molweight.runs import ParsedRows, Run
from molweight.runs.internal import MOST_ROWS, features_of, featurised
from molweight.storage import csv_cell

__all__ = [
    "Chunk",
    "InputColumn",
    "column_features",
    "feature_places",
    "format_numbers",
    "imputed",
    "open_input",
    "parsed_table",
    "refuse_other_formats",
    "say_of_imputed",
    "standard",
    "stream",
    "table_writer",
    "with_decimals",
    "with_numbers",
]

_NOT_CSV: Final = frozenset(
    [".bz2", ".feather", ".json", ".parquet", ".pq", ".sd", ".sdf", ".tsv", ".xls", ".xlsx", ".xz", ".zip"]
)
"""Suffixes of formats other than comma-separated text, plain or compressed by gzip."""


class Chunk(NamedTuple):
    """Some rows of the input.

    Args:
        rows: Row numbers as shown by a text editor or spreadsheet.
        cells: Their cells, one per column of the input.
        parsed: Their molecules.
        others: Their molecules as further runs of an ensemble read them.
    """

    rows: list[int]
    cells: list[list[str]]
    parsed: ParsedRows
    others: Sequence[ParsedRows] = ()


Reader = Callable[[Chunk], ParsedRows]


def open_input(options: Namespace, run: Run) -> MoleculeRows:
    """The rows of a file, of standard input, or of SMILES given as arguments.

    Args:
        options: Values of the options that :func:`add_molecule_options` or :func:`add_input_arguments` added.
        run: The model, which distinguishes a SMILES from the name of a missing file.

    Raises:
        OptionError: If the chunk size is not positive.
        ConfigError: If SMILES are given next to a file.
        DataError: If the file cannot be read.
    """
    if options.get("chunk_size", 1) < 1:
        raise OptionError("chunk_size", options.chunk_size, "must be at least 1")
    more = list(options.get("more") or [])
    typed = options.input != "-" and not is_there(Path(options.input)) and not run.parse([options.input]).rejects
    if more and not typed:
        raise ConfigError(
            f"{options.input!r} is not a SMILES, and only one file can be read at a time. Leave out {more[0]!r}."
        )
    if typed:
        records = ((row, [text]) for row, text in enumerate([options.input, *more], start=1))
        return with_decimals(options, run, MoleculeRows(["smiles"], 0, records))
    return with_decimals(options, run, read_rows(options.input, options.smiles, _reading(options)))


def with_decimals(options: Namespace, run: Run, table: MoleculeRows) -> MoleculeRows:
    """The table with the decimal signs of the columns that a model reads, found in its first rows.

    Args:
        options: Values of the options that :func:`add_input_options` added.
        run: The model.
        table: The rows, of which none was read.

    Raises:
        OptionError: If the stated decimal sign is unknown.
    """
    names = [name for name in column_features(run) if name in table.columns]
    head = list(islice(table.rows, MOST_ROWS)) if names else []
    cells = {name: [record[table.columns.index(name)] for _, record in head] for name in names}
    usual = {**dict.fromkeys(names, "."), **run.trained_on.get("decimals", {})}
    signs = decimal_signs(cells, options.get("decimal"), usual, options.input)
    return table._replace(rows=chain(head, table.rows), decimals=signs)


def _reading(options: Namespace) -> Reading:
    """How the file of molecules is to be read."""
    return Reading(
        delimiter=options.delimiter, encoding=options.encoding, header=options.header, sheet=sheet_of(options)
    )


def stream(
    options: Namespace, run: Run, table: MoleculeRows, *, features: bool = True, others: Sequence[Reader] = ()
) -> Iterator[Chunk]:
    """The rows of a table with their molecules; rows without a valid molecule go to the file of rejects.

    A row is listed once, with the reason of the first run that has no molecule for it.

    Args:
        options: Values of the options that :func:`add_molecule_options` added.
        run: The model.
        table: The rows.
        features: Whether the model's features are needed: those of molecules, and columns of the table.
        others: For each further run of an ensemble, the function that reads the molecules of a chunk for it.

    Yields:
        Up to ``chunk_size`` rows at a time, and never more than 500.
    """
    rejected, places = 0, feature_places(options, run, table) if features else {}
    blank: Counter[str] = Counter()
    with table_writer(options.rejects, ["row", "smiles", "reason"], default=None, safe=options.safe_csv) as write:
        records = with_progress(table.rows, None if options.quiet else f"rows of {options.input}"[:60], "rows")
        computed = features_of(run.model, domain=run.has_calibration()) if features else []
        parts = _parts(records, table.smiles, min(options.chunk_size, MOST_ROWS), options.get("standardize"))
        for chunk, parsed in featurised(parts, run.featuriser, computed):
            rows, cells = [row for row, _ in chunk], [record for _, record in chunk]
            own = Chunk(rows, cells, with_numbers(parsed, cells, places))
            found = own._replace(others=[read(own) for read in others])
            rejects = _rejects(found)
            write([rows[item.row], item.smiles, item.reason] for item in rejects)
            rejected += len(rejects)
            blank += imputed(found.parsed)
            yield found
    if options.get("top") is not None:
        return
    say_of_imputed(options, blank)
    if rejected:
        where = f"see {options.rejects}" if options.rejects else "for the reasons, use --rejects FILE"
        few = "1 row has no valid molecule and is"
        say(
            options,
            f"{few if rejected == 1 else f'{rejected} rows have no valid molecule and are'} left blank; {where}",
        )


def _rejects(chunk: Chunk) -> list[Reject]:
    """The rows for which a run has no molecule, each once."""
    found: dict[int, Reject] = {}
    for item in chain(chunk.parsed.rejects, *(parsed.rejects for parsed in chunk.others)):
        found.setdefault(item.row, item)
    return [found[row] for row in sorted(found)]


def imputed(parsed: ParsedRows) -> Counter[str]:
    """The number of molecules without a number in each column of the input that the model reads as a feature.

    Args:
        parsed: The result of :func:`with_numbers`.
    """
    own = {name: values for name, values in parsed.data.columns.items() if name.startswith(COLUMN_PREFIX)}
    return Counter({name.removeprefix(COLUMN_PREFIX): int(np.isnan(values).sum()) for name, values in own.items()})


def say_of_imputed(options: Namespace, blank: Counter[str]) -> None:
    """Report the imputed cells of each column.

    Args:
        options: Those of the command.
        blank: Sum of the results of :func:`imputed`.
    """
    for name, count in blank.items():
        say(options, f"column {name!r}: {count} cells are empty or not numbers; they are imputed by the median")


class InputColumn(NamedTuple):
    """A column of the input that the model reads as a feature.

    Args:
        place: Its position.
        decimal: Its decimal sign.
    """

    place: int
    decimal: Decimal

    def numbers(self, records: Sequence[Sequence[str]]) -> list[float]:
        """The number in each of some rows, NaN if there is none."""
        return numbers_of_cells([record[self.place] for record in records], self.decimal)


def with_numbers(parsed: ParsedRows, cells: list[list[str]], places: Mapping[str, InputColumn]) -> ParsedRows:
    """Molecules with the columns of the input that the model reads as features.

    Args:
        parsed: The molecules.
        cells: The cells of their rows.
        places: The columns, from :func:`feature_places`.
    """
    numbers = {name: column.numbers(cells) for name, column in places.items()}
    return parsed.with_cells(numbers) if numbers else parsed


def column_features(run: Run) -> list[str]:
    """Names of the columns of the table that the model reads as features.

    Args:
        run: The model.
    """
    return [name.removeprefix(COLUMN_PREFIX) for name in run.model.feature_names() if name.startswith(COLUMN_PREFIX)]


def parsed_table(run: Run, data: MoleculeDataset) -> ParsedRows:
    """The molecules of a table as a run reads them, with the columns of the table that serve as features.

    Args:
        run: The model.
        data: The table.
    """
    own = {name: values[:, 0] for name, values in data.columns.items() if name.startswith(COLUMN_PREFIX)}
    return run.parse(data.smiles).with_cells(
        {name.removeprefix(COLUMN_PREFIX): values.tolist() for name, values in own.items()}
    )


def feature_places(options: Namespace, run: Run, table: MoleculeRows) -> dict[str, InputColumn]:
    """Positions and decimal signs of the columns that the model reads as features.

    Args:
        options: Values of the options that :func:`add_molecule_options` added.
        run: The model.
        table: The rows.

    Raises:
        ConfigError: If the table lacks one.
    """
    names = column_features(run)
    for name in names:
        if name not in table.columns:
            raise ConfigError(
                f"{options.input}: the model needs the column {name!r}, but the input has only "
                f"{', '.join(map(repr, table.columns))}. Add the column; empty cells are imputed."
            )
    return {name: InputColumn(table.columns.index(name), table.decimals.get(name, ".")) for name in names}


def _parts(
    records: Iterable[tuple[int, list[str]]], place: int, size: int, steps: Sequence[str] | None
) -> Iterator[tuple[list[tuple[int, list[str]]], list[str]]]:
    """The records in chunks, each with its SMILES."""
    pending = iter(records)
    while chunk := list(islice(pending, size)):
        yield chunk, standard([record[place].strip() for _, record in chunk], steps)


def standard(smiles: list[str], steps: Sequence[str] | None) -> list[str]:
    """The standard form of molecules; unchanged without steps.

    Args:
        smiles: At most :data:`MOST_ROWS` SMILES.
        steps: Steps of :func:`molweight.datasets.standardize`.
    """
    return standardize(smiles, steps) if steps else smiles


def format_numbers(values: Float32Matrix) -> Iterator[list[str]]:
    """Numbers as cells, row by row; NaN becomes an empty cell.

    Args:
        values: ``n x k``.

    Yields:
        ``k`` cells.

    Example:
        >>> list(format_numbers(np.array([[0.5, np.nan]], dtype=np.float32)))
        [['0.5', '']]
    """
    for numbers, known in zip(values.tolist(), (~np.isnan(values)).tolist(), strict=True):
        yield [f"{number:.7g}" if is_known else "" for number, is_known in zip(numbers, known, strict=True)]


Write = Callable[[Any], None]


def refuse_other_formats(options: Namespace, *names: str) -> None:
    """Refuse an output whose suffix promises another format: it would be CSV text in a misnamed file.

    Args:
        options: Those of the command.
        names: The options that name a CSV file to write.

    Raises:
        OptionError: If there is such a file.
    """
    for name in names:
        path = options.get(name)
        if path is not None and Path(path).suffix.lower() in _NOT_CSV:
            raise OptionError(name, path, "is written as CSV", "Choose a name in .csv or .csv.gz.")


@contextmanager
def table_writer(path: str | None, header: list[str], default: TextIO | None, *, safe: bool = False) -> Iterator[Write]:
    """Writer of CSV rows; the file is written atomically.

    Args:
        path: The file, compressed if it ends in ``.gz``; ``None`` for ``default``.
        header: First row.
        default: Stream for the rows if there is no path; ``None`` discards them.
        safe: Whether to quote cells that a spreadsheet would run as formulas.

    Yields:
        A function that takes rows.

    Raises:
        DataError: If the file cannot be written.
    """
    if path is None:
        yield _rows_to(default, header, safe=safe) if default else deque(maxlen=0).extend
        return
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with partial_name(target) as partial:
            opener = gzip.open if target.suffix == ".gz" else open
            with opener(partial, "wb") as raw, io.TextIOWrapper(raw, encoding="utf-8", newline="") as text:
                write = _rows_to(text, header, safe=safe)
                yield write
                write([])
            partial.replace(target)
    except OSError as error:
        raise DataError(
            f"{target} cannot be written: {error.strerror}. Free up disk space or choose another path."
        ) from error


def _rows_to(stream: TextIO, header: list[str], *, safe: bool) -> Write:
    """Write rows to the stream; the header is written with the first rows, so a refused input leaves no output."""
    writer = csv.writer(stream, lineterminator="\n")
    pending = [header]

    def write(rows: Iterable[Sequence[Any]]) -> None:
        everything = [*pending, *rows] if pending else rows
        pending.clear()
        writer.writerows([csv_cell(cell, safe=safe) for cell in row] for row in everything)

    return write
