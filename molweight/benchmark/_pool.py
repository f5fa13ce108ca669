"""A pool of processes that take one run at a time; if a process dies, only its run fails."""

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
"""Seconds to wait for an idle process to exit."""


class Executor(Protocol):
    """Protocol of an executor for the runs of a study."""

    def map(self, work: Callable[[T], Row], items: Sequence[T]) -> Iterator[tuple[T, Row]]:
        """Run all items, and yield each with its row, or with ``{"error": reason}``, as soon as it is done."""
        ...


@dataclass
class _Worker:
    process: BaseProcess
    pipe: "Connection[Any, Any]"
    item: Any = None


class ProcessPool:
    """Processes of this machine, spawned once, each with one thread.

    Args:
        workers: Number of processes.
    """

    def __init__(self, workers: int) -> None:
        """Store the number of workers; processes start later."""
        self.workers = workers

    def map(self, work: Callable[[T], Row], items: Sequence[T]) -> Iterator[tuple[T, Row]]:
        """Run all items.

        Args:
            work: Function to call on each item; other processes must be able to import it.
            items: The items.

        Yields:
            Each item with its row as soon as it is done; ``{"error": reason}`` if it failed or its process died.
        """
        waiting = list(reversed(items))
        workers = [_start(work) for _ in range(min(self.workers, len(items)))]
        try:
            while workers:
                for worker in workers:
                    if worker.item is None and waiting:
                        worker.item = waiting.pop()
                        with suppress(BrokenPipeError):  # it died while idle; the next read reports this
                            worker.pipe.send(worker.item)
                busy = [worker for worker in workers if worker.item is not None]
                if not busy:
                    return
                yield from _collect(busy, workers, work)
        finally:
            _dismiss(workers)


def _dismiss(workers: list[_Worker]) -> None:
    """Let idle workers exit by themselves, so that they leak no semaphores, and terminate busy ones."""
    for worker in workers:
        worker.pipe.close()
        if worker.item is not None:
            worker.process.terminate()
    for worker in workers:
        worker.process.join(_PATIENCE)
        worker.process.kill()
        worker.process.join()


def _collect(busy: list[_Worker], workers: list[_Worker], work: Callable[[T], Row]) -> Iterator[tuple[T, Row]]:
    """Wait for at least one busy worker; a worker that died is replaced."""
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
    """End a busy process through the interpreter's exit handlers, so that semaphores are released."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Interrupted(number)


def _serve(work: Callable[[Any], Row], pipe: "Connection[Any, Any]", parent: int) -> None:
    """The loop of a process: receive an item, send its row, until the pipe is closed or the parent has ended."""
    end_with(parent)
    one_thread()
    signal.signal(signal.SIGTERM, _end)
    # One thread, because the pool's processes share the cores. The process ends by a signal or when the pipe is closed.
    with joblib.parallel_config(backend="sequential"), suppress(EOFError, KeyboardInterrupt, BrokenPipeError):
        while True:
            pipe.send(attempt(work, pipe.recv()))
