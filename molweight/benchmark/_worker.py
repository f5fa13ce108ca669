"""One run in a process of a pool: its row, or the reason for its failure."""

import os
import traceback
from collections.abc import Callable
from typing import Any, Final, TypeVar

import torch

from molweight.errors import MolweightError

__all__ = ["Row", "attempt", "one_thread"]

T = TypeVar("T")
Row = dict[str, Any]

_FAILURES: Final = (
    ArithmeticError,
    AttributeError,
    ImportError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""Exceptions of a run that do not end the study; their message goes into its row."""


def attempt(work: Callable[[T], Row], item: T) -> Row:
    """The row of a run, or a row with its error; other exceptions end the process, which the study records.

    Args:
        work: Function to call.
        item: Its argument.
    """
    try:
        return work(item)
    except MolweightError as error:
        return {"error": str(error)}
    except _FAILURES as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return {"error": f"{type(error).__name__}: {error} ({place.name}, line {place.lineno})"}


def one_thread() -> None:
    """Let PyTorch use ``OMP_NUM_THREADS`` threads, by default one, because the processes share the cores."""
    torch.set_num_threads(max(int(os.environ.get("OMP_NUM_THREADS", "1")), 1))
