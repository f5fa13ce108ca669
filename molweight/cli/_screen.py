"""The rows of a library with the best predictions: millions are streamed, few are kept, and a kill loses little."""

import hashlib
import json
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from jsonargparse import Namespace

from molweight.arrays import AnyArray
from molweight.cli._molecules import Chunk, feature_places, stream, with_numbers
from molweight.cli._output import say
from molweight.datasets.internal import MoleculeRows
from molweight.errors import ConfigError, OptionError, suggest
from molweight.runs import Run
from molweight.storage import write_file

__all__ = ["finish_screening", "screened"]

_EVERY: Final = 5.0
"""Seconds after which the state is written again."""
_PART: Final = 500
_IGNORED: Final = ("config", "output", "quiet", "chunk_size", "device", "plugin", "trust", "safe_csv")
"""Options that do not change which rows are kept."""


@dataclass
class _State:
    """What is kept of the rows so far.

    Args:
        key: What the rows depend on: run, input, options.
        done: Rows that were read.
        rejected: Rows among them without a molecule.
        kept: Score, position, row and cells of the best ones.
    """

    key: str
    done: int = 0
    rejected: int = 0
    kept: list[tuple[float, int, int, list[str]]] = field(default_factory=list)

    def add(self, chunk: Chunk, scores: AnyArray, top: int) -> None:
        """Take rows in, and keep the best ones; of equal ones the first."""
        known = np.flatnonzero(~np.isnan(scores))
        if len(self.kept) >= top:
            known = known[scores[known] > self.kept[-1][0]]
        new = [(float(scores[place]), self.done + int(place), chunk.rows[place], chunk.cells[place]) for place in known]
        self.done += len(chunk.rows)
        self.rejected += len(chunk.parsed.rejects)
        if new:
            self.kept = sorted([*self.kept, *new], key=lambda item: (-item[0], item[1]))[:top]


def screened(options: Namespace, run: Run, table: MoleculeRows) -> Iterator[Chunk]:
    """The rows with the best predictions, the best one first.

    Where the output is a file, what was kept is written next to it every few seconds; the same command goes on there.

    Args:
        options: Those of ``molweight predict``, with ``top``.
        run: The model.
        table: The rows.

    Yields:
        Up to 500 rows at a time.

    Raises:
        ConfigError: If an option does not go with ``--top``, or the target to rank by is not named.
        OptionError: If fewer than one row is asked for.
    """
    column, sign = _ranked_by(options, run), -1.0 if options.lowest else 1.0
    places = feature_places(options, run, table)
    state = _begin(options)
    if state.done:
        say(options, f"going on at row {state.done + 1} of the input, from {_path(options)}")
    rest = MoleculeRows(table.columns, table.smiles, islice(table.rows, state.done, None))
    written = time.monotonic()
    for chunk in stream(options, run, rest):
        state.add(chunk, sign * run.predict(chunk.parsed)[:, column].astype(np.float64), options.top)
        if time.monotonic() - written > _EVERY:
            _write(options, state)
            written = time.monotonic()
    _write(options, state)
    if not options.quiet:
        sys.stderr.write(f"{len(state.kept)} of {state.done} rows kept; {state.rejected} rows hold no molecule\n")
    for start in range(0, len(state.kept), _PART):
        part = state.kept[start : start + _PART]
        rows, cells = [row for _, _, row, _ in part], [record for _, _, _, record in part]
        parsed = run.parse([record[table.smiles].strip() for record in cells])
        yield Chunk(rows, cells, with_numbers(parsed, cells, places))


def finish_screening(options: Namespace) -> None:
    """Remove the state: the output is there.

    Args:
        options: Those of ``molweight predict``.
    """
    path = _path(options)
    if path is not None:
        path.unlink(missing_ok=True)


def _ranked_by(options: Namespace, run: Run) -> int:
    """Position of the target that rows are ranked by.

    Raises:
        ConfigError: If it is not named where there are several, or there is none of that name, or an option is in the
            way.
        OptionError: If fewer than one row is asked for.
    """
    if options.top < 1:
        raise OptionError("top", options.top, "must be at least 1")
    for name in ("rejects", "ensemble"):
        if options[name]:
            raise ConfigError(f"--{name} does not go with --top. Leave one of them out.")
    if options.rank is None and len(run.target_names) > 1:
        raise ConfigError(f"--top ranks by one target. Name it: --rank {run.target_names[0]}")
    name = run.target_names[0] if options.rank is None else options.rank
    if name not in run.target_names:
        raise ConfigError(f"--rank: there is no target {name!r}{suggest(name, run.target_names)}")
    return run.target_names.index(name)


def _path(options: Namespace) -> Path | None:
    """Where the state is written; nowhere for a screening to standard output, or of standard input."""
    if options.top is None or options.output is None or options.input == "-":
        return None
    return Path(options.output).with_name(f"{Path(options.output).name}.screening")


def _key(options: Namespace) -> str:
    """What the rows that are kept depend on."""
    named = {name: value for name, value in sorted(options.as_dict().items()) if name not in _IGNORED}
    files = [Path(options.run, "model.safetensors"), Path(options.input)]
    stats = [(path.stat().st_size, path.stat().st_mtime_ns) for path in files if path.exists()]
    return hashlib.sha256(json.dumps([named, stats], sort_keys=True, default=str).encode()).hexdigest()


def _begin(options: Namespace) -> _State:
    """The state of the same screening, if there is one; else an empty one."""
    fresh, path = _State(_key(options)), _path(options)
    if path is None or not path.exists():
        return fresh
    found: Any = None
    with suppress(OSError, ValueError):
        found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict) or found.get("key") != fresh.key or found.get("sha256") != _digest(found):
        say(options, f"{path} is of another screening, or damaged: beginning at the first row")
        return fresh
    return _State(fresh.key, found["done"], found["rejected"], [(*item,) for item in found["kept"]])


def _write(options: Namespace, state: _State) -> None:
    path = _path(options)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {"key": state.key, "done": state.done, "rejected": state.rejected, "kept": state.kept}
        content["sha256"] = _digest(content)
        write_file(path, json.dumps(content).encode())


def _digest(content: dict[str, Any]) -> str:
    rest = {name: value for name, value in content.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
