"""Rows of a study, one JSON object a line: finished rows are kept, and a stopped study resumes."""

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
    """Rows that are in the file, none where there is no file; what a killed process left of a last line is cut off.

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
    """Run the jobs that have no row yet, one after the other; each row is written as soon as it is there.

    Args:
        path: The file.
        keys: Names, in a row, of what tells jobs apart.
        jobs: Values of these.
        work: Makes the row of a job.
        executor: Runs several jobs at a time; this process runs them if ``None``.

    Yields:
        Each new row.

    Raises:
        RuntimeError: If the executor could not do a job, with the reason.
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
