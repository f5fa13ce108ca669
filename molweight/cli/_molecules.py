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
from typing import Any, TextIO

import numpy as np
from jsonargparse import Namespace
from tqdm import tqdm

from molweight.cli._parser import Parser
from molweight.datasets import read_records
from molweight.errors import ConfigError, DataError
from molweight.graphs import partial_name
from molweight.runs import ParsedRows, Run

__all__ = ["add_molecule_options", "stream", "table_writer"]

Array = np.ndarray[tuple[int, int], np.dtype[np.float32]]


def add_molecule_options(parser: Parser) -> None:
    """Add the run, the input, and how it is read."""
    add = parser.add_argument
    add("run", type=str, help="folder of a run: runs/NAME")
    add("input", type=str, help="molecules: .csv, .tsv, .smi, .txt; gz, xz, bz2 or not; of any size")
    add("--smiles", type=str | None, default=None, help="SMILES column of a table; found if left out")
    add("--encoding", type=str | None, default=None, help="encoding of text, e.g. cp1252; UTF-8 if left out")
    add("--rejects", type=str | None, default=None, help="CSV file for rows without a molecule: row,smiles,reason")
    add("--chunk_size", type=int, default=10_000, help="rows at a time; bounds the memory")
    add("--device", type=str, default="auto", help="auto, cpu, cuda, cuda:1")


def stream(
    options: Namespace, run: Run, method: Callable[[ParsedRows], Array]
) -> Iterator[tuple[list[int], list[str], Array]]:
    """Rows, SMILES and values of each chunk; what holds no molecule goes to the file of rejects.

    Args:
        options: What :func:`add_molecule_options` added.
        run: The model.
        method: From parsed rows to a matrix with as many rows.

    Yields:
        Rows as people count them who open the file; their SMILES; their values.

    Raises:
        ConfigError: If the chunk size is not positive.
    """
    if options.chunk_size < 1:
        raise ConfigError(f"chunk_size={options.chunk_size} must be at least 1.")
    rejected = 0
    with table_writer(options.rejects, ["row", "smiles", "reason"], default=None) as write:
        records = tqdm(
            read_records(options.input, options.smiles, encoding=options.encoding),
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


Write = Callable[[Any], None]


@contextmanager
def table_writer(path: str | None, header: list[str], default: TextIO | None) -> Iterator[Write]:
    """Something that writes rows of a CSV file, which appears whole at the end or not at all.

    Args:
        path: The file, packed if it ends in ``.gz``; ``None`` for ``default``.
        header: First row.
        default: Where rows go without a path; ``None`` for nowhere.

    Yields:
        A function that takes rows.

    Raises:
        DataError: If the file cannot be written.
    """
    if path is None:
        yield _rows_to(default, header) if default else deque(maxlen=0).extend
        return
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with partial_name(target) as partial:
            opener = gzip.open if target.suffix == ".gz" else open
            with opener(partial, "wb") as raw, io.TextIOWrapper(raw, encoding="utf-8", newline="") as text:
                write = _rows_to(text, header)
                yield write
                write([])
            partial.replace(target)
    except OSError as error:
        raise DataError(f"{target} cannot be written: {error.strerror}. Free the place or choose another.") from error


def _rows_to(stream: TextIO, header: list[str]) -> Write:
    """Rows go to the stream, behind a header that waits for them: where the input is refused, nothing is written."""
    writer = csv.writer(stream, lineterminator="\n")
    pending = [header]

    def write(rows: Iterable[Sequence[Any]]) -> None:
        writer.writerows(pending)
        pending.clear()
        writer.writerows(rows)

    return write
