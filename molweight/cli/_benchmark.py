"""``molweight benchmark``: a study from one YAML file."""

import os
import sys
from pathlib import Path

from jsonargparse import Namespace

from molweight.benchmark import Journal, ProcessPool, read_study, run_study
from molweight.cli._parser import Parser
from molweight.errors import ConfigError

__all__ = ["parser", "run"]


def parser() -> Parser:
    """Options of the command."""
    made = Parser(
        prog="molweight benchmark",
        description="Run tables x methods x seeds; what is finished is kept; a run that fails is a row that says why.",
    )
    add = made.add_argument
    add("study", type=str, help="YAML file: tables, methods, seeds, and options that all runs share")
    add("--output", type=str | None, default=None, help="folder of the results; runs/NAME of the file by default")
    add("--workers", type=int, default=os.cpu_count() or 1, help="processes, each with one thread")
    add("--quiet", action="store_true", help="no progress bar, no messages but the page")
    return made


def run(options: Namespace) -> None:
    """Read, run, print the page.

    Raises:
        ConfigError: If the number of workers makes no sense, or a run failed.
    """
    if options.workers < 1:
        raise ConfigError(f"--workers {options.workers} must be at least 1.")
    study = read_study(options.study)
    name = Path(options.study).stem
    folder = Path(options.output or Path("runs") / name)
    if not options.quiet:
        equal = "steps of continued pretraining" if study.match == "steps" else "gradient evaluations"
        sys.stdout.write(f"{len(study.jobs())} runs, {len(Journal(folder, study).missing())} to do; equal: {equal}\n")
    journal = run_study(study, folder, ProcessPool(options.workers), title=name, progress=not options.quiet)
    sys.stdout.write((folder / "README.md").read_text(encoding="utf-8"))
    failed = journal.missing()
    if failed:
        raise ConfigError(
            f"{len(failed)} of {len(study.jobs())} runs failed; the last section of {folder / 'README.md'} says why. "
            "The same command tries them again."
        )
