"""Parallel work on the parts of a list, a few parts ahead of the consumer."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any, Final, TypeVar

from joblib import cpu_count

from molweight.graphs.internal import shielded, start_worker
from molweight.plugins import imported_plugins

__all__ = ["ahead"]

_AHEAD: Final = 4
"""Parts per process that are computed ahead; together with the size of a part, this bounds the memory."""
_ALONE: Final = 4
"""Up to this number of parts, everything is done in this process, because starting others takes seconds."""

A = TypeVar("A")
R = TypeVar("R")
T = TypeVar("T")
_work: list[Callable[[Any], Any]] = []
"""The function, in a process started by :func:`ahead`."""


def ahead(parts: Iterable[tuple[T, A]], work: Callable[[A], R], *, n_jobs: int | None = None) -> Iterator[tuple[T, R]]:
    """The result for each part, in order.

    Args:
        parts: Pairs of arbitrary data that stays in this process, and the argument of the function.
        work: The function. It is sent to each process once.
        n_jobs: Processes; ``None`` for all cores. Few parts are done in this process.

    Yields:
        The data of the part, and its result.

    Example:
        >>> list(ahead([("a", 1), ("b", 2)], float))
        [('a', 1.0), ('b', 2.0)]
    """
    pending, jobs = iter(parts), n_jobs or cpu_count()
    first = list(islice(pending, _ALONE + 1))
    if jobs > 1 and len(first) > _ALONE:
        yield from _elsewhere(chain(first, pending), work, jobs)
    else:
        for own, part in chain(first, pending):
            yield own, work(part)


def _elsewhere(parts: Iterable[tuple[T, A]], work: Callable[[A], R], jobs: int) -> Iterator[tuple[T, R]]:
    from joblib.externals.loky import ProcessPoolExecutor

    # A separate executor, not the one that joblib reuses.
    start = work, os.getpid(), imported_plugins()
    executor = ProcessPoolExecutor(max_workers=jobs, initializer=_keep, initargs=start)
    waiting: deque[tuple[T, Any]] = deque()
    try:
        for own, part in parts:
            with shielded():
                waiting.append((own, executor.submit(_do, part)))
            if len(waiting) > jobs * _AHEAD:
                done, future = waiting.popleft()
                yield done, future.result()
        while waiting:
            done, future = waiting.popleft()
            yield done, future.result()
    finally:
        # Killed processes leak semaphores, about which Python warns at exit.
        executor.shutdown(kill_workers=bool(waiting))


def _keep(work: Callable[[Any], Any], parent: int, plugins: Mapping[str, str]) -> None:
    start_worker(parent, plugins)
    _work[:] = [work]


def _do(part: Any) -> Any:
    return _work[0](part)
