"""Parallel application of a function to many molecules: in chunks, on all cores, with progress."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Final, TypeVar

from joblib import Parallel, cpu_count, delayed
from joblib.externals.loky import process_executor
from joblib.externals.loky.backend import resource_tracker as loky_tracker

from molweight._progress import progress_bar
from molweight.plugins import import_again, imported_plugins

__all__ = ["end_with", "map_chunks", "shielded", "start_worker", "watched_pool"]

T = TypeVar("T")
_PAUSE: Final = 0.5
"""Maximum seconds until a worker notices that its parent has ended."""
_GROWTH: Final = 2 << 30
"""Bytes by which a worker may grow since its first task."""
_watched: Final[list[int]] = []
"""The parent process, if it is watched."""


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
        function: A function at the top level of a module, so that it can be sent to another process.
        items: The items.
        chunk: Number of items per call.
        n_jobs: Processes; ``None`` for all cores this process may use.
        parallel_from: With fewer items the work is done in this process, because starting others takes seconds.
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
    """A joblib pool that returns results in order, one by one, and whose processes end with this one.

    Workers watch this process from their start: an idle one would otherwise wait for minutes.

    Args:
        jobs: Number of processes.
    """
    # Large arrays reach the workers as memory-mapped files: copy-on-write, because torch warns about read-only ones.
    start = os.getpid(), imported_plugins()
    return Parallel(n_jobs=jobs, return_as="generator", mmap_mode="c", initializer=start_worker, initargs=start)


def start_worker(parent: int, plugins: Mapping[str, str]) -> None:
    """Set up a worker: it ends with its parent, and knows the plug-ins of its parent.

    Args:
        parent: The parent process.
        plugins: Its plug-ins, from :func:`molweight.plugins.imported_plugins`.
    """
    end_with(parent)
    import_again(plugins)


def end_with(parent: int) -> None:
    """End this process when its parent has ended, because a killed parent cannot end its workers itself.

    Args:
        parent: The parent process.
    """
    if not _watched and parent != os.getpid():
        # loky ends a worker that has grown by 300 MB since its first task, and warns of a leak. Loading a network
        # takes more, and is no leak.
        process_executor._MAX_MEMORY_LEAK_SIZE = _GROWTH  # noqa: SLF001 - there is no public option
        _watched.append(parent)
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_PAUSE)
    os._exit(1)


@contextmanager
def shielded() -> Iterator[None]:
    """Context in which started processes ignore Ctrl-C: a terminal sends it to all, and the parent ends the others.

    Yields:
        Nothing. Ctrl-C reaches this process at the end of the context. Without signal masks (Windows), and in threads
        other than the main one, nothing is done.
    """
    if not hasattr(signal, "pthread_sigmask") or threading.current_thread() is not threading.main_thread():
        yield
        return
    resource_tracker.ensure_running()  # its start unblocks SIGINT
    loky_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # processes inherit the signal mask
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
