"""Several runs on one page: scores, weights, and differences in their options."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from molweight._yaml import load_yaml
from molweight.errors import ConfigError, DataError
from molweight.report._bootstrap import Interval, bootstrap, gain_interval
from molweight.report._conclusion import judged_part, too_few_labels
from molweight.report._format import direction, metric_name, number, spread, verdict, with_spread
from molweight.report._line_charts import lines
from molweight.report._render import page
from molweight.report._run_summary import RunSummary, method_title
from molweight.report._section import Figure, Section, Table
from molweight.report._training_sections import history_series
from molweight.report._uncertainty_section import errors_section

__all__ = ["render_side_by_side"]

_FIGURES: Final = 24
"""Maximum number of objectives whose trajectories are drawn."""
_SEVERAL: Final = 2
_OF_THE_PLACE: Final = ("config", "name", "runs", "resume", "quiet", "json", "tensorboard", "preset")
"""Options that do not count as differences: those of folders and output, and those that only set other options."""


def render_side_by_side(subjects: Sequence[RunSummary]) -> str:
    """Runs side by side as an HTML page.

    Args:
        subjects: The runs, with different names; the others are compared with the first one.

    Returns:
        The page, like that of :func:`render`.
    """
    sections = [
        _runs_section(subjects),
        _scores_section(subjects),
        _ensemble_section(subjects),
        _weights_section(subjects),
        _trajectories_section(subjects),
        _options_section(subjects),
        _findings_section(subjects),
    ]
    title = f"{len(subjects)} runs: {', '.join(subject.name for subject in subjects)}"
    return page(title, "Runs of molweight side by side; the report of each has the details", sections)


def _runs_section(subjects: Sequence[RunSummary]) -> Section:
    rows = []
    for subject in subjects:
        data = subject.about["data"]
        what = f"{data.get('name', '-')}, {data.get('molecules', '-')} molecules"
        made = f"{subject.options['encoder']}, {method_title(subject.method)}"
        rows.append([subject.name, what, made, str(subject.options["seed"]), number(subject.about["seconds"], 3)])
    header = ["run", "data", "encoder and method", "seed", "seconds"]
    return Section("runs", "The runs", tables=[Table("Data, method and seed", header, rows)])


def _scores_section(subjects: Sequence[RunSummary]) -> Section:
    """Scores with intervals, and gains over the first run if both have the same test set."""
    first = subjects[0]
    found = {subject.name: _interval(subject) for subject in subjects}
    gains = {subject.name: _gain(first, subject) for subject in subjects[1:]}
    words = [judgement for subject in subjects[1:] if (judgement := _judgement(first, subject))]
    apart = [name for name, gain in gains.items() if gain is None]
    if apart:
        words.append(
            f"{', '.join(apart)}: no comparison with {first.name}, because the test molecules, their labels or the "
            "metric are not the same, or the test set was not evaluated."
        )
    rows = []
    for subject in subjects:
        value, gain = found[subject.name], gains.get(subject.name)
        shown = [number(value.value), spread(value)] if value else ["not evaluated", "-"]
        metric = f"{metric_name(subject.metric)} ({direction(subject.metric)})"
        against = "-" if gain is None else with_spread(gain, 3)
        rows.append([subject.name, metric, *shown, against, number(float(subject.about["finetuning"]["best"]))])
    header = ["run", "metric", "test", "95 % interval", f"gain over {first.name}", _select_title(subjects)]
    caption = "Scores; a positive gain means that the run is better than the first one, on the same draws of molecules"
    words.append("Runs that differ only in the seed show how much a score varies by chance.")
    return Section("scores", "Test scores", words, tables=[Table(caption, header, rows)])


def _select_title(subjects: Sequence[RunSummary]) -> str:
    """Title of the scores outside the test set: an ensemble is trained on ``select`` and scored out of fold."""
    fitted = any(subject.about["finetuning"].get("cross_fitting") for subject in subjects)
    return "select, or out of fold (ensemble)" if fitted else "select"


def _judgement(first: RunSummary, other: RunSummary) -> str:
    """The verdict on a run against the first one, by the rules of a run against its baselines; empty without a gain."""
    (one, remark), (two, _) = _judged(first), _judged(other)
    gain = _gain(one, two)
    if gain is None or one.test_results is None:
        return ""
    if few := too_few_labels(one.test_results, one.kinds):
        return f"{other.name} against {first.name}: no verdict, {few}."
    found = f"{verdict(gain)} (gain {number(gain.value, 3)}, 95 % interval {spread(gain)})"
    return f"{other.name} against {first.name}: {found}.{remark}"


def _judged(subject: RunSummary) -> tuple[RunSummary, str]:
    """The run with those of its test labels that a verdict is based on, and a remark on the others."""
    if subject.test_results is None:
        return subject, ""
    part, remark = judged_part(subject.test_results, subject.kinds)
    return replace(subject, test_results=part), remark


def _interval(subject: RunSummary) -> Interval | None:
    if subject.test_results is None:
        return None
    own = {subject.method: subject.test_results.predictions[subject.method]}
    return bootstrap(subject.metric, subject.test_results.targets, own)[0][subject.method]


def _gain(first: RunSummary, other: RunSummary) -> Interval | None:
    """Gain of the other run over the first; ``None`` if they cannot be compared."""
    if not _comparable(first, other) or first.test_results is None or other.test_results is None:
        return None
    predictions = {
        "first": first.test_results.predictions[first.method],
        "other": other.test_results.predictions[other.method],
    }
    found, drawn = bootstrap(first.metric, first.test_results.targets, predictions)
    return gain_interval(first.metric, found, drawn, "other", "first")


def _comparable(first: RunSummary, other: RunSummary) -> bool:
    """Whether both were tested on the same molecules in the same order, with the same labels and metric."""
    one, two = first.test_results, other.test_results
    if one is None or two is None or first.metric != other.metric:
        return False
    same = list(one.smiles) == list(two.smiles) and list(one.names) == list(two.names)
    return same and np.array_equal(one.targets, two.targets, equal_nan=True)


def _ensemble_section(subjects: Sequence[RunSummary]) -> Section:
    """The runs as one model: their mean, and their spread as its uncertainty."""
    first = subjects[0]
    opened = [subject.test_results for subject in subjects if subject.test_results is not None]
    if len(opened) < len(subjects) or not all(_comparable(first, other) for other in subjects[1:]):
        words = (
            "These runs were not tested on the same molecules and labels, so they cannot be combined into an ensemble."
        )
        return Section("uncertainty", "As an ensemble", [words])
    samples = np.stack([own.predictions[subject.method] for own, subject in zip(opened, subjects, strict=True)])
    mean, deviation = samples.mean(axis=0), samples.std(axis=0, ddof=1)
    found = bootstrap(first.metric, opened[0].targets, {"mean": mean})[0]["mean"]
    ends = f", 95 % interval {spread(found)}" if np.isfinite(found.low) else ""
    score = f"{metric_name(first.metric)} of the mean prediction: {number(found.value)}{ends}."
    words = f"{score} Standard deviation over the {len(subjects)} runs, not scaled, against the errors of the mean."
    section = errors_section(first.kinds, opened[0].targets, mean, deviation, words)
    return replace(section, title="As an ensemble")


def _weights_section(subjects: Sequence[RunSummary]) -> Section:
    title, learned = "Weights", [subject for subject in subjects if subject.about["weights"]]
    if not learned:
        return Section("weights", title, ["None of these runs has adaptive pretraining."])
    names = list(dict.fromkeys(name for subject in learned for name in subject.about["weights"]))
    rows = [[name, *(number(subject.about["weights"].get(name), 3) for subject in learned)] for name in names]
    header = ["objective", *(subject.name for subject in learned)]
    return Section("weights", title, tables=[Table("Weights at the end of adaptive pretraining", header, rows)])


def _trajectories_section(subjects: Sequence[RunSummary]) -> Section:
    title = "Trajectories of the weights"
    by_run = {subject.name: history_series(subject.records, "weights") for subject in subjects}
    names = list(dict.fromkeys(name for series in by_run.values() for name in series))
    if not names:
        return Section("trajectories", title, ["None of these runs has adaptive pretraining."])
    figures = []
    for place, name in enumerate(names[:_FIGURES]):
        series = {run: found[name] for run, found in by_run.items() if name in found}
        ends = ", ".join(f"{run} {number(float(values[-1]), 3)}" for run, (_, values) in series.items())
        svg = lines(
            f"trajectory{place}",
            series,
            title=f"Weight of {name} in each run",
            description=f"At the last step: {ends}.",
            x="step of adaptive pretraining",
            y="weight λ",
        )
        figures.append(Figure(svg, f"{name}. At the last step: {ends}."))
    left = len(names) - len(figures)
    return Section("trajectories", title, [f"{left} more are not drawn."] if left else [], figures)


def _options_section(subjects: Sequence[RunSummary]) -> Section:
    """The options that differ between the runs."""
    typed = [_typed(subject) for subject in subjects]
    kept = typed if all(typed) else [{} for _ in typed]  # an option recorded for only some runs is not a difference
    flat = [
        _flat({**found, **subject.options, "data": subject.about["data"]})
        for found, subject in zip(kept, subjects, strict=True)
    ]
    names = list(dict.fromkeys(name for values in flat for name in values))
    rows = []
    for name in names:
        values = [found.get(name, "-") for found in flat]
        if len(set(values)) >= _SEVERAL:
            rows.append([name, *values])
    if not rows:
        return Section("options", "Options that differ", ["All options and the data are the same."])
    header = ["option", *(subject.name for subject in subjects)]
    return Section("options", "Options that differ", tables=[Table("All others are the same", header, rows)])


def _typed(subject: RunSummary) -> dict[str, Any]:
    """Further command-line options: for the table, its split, the corpus and the baselines."""
    try:
        found = load_yaml(subject.config or "", "options of the run")
    except ConfigError as error:
        raise DataError(f"config.yaml of {subject.name} is damaged: {error} Restore it, or remove it.") from error
    options = found if isinstance(found, dict) else {}
    return {str(name): value for name, value in options.items() if name not in _OF_THE_PLACE}


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value if isinstance(value, str) else json.dumps(value, default=str)
    return found


def _findings_section(subjects: Sequence[RunSummary]) -> Section:
    said = [f"{subject.name}: {item['message']}" for subject in subjects for item in subject.about.get("findings", ())]
    return Section("findings", "Findings", said or ["No findings in adaptive pretraining."])
