"""The first section of a page: score, verdict, baselines, next command."""

from collections.abc import Sequence
from shlex import quote
from typing import Final

import numpy as np

from molweight.datasets import score
from molweight.datasets.internal import metrics_of, ogb_metric
from molweight.report._bootstrap import DRAWS
from molweight.report._conclusion import Conclusion, conclude
from molweight.report._format import direction, metric_name, number, padded, spread, tested, with_spread
from molweight.report._outcome_plots import intervals_plot
from molweight.report._run_summary import RunSummary, TestResults, method_title
from molweight.report._section import Figure, Lead, Section, Table

__all__ = ["NOT_OPENED", "scores_section"]

NOT_OPENED: Final = (
    "There is no labelled test set, or it has not been evaluated in this run, or it was evaluated by a version that "
    "did not store its predictions. molweight fit evaluates it once; in Python, run.evaluate('test') does, before "
    "run.save or run.report."
)
_TASKS: Final = 40
"""Maximum number of targets listed by name."""
_SEVERAL: Final = 2
_INTERVALS: Final = (
    f"Intervals: 95 % bootstrap percentiles over {DRAWS} draws of test molecules, the same draws for all methods. They "
    "do not include the variation between training seeds."
)
_FURTHER: Final = {"classification": ("ap",), "regression": ("r2", "mae")}
"""Further metrics listed for each target, by its kind."""


def scores_section(subject: RunSummary) -> Section:
    """Test metric of the run and its baselines, with intervals, and a verdict on the differences."""
    title, results = "Test score", subject.test_results
    if results is None:
        return Section("scores", title, [NOT_OPENED])
    found = conclude(results, subject.method, subject.metric, subject.kinds)
    tables = [_scores_table(subject, found), *_tasks_tables(subject, results)]
    return Section(
        "scores", title, figures=_figure(subject, found), tables=tables, lead=_lead(subject, found), notes=[_INTERVALS]
    )


def _lead(subject: RunSummary, found: Conclusion) -> Lead:
    words = [found.verdict]
    estimate = subject.about["finetuning"].get("cross_fitting")
    if found.too_few and estimate:
        scores = estimate["scores"]
        whole = scores.get("ensemble", scores["graph"])  # a run without partners, or from an earlier version
        unreliable = f", unreliable with {estimate['rare']}" if estimate.get("rare") else ""
        ends = f" (95 % CI {number(whole['low'], 3)} to {number(whole['high'], 3)}{unreliable})"
        shown = ends if np.isfinite(whole["low"]) else ""
        words.append(f"Out of fold, on {estimate['rows']} rows: {number(whole['value'])}{shown}.")
    interval = f"{found.range}, " if found.range else ""
    return Lead(
        f"test {metric_name(subject.metric)}, {direction(subject.metric)}",
        padded(found.own.value),
        f"{interval}{tested(found.molecules)}",
        [(name, number(value, 3)) for name, value in found.further.items()],
        " ".join(words),
        f"molweight predict {quote(str(subject.folder))} new.csv" if subject.folder else "",
    )


def _figure(subject: RunSummary, found: Conclusion) -> list[Figure]:
    shown = {method_title(name): value for name, value in found.scores.items() if np.isfinite(value.low)}
    if len(shown) < _SEVERAL:
        return []
    name = "mean skill" if "," in subject.metric else metric_name(subject.metric)
    words = "; ".join(f"{title} {number(value.value)} ({spread(value)})" for title, value in shown.items())
    svg = intervals_plot("intervals", shown, f"test {name}, {direction(subject.metric)}", f"{words}.")
    return [Figure(svg, f"Test {name} of each method with its 95 % interval.")]


def _scores_table(subject: RunSummary, found: Conclusion) -> Table:
    methods = {method.name: method for method in subject.methods}
    rows = []
    for name, value in found.scores.items():
        gain = with_spread(found.gains[name], 3) if name in found.gains else "-"
        seconds = number(round(methods[name].seconds, 1), 3) if name in methods else "-"
        rows.append([method_title(name), with_spread(value), gain, seconds])
    header = ["method", "score (95 % CI)", f"gain of {method_title(subject.method)}", "time (s)"]
    return Table("Methods on the same test molecules; a positive gain means that the run is better", header, rows)


def _tasks_tables(subject: RunSummary, results: TestResults) -> list[Table]:
    """Scores by target, if there are several."""
    if len(results.names) == 1:
        return []
    scores = {
        name: score(subject.metric, results.targets, predicted, results.names)
        for name, predicted in results.predictions.items()
    }
    own = metrics_of(ogb_metric(subject.metric) or subject.metric, len(results.names))
    rows = []
    for place, target in enumerate(results.names[:_TASKS]):
        known = int((~np.isnan(results.targets[:, place])).sum())
        why = next(iter(scores.values())).excluded.get(target, "")
        cells = [number(found.per_task.get(target)) for found in scores.values()]
        metric = [metric_name(own[place])] if len(set(own)) > 1 else []
        rows.append([target, f"{known}{f' ({why})' if why else ''}", *metric, *cells, *_further(subject, place)])
    more = f"; the first {_TASKS} of {len(results.names)}" if len(results.names) > _TASKS else ""
    header = ["target", "known labels", *(["metric"] if len(set(own)) > 1 else []), *map(method_title, scores)]
    further = list(dict.fromkeys(_FURTHER[kind] for kind in subject.kinds))
    return [Table(f"Scores by target{more}", [*header, *_further_names(further)], rows)]


def _further_names(kinds: Sequence[tuple[str, ...]]) -> list[str]:
    return [metric_name(name) for names in kinds for name in names]


def _further(subject: RunSummary, place: int) -> list[str]:
    """The further metrics of one target; a dash for metrics of the other kind."""
    results = subject.test_results
    if results is None:
        return []
    pair = results.targets[:, [place]], results.predictions[subject.method][:, [place]]
    return [
        number(score(name, *pair).value, 3) if kind == subject.kinds[place] else "-"
        for kind in dict.fromkeys(subject.kinds)
        for name in _FURTHER[kind]
    ]
