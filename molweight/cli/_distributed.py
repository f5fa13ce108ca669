"""Commands under ``torchrun``: several processes compute one job, and only the first one prints and writes files."""

import logging
import os
import pathlib
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from jsonargparse import Namespace

from molweight.errors import ConfigError, MolweightError

__all__ = ["in_processes", "several_processes"]

_TOGETHER: Final = ("fit", "pretrain", "finetune")
"""Commands that train, and therefore can use several processes."""


def several_processes() -> bool:
    """Whether ``torchrun`` started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


@contextmanager
def in_processes(command: str, options: Namespace) -> Iterator[None]:
    """Join the other processes, if ``torchrun`` started this one; all but the first are silent.

    Args:
        command: Name of the command.
        options: Its options.

    Yields:
        Nothing.

    Raises:
        ConfigError: If the command does not train.
        MolweightError: As raised in the context.
    """
    if not several_processes():
        yield
        return
    if command not in _TOGETHER:
        raise ConfigError(
            f"molweight {command} runs in one process. Start it without torchrun, which only supports "
            f"{', '.join(_TOGETHER)}."
        )
    from molweight.distributed import start, stop

    found = start(str(options.device))
    if found is not None and found.rank > 0:
        options.quiet = True
        logging.getLogger().setLevel(logging.ERROR)
        sys.stdout = pathlib.Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for the rest of the process
    try:
        yield
    except MolweightError:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the handler of torchrun would cut off the message
        raise
    finally:
        stop()
