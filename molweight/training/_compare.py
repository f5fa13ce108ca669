"""The main job: a weighting and its baselines, on the same molecules, steps and seed."""

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from molweight.datasets import Score, Splits
from molweight.datasets.internal import Ranking, format_score, rankings, violated_bounds
from molweight.devices import resolve_device
from molweight.errors import OptionError, suggest
from molweight.graphs import MoleculeDataset
from molweight.mlo import Finding
from molweight.options import Job
from molweight.report import TestResults
from molweight.report.internal import method_title
from molweight.runs import Run
from molweight.runs.internal import ENSEMBLE, extend_manifest, locked, plot_weights
from molweight.storage import escape_controls, write_file
from molweight.training._callback import Callback
from molweight.training._fit import describe_job, fit, with_ensemble
from molweight.training._generic import generic_pretraining
from molweight.training._held_out import HeldOut
from molweight.training._plain_baselines import PLAIN_BASELINES, plain_baseline
from molweight.training._resolve import resolve, variant, with_metric, with_stereo
from molweight.training._sources import warn_unused, with_parts, with_sources
from molweight.training._state import Context, Session

__all__ = ["BASELINES", "Comparison", "Row", "compare", "format_findings", "format_table"]

BASELINES: Final[dict[str, dict[str, Any]]] = {
    "scratch": {"init": "scratch", "weighting": "none", "weighting_options": {}},
    "pretrained": {"weighting": "none", "weighting_options": {}},
    "equal": {"weighting": "equal", "weighting_options": {}},
}
"""The change of each deep baseline: a random encoder; generic pretraining alone; equal weights."""


@dataclass(frozen=True)
class Row:
    """One method's row of the table.

    Args:
        method: Name of the method.
        test: Score on the test set; NaN without one.
        select: Score of the selected checkpoint on ``select``; ``None`` for a plain baseline, and for an ensemble,
            which is trained on ``select``.
        weights: Weight per objective at the end of adaptive pretraining; empty without any.
        seconds: Duration, without generic pretraining.
        findings: Problems in its adaptive pretraining.
        out_of_fold: Score of an ensemble on all rows but the test set, out of fold; ``None`` for other methods.
    """

    method: str
    test: Score
    select: float | None
    weights: dict[str, float]
    seconds: float
    findings: list[Finding] = field(default_factory=list)
    out_of_fold: float | None = None


@dataclass(frozen=True)
class Comparison:
    """All methods on one table.

    Args:
        data: Name of the table.
        metric: Metric of the table.
        sizes: Molecules per role.
        split: Definition of the split.
        rows: One line per method.
        run: The run of the last method, which is the job itself.
        pretrain_seconds: Duration of generic pretraining, which the methods share; near 0 if it was cached.
    """

    data: str
    metric: str
    sizes: dict[str, int]
    split: str
    rows: list[Row]
    run: Run
    pretrain_seconds: float

    def save(self, folder: Path, *, overwrite: bool = False, safe_csv: bool = False) -> None:
        """Write ``metrics.json``, ``weights.png`` and the files of :meth:`Run.save`."""
        self.run.save(folder, overwrite=overwrite, safe_csv=safe_csv)
        metrics = {
            "data": self.data,
            "metric": self.metric,
            "split": self.split,
            "sizes": self.sizes,
            "pretrain_seconds": self.pretrain_seconds,
            "methods": [_as_json(row) for row in self.rows],
            "ranking": {name: asdict(item) for name, item in self.rankings().items()},
            "violated_bounds": self.violated_bounds(),
        }
        write_file(folder / "metrics.json", json.dumps(metrics, indent=2).encode())
        if self.run.records:
            write_file(folder / "weights.png", plot_weights(self.run.history, title=f"{self.data}: objective weights"))
        extend_manifest(folder, ["metrics.json"], ["weights.png"] if self.run.records else [])

    def rankings(self) -> dict[str, Ranking]:
        """How well the run ranks the rare positives of the test set, by target; empty if there are none."""
        found = self.run.test_results
        return {} if found is None else rankings(found.targets, found.predictions[self.run.method], found.names)

    def violated_bounds(self) -> dict[str, tuple[int, int]]:
        """Number of violated bounds and of all bounds among the test labels, by target."""
        run, found = self.run, self.run.test_results
        if found is None or run.data is None or run.splits is None:
            return {}
        return violated_bounds(run.data, run.splits.test, found.predictions[run.method])


