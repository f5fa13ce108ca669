"""All runs of a study, with progress; failures are recorded, and finished runs are kept."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from molweight._progress import progress_bar
from molweight.benchmark._installed import require_installed
from molweight.benchmark._journal import Journal
from molweight.benchmark._pool import Executor, ProcessPool
from molweight.benchmark._run_cell import fixed_facts, run_cell
from molweight.benchmark._study import Cell, Study
from molweight.benchmark._study_report import write_page
from molweight.devices import resolve_device

__all__ = ["run_study"]


def run_study(
    study: Study,
    folder: str | Path,
    executor: Executor,
    *,
    title: str = "Benchmark",
    progress: bool = False,
    safe_csv: bool = False,
) -> Journal:
    """Run all cells without a result; each result is written immediately, table and page at the end or when stopped.

    Args:
        study: The study.
        folder: Folder of the results: ``results.jsonl``, ``results.csv``, ``results.parquet``,
            ``README.md``, ``scores.svg``, ``ranks.svg``.
        executor: Executor of the runs, e.g. :class:`molweight.benchmark.ProcessPool`.
        title: Title of the page.
        progress: Whether to show a progress bar on a terminal.
        safe_csv: Whether to quote text in ``results.csv`` that a spreadsheet would run as a formula.

    Returns:
        The results.

    Raises:
        ConfigError: If the folder holds results of another study or version, or this machine lacks the study's device
            or what a method needs.
    """
    journal, commit = Journal(folder, study), _commit()
    missing = journal.missing()
    require_installed(study, {cell.method for cell in missing})
    if missing and isinstance(executor, ProcessPool):
        resolve_device(study.device)  # refused before the first run; a cluster may have other devices
    total = len(study.cells())
    with (
        _written(journal, title, safe_csv=safe_csv),
        progress_bar(title if progress else None, total, "runs", done=total - len(missing)) as bar,
    ):
        for job, row in executor.map(partial(run_cell, study), missing):
            journal.append({**fixed_facts(), **_names(job), "commit": commit, **row})
            bar.set_postfix_str(f"{job.table} {job.method} seed {job.seed}")
            bar.update()
    return journal


@contextmanager
def _written(journal: Journal, title: str, *, safe_csv: bool) -> Iterator[None]:
    """Write the table and the page at the end, even if the study is stopped early."""
    try:
        yield
    finally:
        if journal.rows:
            journal.export(safe_csv=safe_csv)
            write_page(journal.study, journal.table(), journal.path.parent, title)


def _names(job: Cell) -> dict[str, Any]:
    return {"table": job.table, "method": job.method, "seed": job.seed, "error": None}


def _commit() -> str | None:
    """The commit of the source tree, marked if the tree has changes; ``None`` outside a repository."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    commit = _git(root, "rev-parse", "--short=12", "HEAD")
    changed = _git(root, "status", "--porcelain", "--", ".", ":!experiments/results")
    return f"{commit}-dirty" if commit and changed else commit or None


def _git(root: Path, *words: str) -> str:
    asked = ["git", "-C", str(root), *words]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603 - our own words
