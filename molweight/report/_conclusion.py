"""The conclusion from a test score: the score with its interval, and a verdict against the baselines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from molweight.datasets import score
from molweight.datasets.internal import higher_is_better, metrics_of, ogb_metric
from molweight.report._bootstrap import Interval, bootstrap, interval
from molweight.report._format import metric_name, number, spread, verdict
from molweight.report._run_summary import TestResults, method_title

__all__ = ["FEWEST", "Conclusion", "conclude"]

FEWEST: Final = 20
"""Minimum number of labelled test molecules for a verdict."""
_CHEAP: Final = ("descriptor_trees", "mean")
"""Baselines that cost seconds, the stronger one first."""


@dataclass(frozen=True)
class Conclusion:
    """The outcome of a run on its test set.

    Args:
        metric: Name of the metric.
        molecules: Test molecules with a label.
        scores: Score by method with its 95 % interval, including the run itself.
        gains: Gain of the run over each other method, on the same bootstrap resamples; positive is better.
        own: Score of the run.
        further: Further metrics of the run by name: R2 and MAE, or average precision.
        verdict: Conclusion from the comparison with the baselines, in words.
    """

    metric: str
    molecules: int
    scores: Mapping[str, Interval]
    gains: Mapping[str, Interval]
    own: Interval
    further: Mapping[str, float]
    verdict: str

    @property
    def sentence(self) -> str:
        """The score, its interval and the further metrics in one line."""
        further = "".join(f"; {name} {number(value, 3)}" for name, value in self.further.items())
        molecules = f"{self.molecules} test molecule{'' if self.molecules == 1 else 's'}"
        ends = f" (95 % CI {spread(self.own)})" if np.isfinite(self.own.low) else ""
        return f"test {metric_name(self.metric)} {number(self.own.value)}{ends} on {molecules}{further}"


def conclude(results: TestResults, method: str, metric: str, kinds: Sequence[str]) -> Conclusion:
    """Compare a run with the baselines that were evaluated on the same test molecules.

    Args:
        results: Labels and predictions of the test set.
        method: Name of the run's method, among the keys of the predictions.
        metric: The metric of the table.
        kinds: ``"classification"`` or ``"regression"`` for each target.
    """
    found, draws = bootstrap(metric, results.targets, results.predictions)
    sign = 1.0 if higher_is_better(metric) else -1.0
    gains = {
        name: interval(sign * (found[method].value - found[name].value), sign * (draws[method] - drawn))
        for name, drawn in draws.items()
        if name != method
    }
    molecules = int((~np.isnan(results.targets)).any(axis=1).sum())
    further = _further(results, method, metric, kinds)
    words = _verdict(metric, molecules, gains)
    return Conclusion(metric, molecules, found, gains, found[method], further, words)


def _further(results: TestResults, method: str, metric: str, kinds: Sequence[str]) -> dict[str, float]:
    """Metrics in addition to that of the table: means over the targets of one kind; MAE only for a single target."""
    base, found = ogb_metric(metric) or metric, {}
    for kind, names in (("classification", ("roc_auc", "ap")), ("regression", ("r2", "rmse", "mae"))):
        columns = [place for place, own in enumerate(kinds) if own == kind]
        for name in names:
            if not columns or name in metrics_of(base, len(kinds)) or (name in ("rmse", "mae") and len(columns) > 1):
                continue
            pair = results.targets[:, columns], results.predictions[method][:, columns]
            found[metric_name(name)] = score(name, *pair).value
    return {name: value for name, value in found.items() if np.isfinite(value)}


def _verdict(metric: str, molecules: int, gains: Mapping[str, Interval]) -> str:
    """One or two sentences on the comparison with the cheap baselines; no verdict on too few molecules."""
    if molecules < FEWEST:
        return f"No verdict: {molecules} test molecules are too few ({FEWEST} are needed)."
    compared = [name for name in _CHEAP if name in gains] or list(gains)[:1]
    if not compared:
        return "No verdict: no baseline was evaluated on these molecules."
    return " ".join(_against(metric, name, gains[name]) for name in compared)


def _against(metric: str, name: str, gain: Interval) -> str:
    found = verdict(gain)
    other = f"the {method_title(name)}" if name == "mean" else method_title(name)
    word = "higher" if higher_is_better(metric) else "lower"
    if found == "no significant difference":
        return f"No significant difference from {other} (gain {number(gain.value, 2)}, 95 % CI {spread(gain, 2)})."
    if found == "worse":
        word = "lower" if word == "higher" else "higher"
        low, high = number(-gain.high, 2), number(-gain.low, 2)
    else:
        low, high = number(gain.low, 2), number(gain.high, 2)
    shown = "skill" if "," in metric else metric_name(metric)
    difference = number(abs(gain.value), 2)
    return f"{found.capitalize()} than {other}: {shown} {word} by {difference} (95 % CI {low} to {high})."
