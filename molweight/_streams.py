"""Standard streams: closed ones, those of a narrow encoding, and messages without a reader."""

import io
import os
import sys
from contextlib import suppress
from pathlib import Path

from molweight.errors import printable

__all__ = ["tell", "writable_streams"]


def tell(text: str) -> None:
    """Write to standard error; where it cannot be written, as after ``2>&1 | head``, the command continues.

    Args:
        text: The text, with its line break; control characters are shown, not sent.
    """
    with suppress(OSError):
        sys.stderr.write(printable(text))
        sys.stderr.flush()


def writable_streams() -> None:
    """Replace standard streams that are closed, and let the others take any character.

    A closed one (``>&-``) is opened on the null device, at its own number: the next file that is opened would get that
    number, and messages of other libraries with it. What the encoding of a terminal lacks is escaped.
    """
    for number in range(3):
        _reopen(number)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w" if number else "r", encoding="utf-8"))  # noqa: SIM115 - kept
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _reopen(number: int) -> None:
    """Open the null device at the number of a standard stream that is closed."""
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, os.O_RDWR)  # at the lowest free number, which is this one
        os.set_inheritable(opened, True)  # noqa: FBT003 - no keyword exists
