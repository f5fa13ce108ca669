"""Processes that take runs one after the other; one that dies takes no other run with it."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final, NoReturn, Protocol, TypeVar

import joblib

from molweight.benchmark._worker import Row, attempt, one_thread
from molweight.errors import Interrupted
from molweight.graphs.internal import end_with

__all__ = ["Executor", "ProcessPool"]

T = TypeVar("T")

_PATIENCE: Final = 10.0
"""Seconds that an idle process may take to end."""


class Executor(Protocol):
    """Runs the jobs of a study: processes of this machine, or anything else with this method."""

    def map(self, work: Callable[[T], Row], items: Sequence[T]) -> Iterator[tuple[T, Row]]:
        """Do all of it; each item comes back with its row, or with ``{"error": reason}``, as soon as it is done."""
        ...


@dataclass
class _Worker:
    process: BaseProcess
    pipe: "Connection[Any, Any]"
    item: Any = None


class ProcessPool:
    """Processes of this machine, spawned once, each with one thread.

    Args:
        workers: How many.
    """

    def __init__(self, workers: int) -> None:
        """Start nothing yet."""
        self.workers = workers

    def map(self, work: Callable[[T], Row], items: Sequence[T]) -> Iterator[tuple[T, Row]]:
        """Do all of it.

        Args:
            work: What to do with each item; a function that other processes can import.
            items: What to do it with.

        Yields:
            Each item with its row as soon as it is done; ``{"error": reason}`` where it failed or its process died.
        """
        waiting = list(reversed(items))
        workers = [_start(work) for _ in range(min(self.workers, len(items)))]
        try:
            while workers:
                for worker in workers:
                    if worker.item is None and waiting:
                        worker.item = waiting.pop()
                        with suppress(BrokenPipeError):  # it died while idle: the next read reports it
                            worker.pipe.send(worker.item)
                busy = [worker for worker in workers if worker.item is not None]
                if not busy:
                    return
                yield from _collect(busy, workers, work)
        finally:
            _dismiss(workers)


def _dismiss(workers: list[_Worker]) -> None:
    """Let idle workers end by themselves, so that they leave no semaphores behind; end those that are at work."""
    for worker in workers:
        worker.pipe.close()
        if worker.item is not None:
            worker.process.terminate()
    for worker in workers:
        worker.process.join(_PATIENCE)
        worker.process.kill()
        worker.process.join()


def _collect(busy: list[_Worker], workers: list[_Worker], work: Callable[[T], Row]) -> Iterator[tuple[T, Row]]:
    """Wait for at least one of the busy workers; one that died is replaced."""
    ready = wait([worker.pipe for worker in busy])
    for worker in busy:
        if worker.pipe not in ready:
            continue
        item, worker.item = worker.item, None
        try:
            row = worker.pipe.recv()
        except (EOFError, ConnectionResetError):
            worker.process.join()
            row = {"error": _death(worker.process.exitcode)}
            workers[workers.index(worker)] = _start(work)
        yield item, row


def _start(work: Callable[[T], Row]) -> _Worker:
    context = multiprocessing.get_context("spawn")
    own, other = context.Pipe()
    process = context.Process(target=_serve, args=(work, other, os.getpid()), daemon=True)
    process.start()
    other.close()
    return _Worker(process, own)


def _death(code: int | None) -> str:
    killed = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with status {code}"
    hint = "; most likely the machine had no memory left: use fewer workers" if code == -9 else ""  # noqa: PLR2004 - SIGKILL
    return f"its process {killed}{hint}"


def _end(number: int, frame: object) -> NoReturn:  # noqa: ARG001 - what signal handlers are given
    """End a process that is at work, with what the interpreter does at its end: semaphores are given back."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Interrupted(number)


def _serve(work: Callable[[Any], Row], pipe: "Connection[Any, Any]", parent: int) -> None:
    """The loop of a process: take an item, answer with its row, until the pipe is closed or the parent has ended."""
    end_with(parent)
    one_thread()
    signal.signal(signal.SIGTERM, _end)
    # The cores are for the processes of the pool. It ends by a signal, or when nobody is at the other end of the pipe.
    with joblib.parallel_config(backend="sequential"), suppress(EOFError, KeyboardInterrupt, BrokenPipeError):
        while True:
            pipe.send(attempt(work, pipe.recv()))
