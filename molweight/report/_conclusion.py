"""The conclusion from a test score: the score with its interval, and a verdict against the baselines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from molweight.datasets import score
from molweight.datasets.internal import higher_is_better, metrics_of, ogb_metric
from molweight.report._bootstrap import Interval, bootstrap, gain_interval
from molweight.report._format import metric_name, number, spread, tested, verdict
from molweight.report._rare_classes import FEWEST_OF_CLASS, judged_targets, rare_classes
from molweight.report._run_summary import TestResults, method_title

__all__ = ["FEWEST", "Conclusion", "conclude", "judged_part", "too_few_labels"]

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
        rare: The class with too few test labels for an interval, in words; empty if there is none.
    """

    metric: str
    molecules: int
    scores: Mapping[str, Interval]
    gains: Mapping[str, Interval]
    own: Interval
    further: Mapping[str, float]
    verdict: str
    rare: str = ""

    @property
    def too_few(self) -> bool:
        """Whether the test set has too few molecules, or too few of a class, for a verdict."""
        return self.molecules < FEWEST or bool(self.rare)

    @property
    def range(self) -> str:
        """The interval of the score, with a remark if it is unreliable; empty without an interval."""
        unreliable = f", unreliable with {self.rare}" if self.rare else ""
        return f"95 % CI {spread(self.own)}{unreliable}" if np.isfinite(self.own.low) else ""

    @property
    def sentence(self) -> str:
        """The score, its interval and the further metrics in one line."""
        further = "".join(f"; {name} {number(value, 3)}" for name, value in self.further.items())
        ends, size = f" ({self.range})" if self.range else "", tested(self.molecules)
        return f"test {metric_name(self.metric)} {number(self.own.value)}{ends} on {size}{further}"


def conclude(results: TestResults, method: str, metric: str, kinds: Sequence[str]) -> Conclusion:
    """Compare a run with the baselines that were evaluated on the same test molecules.

    Args:
        results: Labels and predictions of the test set.
        method: Name of the run's method, among the keys of the predictions.
        metric: The metric of the table.
        kinds: ``"classification"`` or ``"regression"`` for each target.
    """
    found, gains = _compared(results, method, metric)
    further = _further(results, method, metric, kinds)
    words, molecules = _verdict(results, method, metric, kinds, gains), _labelled(results)
    return Conclusion(
        metric, molecules, found, gains, found[method], further, words, rare_classes(results.targets, kinds)
    )


def _labelled(results: TestResults) -> int:
    return int((~np.isnan(results.targets)).any(axis=1).sum())


def _compared(results: TestResults, method: str, metric: str) -> tuple[dict[str, Interval], dict[str, Interval]]:
    """The score of each method, and the gain of one over each other."""
    found, draws = bootstrap(metric, results.targets, results.predictions)
    return found, {name: gain_interval(metric, found, draws, method, name) for name in found if name != method}


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


def judged_part(results: TestResults, kinds: Sequence[str]) -> tuple[TestResults, str]:
    """The targets with enough labels of both classes for a verdict, and a remark on those that are left out.

    Args:
        results: Labels and predictions of the test set.
        kinds: ``"classification"`` or ``"regression"`` for each target.

    Returns:
        The results, without the labels of targets that are left out, and the remark as a sentence with a leading blank;
        the results themselves and an empty remark if no target is left out, or all would be.
    """
    judged, scored = judged_targets(results.targets, kinds), ~np.isnan(results.targets).all(axis=0)
    left_out = int((scored & ~judged).sum())
    if not left_out or not judged.any():
        return results, ""
    part = replace(results, targets=np.where(judged, results.targets, np.nan).astype(np.float32))
    return part, (
        f" Without {left_out} of {len(kinds)} targets, which have fewer than {FEWEST_OF_CLASS} labels of a class."
    )


def too_few_labels(results: TestResults, kinds: Sequence[str]) -> str:
    """The reason why a test set is too small for a verdict, in words; empty if it is large enough.

    Args:
        results: Labels of the test set, of :func:`judged_part`.
        kinds: ``"classification"`` or ``"regression"`` for each target.
    """
    molecules, rare = _labelled(results), rare_classes(results.targets, kinds)
    if molecules < FEWEST:
        return f"{tested(molecules)} {'is' if molecules == 1 else 'are'} too few ({FEWEST} are needed)"
    return f"{rare} in the test set ({FEWEST_OF_CLASS} are needed)" if rare else ""


def _verdict(
    results: TestResults, method: str, metric: str, kinds: Sequence[str], gains: Mapping[str, Interval]
) -> str:
    """A few sentences on the comparison with the cheap baselines; no verdict on too few molecules, or of a class."""
    part, remark = judged_part(results, kinds)
    if few := too_few_labels(part, kinds):
        return f"No verdict: {few}."
    if remark:
        gains = _compared(part, method, metric)[1]
    compared = [name for name in _CHEAP if name in gains] or list(gains)[:1]
    if not compared:
        return "No verdict: no baseline was evaluated on these molecules."
    return " ".join(_against(metric, name, gains[name]) for name in compared) + remark


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
