"""Rows of a study, one JSON object per line: finished rows are kept, and a stopped study resumes."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from molweight.benchmark import Executor
from molweight.benchmark._journal import whole_lines

__all__ = ["finished", "go_on"]

Row = dict[str, Any]


def finished(path: Path) -> list[Row]:
    """Rows in the file, none if it does not exist; an incomplete last line of a killed process is removed.

    Args:
        path: The file.
    """
    if not path.exists():
        return []
    return [json.loads(line) for line in whole_lines(path)]


def go_on(
    path: Path,
    keys: Sequence[str],
    jobs: Iterable[tuple[Any, ...]],
    work: Callable[..., Row],
    executor: Executor | None = None,
) -> Iterator[Row]:
    """Run the jobs that have no row yet, one after the other; each row is written immediately.

    Args:
        path: The file.
        keys: Names of the fields that identify a job.
        jobs: Values of these fields.
        work: Computes the row of a job.
        executor: Runs several jobs at a time; this process runs them if ``None``.

    Yields:
        Each new row.

    Raises:
        RuntimeError: If a job failed in the executor; with the reason.
    """
    done = {tuple(row[key] for key in keys) for row in finished(path)}
    missing = [job for job in jobs if job not in done]
    rows = (work(*job) for job in missing) if executor is None else _together(executor, work, missing)
    for row in rows:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
        yield row


def _together(executor: Executor, work: Callable[..., Row], jobs: Sequence[tuple[Any, ...]]) -> Iterator[Row]:
    for job, row in executor.map(partial(_spread, work), jobs):
        if "error" in row:
            raise RuntimeError(f"{job}: {row['error']}")
        yield row


def _spread(work: Callable[..., Row], job: tuple[Any, ...]) -> Row:
    return work(*job)
