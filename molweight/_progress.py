"""Progress of long work: a bar on a terminal, occasional lines elsewhere."""

import math
import sys
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeVar

from tqdm import tqdm

from molweight._streams import tell
from molweight.errors import printable

__all__ = ["Progress", "progress_bar", "with_progress"]

T = TypeVar("T")

_FIRST = 5.0
"""Seconds before the first line; shorter work prints none."""
_BETWEEN = 30.0
"""Seconds between two lines."""
_WITHOUT_REST: Final = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"
"""Format of a bar for items in parallel, whose remaining time tqdm computes as if they came one after another."""


class Progress(Protocol):
    """Interface of a progress display."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Show the last state."""

    def update(self, n: int = 1, /) -> bool | None:
        """Count ``n`` more as done."""

    def set_postfix_str(self, s: str, /) -> None:
        """Show a text after the numbers."""


def progress_bar(
    title: str | None, total: int | None, unit: str, *, done: int = 0, leave: bool = True, at_once: int = 1
) -> Progress:
    """A progress bar if standard error is a terminal; otherwise lines after 5 s, every 30 s and at the end.

    Args:
        title: Stage and model, as the label; ``None`` shows nothing.
        total: Number of items; ``None`` if unknown.
        unit: Name of the items, in the plural.
        done: Number of items finished before.
        leave: Whether a full bar stays on the terminal.
        at_once: Number of items that are processed in parallel.
    """
    title = None if title is None else printable(title)
    if title is None or sys.stderr.isatty():
        shown = None if at_once == 1 else _WITHOUT_REST
        bar: tqdm[Any] = tqdm(
            desc=title, total=total, initial=done, unit=f" {unit}", disable=title is None, leave=leave, bar_format=shown
        )
        return bar
    return _Lines(title, total, unit, done, at_once)


def with_progress(items: Iterable[T], title: str | None, unit: str, *, total: int | None = None) -> Iterator[T]:
    """Iterate over items with a progress bar, which is cleared from the terminal at the end.

    Args:
        items: The items.
        title: See :func:`progress_bar`.
        unit: Name of the items, in the plural.
        total: Number of items; ``None`` if unknown.

    Yields:
        Each of them.

    Example:
        >>> list(with_progress("ab", None, "letters"))
        ['a', 'b']
    """
    with progress_bar(title, total, unit, leave=False) as bar:
        for item in items:
            yield item
            bar.update()


class _Lines:
    """Progress as lines of a log file."""

    def __init__(self, title: str, total: int | None, unit: str, done: int, at_once: int = 1) -> None:
        """Begin to count; nothing is printed yet."""
        self.title, self.total, self.unit, self.at_once = title, total, unit, at_once
        self.before, self.done, self.note = done, done, ""
        self.begun = time.monotonic()
        self.due = self.begun + _FIRST
        self.printed = False

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *error: object) -> None:
        """Print the last line, if there were any."""
        if self.printed:
            self._print()

    def update(self, n: int = 1, /) -> None:
        """Count ``n`` more as done."""
        self.done += n
        if time.monotonic() >= self.due:
            self._print()

    def set_postfix_str(self, s: str, /) -> None:
        """Print a text after the numbers from now on."""
        self.note = printable(s)

    def _rounds_left(self, total: int) -> float:
        """The remaining rounds of items in parallel, as a multiple of the finished ones; 0 in the last one."""
        done = math.ceil((self.done - self.before) / self.at_once)
        return math.ceil((total - self.before) / self.at_once) / done - 1

    def _print(self) -> None:
        now = time.monotonic()
        seconds = now - self.begun
        parts = [
            f"{self.title}: {self.done}",
            f" of {self.total}" if self.total else "",
            f" {self.unit}, {seconds:.0f} s",
        ]
        if self.total and self.before < self.done < self.total and (rounds := self._rounds_left(self.total)):
            parts.append(f", about {seconds * rounds:.0f} s left")
        tell("".join([*parts, f"; {self.note}" if self.note else "", "\n"]))
        self.due, self.printed = now + _BETWEEN, True
