"""Fitting the partners of an ensemble, if possible in another process while this one pretrains the encoder."""

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing import current_process
from typing import Any, Final, NamedTuple

from joblib import Parallel, cpu_count, delayed
from threadpoolctl import threadpool_limits

from molweight.arrays import AnyArray, Indices
from molweight.ensemble._out_of_fold import PartnerData
from molweight.ensemble._partners import Partner
from molweight.graphs.internal import end_with, shielded

__all__ = ["FittedPartners", "fits_at_once", "partners_ahead"]

_LOG: Final = logging.getLogger(__name__)
_NICENESS: Final = 10
_LEAST_ROWS: Final = 150
"""With fewer rows, fitting takes less time than starting a process."""
_MOST_ROWS: Final = 2_000
"""With more rows, the matrices are large, and are better not copied to another process; fits then run in threads."""

_MOST_LABELS: Final = 1_000_000
"""Maximum number of labels of all fits that run at a time, for tables of several targets."""


class FittedPartners(NamedTuple):
    """Partners with their out-of-fold predictions.

    Args:
        out_of_fold: Predictions, ``n x T``, by name of the partner.
        partners: The partners fitted on all rows, in the same order.
        left_out: Names of those that were not fitted because of the time limit.
    """

    out_of_fold: dict[str, AnyArray]
    partners: list[Partner]
    left_out: list[str]


@contextmanager
def partners_ahead(
    data: PartnerData, kind: str, folds: Sequence[Indices], *, seconds: float | None = None
) -> Iterator[Callable[[], FittedPartners]]:
    """Fit partners while the body of the context runs; they do not depend on the encoder.

    Args:
        data: The rows.
        kind: Kind of the label transform.
        folds: Positions of each fold.
        seconds: Time limit from now; no partner starts after it, except the first.

    Yields:
        A function that waits for the partners. For small and large tables, on a single core and in a process of a
        study, it fits them when it is called; a large table uses all cores.
    """
    threads = max(1, cpu_count() - len(folds))
    # Not time.monotonic(), which another process may count from another moment.
    deadline = None if seconds is None else time.time() + seconds
    work = partial(_fit, data, kind, folds, threads, deadline)
    if not _in_background(data):
        yield partial(_warned, work)
        return
    from joblib.externals.loky import ProcessPoolExecutor  # a separate executor, not the one that joblib reuses

    limits = {"OMP_NUM_THREADS": str(threads)}
    executor = ProcessPoolExecutor(max_workers=1, initializer=_start, initargs=(os.getpid(),), env=limits)
    with shielded():
        future = executor.submit(work)
    try:
        yield partial(_warned, future.result)
    finally:
        unused = not future.done()
        executor.shutdown(wait=unused, kill_workers=unused)  # an idle process may take a second to end


def _start(parent: int) -> None:
    """Set up the process with a low priority: it takes what pretraining and the last member leave of the cores."""
    end_with(parent)
    if hasattr(os, "nice"):
        os.nice(_NICENESS)


def _in_background(data: PartnerData) -> bool:
    alone = current_process().daemon or cpu_count() == 1  # a worker of a study must not start processes
    return not alone and bool(data.names) and _LEAST_ROWS <= len(data.labels) <= _MOST_ROWS and data.network is None


def _warned(result: Callable[[], FittedPartners]) -> FittedPartners:
    fitted = result()
    if fitted.left_out:
        _LOG.warning("ensemble: without %s, because of the time limit", ", ".join(fitted.left_out))
    return fitted


def _fit(
    data: PartnerData, kind: str, folds: Sequence[Indices], threads: int, deadline: float | None
) -> FittedPartners:
    parts: dict[str, AnyArray] = {}
    partners: list[Partner] = []
    # The network of a partner uses all cores itself.
    jobs = fits_at_once(*data.labels.shape) if data.network is None else 1
    pool = Parallel(jobs, backend="threading", batch_size=1)
    # Members train at the same time. The remaining cores only: linear-algebra threads that wait for a core cost more
    # time than they save.
    with threadpool_limits(threads):
        for name in data.names:
            if parts and deadline is not None and time.time() > deadline:
                break
            steps = [partial(data.fit, name, kind), *(partial(data.predict_fold, name, kind, fold) for fold in folds)]
            partner, *predicted = pool(delayed(_limited)(threads, step) for step in steps)
            parts[name] = data.assemble(folds, predicted)
            partners.append(partner)
    return FittedPartners(parts, partners, data.names[len(parts) :])


def fits_at_once(rows: int, targets: int) -> int:
    """Number of partners' fits that run at a time; they share the matrices, and rarely hold the interpreter lock.

    Args:
        rows: Number of labelled rows.
        targets: Number of targets; the memory of a fit grows with rows times targets.

    Example:
        >>> fits_at_once(1_000, 1), fits_at_once(10_000, 200)
        (1, 1)
    """
    # A worker of a study has one core.
    if current_process().daemon or rows <= _MOST_ROWS:
        return 1
    cores = int(cpu_count())
    return cores if targets == 1 else max(1, min(cores, _MOST_LABELS // (rows * targets)))


def _limited(threads: int, step: Callable[[], Any]) -> Any:
    with threadpool_limits(threads):  # OpenMP's limit is per thread
        return step()