def compare(
    job: Job,
    data: MoleculeDataset,
    splits: Splits,
    corpus: MoleculeDataset,
    *,
    baselines: Sequence[str] = PLAIN_BASELINES,
    progress: bool = False,
    resume: str | Path | None = None,
    callbacks: Sequence[Callback] = (),
    aux: Sequence[str | MoleculeDataset] = (),
) -> Comparison:
    """Fit a job and its baselines; evaluate the test set once for each.

    Args:
        job: The method to compare; its run is returned. Deep baselines finetune a single model, and so does the job in
            the comparison, so that they differ only in pretraining. If the job has several members, an ensemble from
            its pretrained encoder is added as a separate row, and its run is returned.
        data: The labelled table.
        splits: Its roles.
        corpus: Unlabelled molecules.
        baselines: Names among :data:`PLAIN_BASELINES`, which take seconds, and :data:`BASELINES`, which take as long
            as the job.
        progress: Whether to show progress bars on a terminal.
        resume: Folder for checkpoints, to resume after an interruption; see :func:`molweight.fit`.
        callbacks: Objects that are called after every step; see :class:`molweight.training.Callback`.
        aux: Auxiliary tables, as for :func:`molweight.fit`.

    Returns:
        The table's rows, baselines first, and the run.

    Raises:
        OptionError: If a baseline is unknown.
        ConfigError: If another process writes to the folder of checkpoints.
    """
    known = (*PLAIN_BASELINES, *BASELINES)
    for name in baselines:
        if name not in known:
            listed = f"Baselines: {', '.join(known)}."
            raise OptionError("baselines", name, f"is unknown{suggest(name, known)}", listed)
    job, sources = with_sources(job, data, splits, aux)
    job = with_parts(job, corpus)
    job, data = resolve(job, data), with_metric(job, data)
    warn_unused(job, sources)
    session = Session(None if resume is None else Path(resume), callbacks=callbacks).within(job.minutes)
    started, device = time.perf_counter(), resolve_device(job.device)
    shared = replace(session, job=describe_job(job, data, splits, corpus, device, sources=sources))
    held = HeldOut(data, splits, sources, cross_fitted=job.members != 1)
    with locked(session.folder):
        generic_pretraining(job, corpus, device, progress=progress, session=shared, held=held)
        pretrain_seconds = time.perf_counter() - started
        asked = [name for name in baselines if name in PLAIN_BASELINES and len(splits.test)]
        plain = [plain_baseline(name, data, splits, job.seed, progress=progress) for name in asked]
        runs = _fit_all(job, Context(data, splits, device, session, progress, sources), corpus, baselines)
    rows = [Row(found.name, found.score, None, {}, found.seconds) for found in plain]
    rows += [_row(name, run) for name, run in runs.items()]
    run = _merged(runs, {found.name: found.results for found in plain})
    return Comparison(data.name, str(data.metric), splits.sizes, splits.definition, rows, run, pretrain_seconds)


def _fit_all(job: Job, context: Context, corpus: MoleculeDataset, baselines: Sequence[str]) -> dict[str, Run]:
    """The deep baselines, then the job."""
    data, splits, session, progress = context.data, context.splits, context.session, context.progress
    single = replace(job, members=1)
    others = {name: variant(single, **BASELINES[name]) for name in baselines if name in BASELINES}
    methods = {name: method for name, method in others.items() if method != single}
    main = job.weighting if job.weighting != "none" else escape_controls(job.init)
    alone = job.members != 1 and not others
    methods |= {ENSEMBLE: job} if alone else {main: single}
    exchanged = job.members != 1 and not alone
    total, runs = len(methods) + exchanged, {}
    for number, (name, method) in enumerate(methods.items(), start=1):
        context.announce(f"model {number} of {total}: {method_title(name)}")
        own = session.child(name).within(None, 1 / (total - number + 1))
        runs[name] = fit(method, data, splits, corpus, progress=progress, session=own, aux=context.sources)
    if exchanged:
        context.announce(f"model {total} of {total}: {method_title(ENSEMBLE)}")
        context = replace(context, data=with_stereo(job, data), session=session.child(ENSEMBLE))
        runs[ENSEMBLE] = with_ensemble(job, runs[main], corpus, context)
    return runs


def _merged(runs: Mapping[str, Run], plain: Mapping[str, TestResults]) -> Run:
    """The last run, with the test predictions of the others next to its own."""
    *others, (_, run) = runs.items()
    if run.test_results is not None:
        results = {name: other.test_results for name, other in others if other.test_results is not None}
        run.test_results = run.test_results.merge({**plain, **results})
    return run


def _row(name: str, run: Run) -> Row:
    opened = run.splits is not None and len(run.splits.test) > 0
    test = run.evaluate("test") if opened else Score(math.nan, {}, {})
    best = run.finetuning.best
    select, out_of_fold = (None, best) if run.finetuning.cross_fitting else (best, None)
    return Row(name, test, select, run.weights, run.seconds, run.findings, out_of_fold)


def _as_json(row: Row) -> dict[str, Any]:
    """A row as JSON values; undefined values are null."""
    values = asdict(row)
    if not math.isfinite(row.test.value):
        values["test"]["value"] = None
    for name in ("select", "out_of_fold"):
        if values[name] is not None and not math.isfinite(values[name]):
            values[name] = None
    return values


def format_table(comparison: Comparison) -> str:
    """The comparison as a table for a terminal: method, test metric, weight per objective, seconds.

    Args:
        comparison: The comparison.
    """
    names = list(dict.fromkeys(name for row in comparison.rows for name in row.weights))
    shown = "skill" if "," in comparison.metric else comparison.metric
    header = ["method", f"test {shown}", *names, "seconds"]
    lines = [header]
    for row in comparison.rows:
        weights = [f"{row.weights[name]:.3f}" if name in row.weights else "-" for name in names]
        lines.append([method_title(row.method), _shown(row.test.value), *weights, f"{row.seconds:.1f}"])
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(_aligned(line, widths) for line in lines)


def _shown(value: float) -> str:
    return format_score(value) if math.isfinite(value) else "-"


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.rjust(width) if column else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([first, *others]).rstrip()


def format_findings(comparison: Comparison) -> str:
    """Findings about the runs, including baselines, one line each; empty if there are none.

    Args:
        comparison: The comparison.
    """
    lines = [f"  {method_title(row.method)}: {finding.message}" for row in comparison.rows for finding in row.findings]
    return "\n".join(["found during pretraining:", *lines]) if lines else ""
