"""Rows of molecules through a model, a chunk at a time, however many there are."""

import csv
import gzip
import io
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final, TextIO

from jsonargparse import Namespace
from tqdm import tqdm

from molweight.arrays import Float32Matrix
from molweight.cli._parser import Parser
from molweight.datasets import read_records
from molweight.errors import ConfigError, DataError, OptionError
from molweight.graphs import partial_name
from molweight.runs import ParsedRows, Run

__all__ = ["add_molecule_options", "add_safe_csv_option", "stream", "table_writer"]

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def add_molecule_options(parser: Parser) -> None:
    """Add the run, the input, and how it is read."""
    add = parser.add_argument
    add("run", type=str, help="folder of a run: runs/NAME")
    add(
        "input", type=str, help="molecules: .csv, .tsv, .smi, .txt; gz, xz, bz2 or not; - for standard input; or SMILES"
    )
    add("more", nargs="*", type=str, help="further SMILES")
    add("--smiles", type=str | None, default=None, help="SMILES column of a table; found if left out")
    add("--encoding", type=str | None, default=None, help="encoding of text, e.g. cp1252; UTF-8 if left out")
    add("--rejects", type=str | None, default=None, help="CSV file for rows without a molecule: row,smiles,reason")
    add_safe_csv_option(parser)
    add("--chunk_size", type=int, default=10_000, help="rows at a time; bounds the memory")
    add("--device", type=str, default="auto", help="auto, cpu, cuda, cuda:1")


def add_safe_csv_option(parser: Parser) -> None:
    """Add the option that keeps spreadsheets from running cells."""
    parser.add_argument("--safe_csv", action="store_true", help="put ' before cells that a spreadsheet would run")


def stream(
    options: Namespace, run: Run, method: Callable[[ParsedRows], Float32Matrix]
) -> Iterator[tuple[list[int], list[str], Float32Matrix]]:
    """Rows, SMILES and values of each chunk; what holds no molecule goes to the file of rejects.

    Args:
        options: What :func:`add_molecule_options` added.
        run: The model.
        method: From parsed rows to a matrix with as many rows.

    Yields:
        Rows as people count them who open the file; their SMILES; their values.

    Raises:
        OptionError: If the chunk size is not positive.
    """
    if options.chunk_size < 1:
        raise OptionError("chunk_size", options.chunk_size, "must be at least 1")
    rejected = 0
    with table_writer(options.rejects, ["row", "smiles", "reason"], default=None, safe=options.safe_csv) as write:
        records = tqdm(
            _records(options, run),
            unit=" rows",
            disable=options.quiet or None,
            leave=False,
        )
        pending = iter(records)
        while chunk := list(islice(pending, options.chunk_size)):
            rows, smiles = [row for row, _ in chunk], [text for _, text in chunk]
            parsed = run.parse(smiles)
            values = method(parsed)
            write([rows[item.row], item.smiles, item.reason] for item in parsed.rejects)
            rejected += len(parsed.rejects)
            yield rows, smiles, values
    if rejected and not options.quiet:
        where = f"see {options.rejects}" if options.rejects else "name a file for the reasons with --rejects"
        sys.stderr.write(f"{rejected} rows hold no molecule and stay empty: {where}\n")


def _records(options: Namespace, run: Run) -> Iterator[tuple[int, str]]:
    """Row and SMILES of a file, of standard input with a SMILES at the beginning of each line, or of the arguments.

    Yields:
        Row and SMILES.

    Raises:
        ConfigError: If SMILES are given next to a file.
    """
    more = list(options.get("more") or [])
    typed = options.input != "-" and not Path(options.input).exists() and not run.parse([options.input]).rejects
    if more and not typed:
        raise ConfigError(f"{options.input!r} is no SMILES, and one file is read at a time. Leave out {more[0]!r}.")
    if typed:
        yield from enumerate([options.input, *more], start=1)
    elif options.input == "-":
        lines = ((row, line.split()) for row, line in enumerate(sys.stdin, start=1))
        yield from ((row, words[0]) for row, words in lines if words)
    else:
        yield from read_records(options.input, options.smiles, encoding=options.encoding)


Write = Callable[[Any], None]


@contextmanager
def table_writer(path: str | None, header: list[str], default: TextIO | None, *, safe: bool = False) -> Iterator[Write]:
    """Something that writes rows of a CSV file, which appears whole at the end or not at all.

    Args:
        path: The file, packed if it ends in ``.gz``; ``None`` for ``default``.
        header: First row.
        default: Where rows go without a path; ``None`` for nowhere.
        safe: Whether to quote cells that a spreadsheet would take for formulas.

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
    """Rows go to the stream, behind a header that waits for them: where the input is refused, nothing is written."""
    writer = csv.writer(stream, lineterminator="\n")
    pending = [header]

    def write(rows: Iterable[Sequence[Any]]) -> None:
        everything = [*pending, *rows] if pending else rows
        pending.clear()
        writer.writerows(([quote_formula(cell) for cell in row] for row in everything) if safe else everything)

    return write


def quote_formula(cell: Any) -> Any:
    """A cell that a spreadsheet does not run: text that begins like a formula gets ``'`` in front; numbers stay.

    Args:
        cell: The cell.

    Example:
        >>> quote_formula("=1+1"), quote_formula("-0.5"), quote_formula("CCO"), quote_formula(3)
        ("'=1+1", '-0.5', 'CCO', 3)
    """
    if not isinstance(cell, str) or not cell.startswith(_FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell
