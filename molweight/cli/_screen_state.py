"""The state of a screening, saved next to its output, so that a killed command can resume."""

import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
from jsonargparse import Namespace

from molweight.arrays import AnyArray
from molweight.cli._lost_files import is_there
from molweight.cli._output import say
from molweight.storage import parse_json, write_file

__all__ = ["Kept", "ScreenState"]

_EVERY: Final = 5.0
"""Minimum seconds between writes of the state."""
_PAUSE: Final = 10
"""Minimum time between writes, in durations of the last write: a state of many rows takes seconds to write."""
_SURPLUS: Final = 1_000
"""Minimum number of rows above the number to keep at which the best ones are chosen, because sorting many rows after
every chunk takes long."""
_IGNORED: Final = ("config", "output", "quiet", "chunk_size", "device", "plugin", "trust", "safe_csv")
"""Options that do not change which rows are kept."""

Kept = tuple[float, int, int, list[str]]
"""Score, position, number and cells of a row."""


@dataclass
class ScreenState:
    """The rows kept so far.

    Args:
        key: Fingerprint of the run, the input and the options.
        done: Number of rows read.
        rejected: Number of these without a score.
        kept: The best rows, best first, after :meth:`settle`; before that, also rows that later ones have displaced.
        about: Further data needed to continue, as JSON values.
    """

    key: str
    done: int = 0
    rejected: int = 0
    kept: list[Kept] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start with the number of rows to keep and the lowest score among them unknown."""
        self._most: int | None = None
        self._least: float | None = None

    @classmethod
    def begin(cls, options: Namespace, name: str) -> "ScreenState":
        """The saved state of the same screening, or an empty one.

        Args:
            options: Those of ``molweight predict``.
            name: Suffix of the file's name.
        """
        fresh, path = cls(_key(options)), state_path(options, name)
        if path is None or not path.exists():
            return fresh
        found: Any = None
        with suppress(OSError, ValueError):
            found = parse_json(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict) or found.get("key") != fresh.key or found.pop("sha256", None) != _digest(found):
            say(options, f"{path} belongs to another screening, or is damaged: starting at the first row")
            return fresh
        return cls(**{**found, "kept": [(*item,) for item in found["kept"]]})

    def add(self, rows: Sequence[int], cells: Sequence[list[str]], scores: AnyArray, most: int) -> None:
        """Add rows, of which :meth:`settle` keeps the best ones; the first ones among equal scores.

        Args:
            rows: Their numbers.
            cells: Their cells.
            scores: Their scores; NaN for a missing one.
            most: Number of rows to keep.
        """
        known = np.flatnonzero(~np.isnan(scores))
        self.rejected += len(scores) - len(known)
        if self._least is not None:
            known = known[scores[known] > self._least]
        self.kept += [(float(scores[at]), self.done + at, rows[at], cells[at]) for at in known.tolist()]
        self.done += len(rows)
        self._most = most
        if len(self.kept) >= most + max(_SURPLUS, most // 4):
            self.settle()

    def settle(self) -> None:
        """Sort the rows that were added, and keep only the best ones."""
        if self._most is None:
            return
        self.kept = sorted(self.kept, key=lambda item: (-item[0], item[1]))[: self._most]
        self._least = self.kept[-1][0] if len(self.kept) == self._most else None

    def write(self, options: Namespace, name: str, due: float = 0.0) -> float:
        """Write the state, unless it was written recently or the screening cannot be resumed.

        Args:
            options: Those of ``molweight predict``.
            name: Suffix of the file's name.
            due: Time of the next write, on the clock of :func:`time.monotonic`.

        Returns:
            Time of the next write: at most a tenth of the time is spent on writing.
        """
        path, began = state_path(options, name), time.monotonic()
        if path is None or began < due:
            return due
        self.settle()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, self._sealed())
        ended = time.monotonic()
        return ended + max(_EVERY, _PAUSE * (ended - began))

    def _sealed(self) -> bytes:
        """The state as JSON, with the checksum of the rest as its last value."""
        text = _as_json({item.name: getattr(self, item.name) for item in fields(self)})
        return f'{text[:-1]}, "sha256": "{_sha256(text)}"}}'.encode()


def state_path(options: Namespace, name: str) -> Path | None:
    """Path of the state; ``None`` if the screening reads standard input or writes to standard output.

    Args:
        options: Those of ``molweight predict``.
        name: Suffix of the file's name.
    """
    if options.top is None or options.output is None or options.input == "-":
        return None
    return Path(options.output).with_name(f"{Path(options.output).name}.{name}")


def _key(options: Namespace) -> str:
    """Fingerprint of everything that the kept rows depend on."""
    named = {name: value for name, value in sorted(options.as_dict().items()) if name not in _IGNORED}
    files = [Path(options.run, "model.safetensors"), Path(options.input)]
    stats = [(path.stat().st_size, path.stat().st_mtime_ns) for path in files if is_there(path)]
    return hashlib.sha256(json.dumps([named, stats], sort_keys=True, default=str).encode()).hexdigest()


def _digest(content: dict[str, Any]) -> str:
    return _sha256(_as_json(content))


def _as_json(content: dict[str, Any]) -> str:
    """JSON with sorted keys, so that the values read have the checksum of the values written."""
    return json.dumps(content, sort_keys=True)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
