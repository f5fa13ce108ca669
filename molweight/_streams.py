"""Standard streams that are closed, have a narrow encoding, or have lost their reader."""

import io
import os
import sys
from contextlib import suppress
from pathlib import Path

from molweight.errors import printable

__all__ = ["tell", "writable_streams"]


def tell(text: str) -> None:
    """Write to standard error; if that fails, e.g. after ``2>&1 | head``, the command continues.

    Args:
        text: The text, with its line break; control characters are escaped.
    """
    with suppress(OSError):
        sys.stderr.write(printable(text))
        sys.stderr.flush()


def writable_streams() -> None:
    """Reopen closed standard streams, and let the others accept any character.

    A closed stream (``>&-``) is opened on the null device under its own file descriptor. Otherwise the next opened file
    would get that descriptor, and messages of other libraries would be written to it. Characters that a terminal's
    encoding lacks are escaped.
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
    """Open the null device under the file descriptor of a closed standard stream."""
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, os.O_RDWR)  # uses the lowest free descriptor, which is this one
        os.set_inheritable(opened, True)  # noqa: FBT003 - no keyword exists
