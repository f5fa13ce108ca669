"""One function over many molecules: in chunks, on all cores, with progress."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Final, TypeVar

from joblib import Parallel, cpu_count, delayed
from joblib.externals.loky.backend import resource_tracker as loky_tracker

from molweight._progress import progress_bar

__all__ = ["end_with", "map_chunks", "shielded", "watched_pool"]

T = TypeVar("T")
_PAUSE: Final = 0.5
"""Seconds after which a worker notices, at the latest, that the process that started it has ended."""
_watched: Final[list[int]] = []
"""The process that started this one, where it is watched."""


def map_chunks(
    function: Callable[[Sequence[str]], T],
    items: Sequence[str],
    *,
    chunk: int,
    n_jobs: int | None = None,
    parallel_from: int = 8192,
    progress: str | None = None,
) -> Iterator[T]:
    """Apply a function to consecutive chunks of a sequence, in order.

    Processes are started by joblib's ``loky``, which needs no ``if __name__ == "__main__"`` in the calling script.

    Args:
        function: A function of the top level of a module, so that it can be sent to another process.
        items: What to work on.
        chunk: Number of items handed over at a time.
        n_jobs: Processes; ``None`` for all cores this process may use.
        parallel_from: Below this number of items the work is done in this process, as starting others costs seconds.
        progress: Title of a progress bar with rate and remaining time; ``None`` for none. Shown on terminals only.

    Yields:
        The function's result for each chunk.
    """
    starts = range(0, len(items), chunk)
    jobs = min(n_jobs or cpu_count(), len(starts))
    with progress_bar(progress, len(items), "molecules") as bar:
        for start, result in zip(starts, _results(function, items, starts, jobs, parallel_from), strict=True):
            bar.update(min(chunk, len(items) - start))
            yield result


def _results(
    function: Callable[[Sequence[str]], T], items: Sequence[str], starts: range, jobs: int, parallel_from: int
) -> Iterator[T]:
    chunks = (list(items[start : start + starts.step]) for start in starts)
    if jobs < 2 or len(items) < parallel_from:  # noqa: PLR2004 - one job is no parallel work
        return map(function, chunks)
    with shielded():
        results: Iterator[T] = watched_pool(jobs)(delayed(function)(part) for part in chunks)
    return results


def watched_pool(jobs: int) -> Parallel:
    """A pool of joblib whose results come in order, one by one, and whose processes end when this one does.

    They watch it from their start: one that has no work yet would wait for it for minutes.

    Args:
        jobs: Number of processes.
    """
    # Large arrays reach the workers as files mapped into memory: copy on write, as torch warns of read-only ones.
    return Parallel(n_jobs=jobs, return_as="generator", mmap_mode="c", initializer=end_with, initargs=(os.getpid(),))


def end_with(parent: int) -> None:
    """End this process once the one that started it has ended: one that is killed cannot end its workers itself.

    Args:
        parent: The process that started this one.
    """
    if not _watched and parent != os.getpid():
        _watched.append(parent)
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_PAUSE)
    os._exit(1)


@contextmanager
def shielded() -> Iterator[None]:
    """Keep Ctrl-C from processes that are started here: a terminal sends it to all, and the first one ends the others.

    Yields:
        Nothing. Ctrl-C reaches this process at the end of the context. Where there is no mask of signals (Windows), and
        in other threads than the main one, nothing is done.
    """
    if not hasattr(signal, "pthread_sigmask") or threading.current_thread() is not threading.main_thread():
        yield
        return
    resource_tracker.ensure_running()  # whose start unblocks SIGINT
    loky_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # processes inherit the mask
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
