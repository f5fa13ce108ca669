"""The main job: a weighting beside its baselines, on the same molecules, steps and seed."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from molweight.datasets import Score, Splits, format_score
from molweight.errors import ConfigError, suggest
from molweight.graphs import MoleculeDataset
from molweight.mlo import Finding
from molweight.report import method_title
from molweight.training._callback import Callback
from molweight.training._device import resolve_device
from molweight.training._general import general_pretraining
from molweight.training._plot import plot_weights
from molweight.training._resume import describe_job
from molweight.training._run import Run
from molweight.training._session import Session
from molweight.training._store import write_file
from molweight.training._tables import HeldOut, choose_tables
from molweight.training._tapweight import TapWeight

__all__ = ["BASELINES", "Comparison", "Row", "compare", "format_findings", "format_table"]

BASELINES: Final[dict[str, dict[str, Any]]] = {
    "scratch": {"start": "scratch", "weighting": "none", "weighting_options": {}},
    "pretrained": {"weighting": "none", "weighting_options": {}},
    "equal": {"weighting": "equal", "weighting_options": {}},
}
"""What each baseline changes: a random encoder; general pretraining alone; continued pretraining with equal weights."""


@dataclass(frozen=True)
class Row:
    """One method's line of the table.

    Args:
        method: Name of the method.
        test: Score on the test set, which was opened for this.
        select: Score on ``select``, of the checkpoint that was kept.
        weights: Weight per objective at the end of continued pretraining; empty without any.
        seconds: Duration, without general pretraining.
        findings: What was wrong in its continued pretraining.
    """

    method: str
    test: Score
    select: float
    weights: dict[str, float]
    seconds: float
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True)
class Comparison:
    """All methods on one table.

    Args:
        data: Name of the table.
        metric: Metric of the table.
        sizes: Molecules per role.
        split: Definition of the split.
        rows: One line per method.
        run: The run of the last method, the one that was asked for.
        general_seconds: Duration of general pretraining, which the methods share; near 0 if it was cached.
    """

    data: str
    metric: str
    sizes: dict[str, int]
    split: str
    rows: list[Row]
    run: Run
    general_seconds: float

    def save(self, folder: Path) -> None:
        """Write ``metrics.json``, ``weights.png`` and everything :meth:`Run.save` writes."""
        self.run.save(folder)
        metrics = {
            "data": self.data,
            "metric": self.metric,
            "split": self.split,
            "sizes": self.sizes,
            "general_seconds": self.general_seconds,
            "methods": [asdict(row) for row in self.rows],
        }
        write_file(folder / "metrics.json", json.dumps(metrics, indent=2).encode())
        if self.run.records:
            write_file(folder / "weights.png", plot_weights(self.run.history, title=f"{self.data}: objective weights"))


def compare(
    options: TapWeight,
    data: MoleculeDataset,
    splits: Splits,
    corpus: MoleculeDataset,
    *,
    baselines: Sequence[str] = ("scratch", "equal"),
    progress: bool = False,
    resume: str | Path | None = None,
    callbacks: Sequence[Callback] = (),
) -> Comparison:
    """Fit ``options`` and its baselines; open the test set once for each.

    Args:
        options: The method in question; its run is kept.
        data: The labelled table.
        splits: Its roles.
        corpus: Unlabelled molecules.
        baselines: Names among :data:`BASELINES`.
        progress: Whether to show progress bars on a terminal.
        resume: Folder where the state of the work is kept, to go on from after an interruption; see
            :meth:`TapWeight.fit`.
        callbacks: Objects to tell of every step; see :class:`molweight.training.Callback`.

    Returns:
        The table's rows, baselines first, and the run.

    Raises:
        ConfigError: If a baseline is unknown.
    """
    for name in baselines:
        if name not in BASELINES:
            raise ConfigError(f"baseline {name!r} is unknown;{suggest(name, BASELINES)} Baselines: {_listed()}.")
    options = choose_tables(options, data)
    session = Session(None if resume is None else Path(resume), callbacks=callbacks)
    started, device = time.perf_counter(), resolve_device(options.device)
    shared = replace(session, job=describe_job(options, data, splits, corpus, device))
    held = HeldOut(data, splits)
    general_pretraining(options, corpus, device, progress=progress, session=shared, held=held)
    general_seconds = time.perf_counter() - started
    methods = [(name, options.variant(**BASELINES[name])) for name in baselines if not _same(options, name)]
    methods.append((options.weighting if options.weighting != "none" else options.start, options))
    runs = {
        name: method.fit(data, splits, corpus, progress=progress, session=session.within(name))
        for name, method in methods
    }
    rows = [_row(name, run) for name, run in runs.items()]
    return Comparison(
        data.name, str(data.metric), splits.sizes, splits.definition, rows, _beside(runs), general_seconds
    )


def _beside(runs: Mapping[str, Run]) -> Run:
    """The last run, which keeps what the others showed on the test set beside its own."""
    *others, (_, run) = runs.items()
    if run.opened is not None:
        run.opened = run.opened.beside({name: other.opened for name, other in others if other.opened is not None})
    return run


def _row(name: str, run: Run) -> Row:
    return Row(name, run.evaluate("test"), run.finetuning.best, run.weights, run.seconds, run.findings)


def _same(options: TapWeight, baseline: str) -> bool:
    return options.variant(**BASELINES[baseline]) == options


def _listed() -> str:
    return ", ".join(BASELINES)


def format_table(comparison: Comparison) -> str:
    """The comparison as a table for a terminal: method, test metric, weight per objective, seconds.

    Args:
        comparison: What to show.
    """
    names = list(dict.fromkeys(name for row in comparison.rows for name in row.weights))
    header = ["method", f"test {comparison.metric}", *names, "seconds"]
    lines = [header]
    for row in comparison.rows:
        weights = [f"{row.weights[name]:.3f}" if name in row.weights else "-" for name in names]
        lines.append([method_title(row.method), format_score(row.test.value), *weights, f"{row.seconds:.1f}"])
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(_aligned(line, widths) for line in lines)


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.rjust(width) if column else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([first, *others]).rstrip()


def format_findings(comparison: Comparison) -> str:
    """What was wrong in the runs, a line each, the baselines included; empty if nothing was.

    Args:
        comparison: What to show.
    """
    lines = [f"  {method_title(row.method)}: {finding.message}" for row in comparison.rows for finding in row.findings]
    return "\n".join(["found during pretraining:", *lines]) if lines else ""
