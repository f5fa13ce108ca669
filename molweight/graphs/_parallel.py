"""One function over many molecules: in chunks, on all cores, with progress."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import TypeVar

from joblib import Parallel, cpu_count, delayed
from joblib.externals.loky.backend import resource_tracker as loky_tracker

from molweight._progress import progress_bar

__all__ = ["map_chunks", "shielded"]

T = TypeVar("T")


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
        results: Iterator[T] = Parallel(n_jobs=jobs, return_as="generator")(delayed(function)(part) for part in chunks)
    return results


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
