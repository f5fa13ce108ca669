"""``molweight benchmark``: a study from one YAML file."""

from pathlib import Path
from typing import Final

from jsonargparse import Namespace

from molweight.benchmark import Executor, ProcessPool, RayCluster, read_study, run_study
from molweight.benchmark.internal import Journal
from molweight.cli._output import show
from molweight.errors import ConfigError, OptionError, mention, suggest
from molweight.runs.internal import written_alone

__all__ = ["run"]

_EXECUTORS: Final = ("processes", "ray")


def run(options: Namespace) -> None:
    """Read, run, print the page.

    Raises:
        ConfigError: If an option makes no sense, or a run failed.
    """
    executor = _executor(options)
    study = read_study(options.study, plugins=options.plugin, trust=options.trust)
    name = Path(options.study).stem
    folder = Path(options.output or Path("runs") / name)
    with written_alone(folder):
        if not options.quiet:
            missing = len(Journal(folder, study).missing())
            show(f"{len(study.cells())} runs, {missing} to do; every weighting gets the same number of {study.match}")
        journal = run_study(study, folder, executor, title=name, progress=not options.quiet, safe_csv=options.safe_csv)
    show((folder / "README.md").read_text(encoding="utf-8").rstrip("\n"))
    failed = journal.missing()
    if failed:
        raise ConfigError(
            f"{len(failed)} of {len(study.cells())} runs failed; see the last section of {folder / 'README.md'}. "
            "Run the same command again to retry them."
        )


def _executor(options: Namespace) -> Executor:
    if options.workers < 1:
        raise OptionError("workers", options.workers, "must be at least 1")
    if options.executor not in _EXECUTORS:
        clause = suggest(options.executor, _EXECUTORS)
        choices = f"Choices: {', '.join(_EXECUTORS)}."
        raise OptionError("executor", options.executor, f"is unknown{clause}", choices)
    if options.executor == "ray":
        return RayCluster(options.address, options.workers)
    if options.address is not None:
        remedy = f"Give {mention('executor', 'ray')}, too, or leave it out."
        raise OptionError("address", options.address, "is for a Ray cluster", remedy)
    return ProcessPool(options.workers)
