"""The section on predicted uncertainties, for one run or for several as an ensemble."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from molweight.arrays import FloatArray
from molweight.report._bootstrap import Interval
from molweight.report._coverage import coverage, rank_correlation_interval, wrong_shares
from molweight.report._format import number, spread
from molweight.report._line_charts import lines
from molweight.report._run_summary import RunSummary
from molweight.report._section import Figure, Section, Table

__all__ = ["errors_section", "numbers_section", "spread_section"]


_LEVELS: Final = (0.5, 0.8, 0.9, 0.95)
_TITLE: Final = "Uncertainty"
_NONE: Final = (
    "This page has no estimate of the uncertainty: the test set was not evaluated, or the run is a single model for "
    "classes whose encoder has no dropout. Fit with several members or with encoder_options.dropout 0.1, or compare "
    "runs with different seeds (molweight report A B C): their spread is an estimate."
)


def _how(subject: RunSummary) -> str:
    """The kind of deviations."""
    if subject.method == "ensemble":
        return "Disagreement of the members and partners of the ensemble, calibrated out of fold"
    about = subject.about
    if about.get("dropout_factors") is None and not about["options"].get("encoder_options", {}).get("dropout"):
        return "Typical error on select at the same distance from the training molecules"
    scaled = ", times a factor fitted on select" if subject.task == "regression" else ""
    return f"Standard deviation of predictions under 30 dropout masks (Monte Carlo dropout){scaled}"


def spread_section(subject: RunSummary) -> Section:
    """Predicted standard deviations against the errors on the test set."""
    opened = subject.test_results
    if opened is None or opened.deviations is None:
        return Section("uncertainty", _TITLE, [_NONE])
    words = f"{_how(subject)}, against the errors on the test set."
    predictions = opened.predictions[subject.method]
    return errors_section(subject.kinds, opened.targets, predictions, opened.deviations, words)


def errors_section(
    kinds: Sequence[str], targets: FloatArray, predictions: FloatArray, deviations: FloatArray, words: str
) -> Section:
    """How well deviations predict errors; of targets of both kinds, only the numbers, because errors are not pooled.

    Args:
        kinds: ``"classification"`` or ``"regression"`` for each target.
        targets: ``n x T``, NaN where missing.
        predictions: ``n x T``.
        deviations: ``n x T``.
        words: Origin of the deviations, in words.
    """
    if len(set(kinds)) == 1:
        return numbers_section(kinds[0], targets, predictions, deviations, words)
    numbers = [place for place, kind in enumerate(kinds) if kind == "regression"]
    words = f"{words} Only targets that are numbers are included."
    return numbers_section("regression", targets[:, numbers], predictions[:, numbers], deviations[:, numbers], words)


def numbers_section(
    task: str, targets: FloatArray, predictions: FloatArray, deviations: FloatArray, words: str
) -> Section:
    """How well deviations predict errors, on labelled molecules.

    Args:
        task: ``"classification"`` or ``"regression"``.
        targets: ``n x T``, NaN where missing.
        predictions: ``n x T``.
        deviations: ``n x T``.
        words: Origin of the deviations, in words.
    """
    known = ~np.isnan(targets)
    if not known.any():
        return Section("uncertainty", _TITLE, ["No test molecule has a label."])
    label, found = _ranks(np.abs(targets - predictions), deviations)
    rows, words = [[label, number(found.value, 3)]], f"{words}{_useless(found)}"
    labels, answers, spreads = (values[known].astype(np.float64) for values in (targets, predictions, deviations))
    if task == "classification":
        sure, unsure = wrong_shares(labels, answers, spreads)
        rows += [
            ["error rate in the half with smaller deviations", number(sure, 3)],
            ["error rate in the half with larger deviations", number(unsure, 3)],
        ]
        return Section(
            "uncertainty", _TITLE, [words], tables=[Table("Quality of the standard deviations", ["", ""], rows)]
        )
    held = {level: coverage(labels, answers, spreads, level) for level in _LEVELS}
    rows += [[f"labels inside the {level:.0%} interval", f"{share:.1%}"] for level, share in held.items()]
    table = Table("Quality of the standard deviations; intervals assume normal errors", ["", ""], rows)
    return Section("uncertainty", _TITLE, [words], [_figure(labels, answers, spreads)], [table])


def _ranks(errors: FloatArray, deviations: FloatArray) -> tuple[str, Interval]:
    """Spearman's correlation of each target, its interval over molecules, and the medians of both with several targets.

    Errors of several targets are not pooled: between targets of different units they rank by unit.
    """
    name = "Spearman correlation of error and deviation"
    columns = [
        (error[known].astype(np.float64), deviation[known].astype(np.float64))
        for error, deviation in zip(errors.T, deviations.T, strict=True)
        if (known := ~np.isnan(error)).any()
    ]
    found = [rank_correlation_interval(*column) for column in columns]
    scored = [at for at in found if np.isfinite(at.value)]
    if not scored:
        return name, Interval(float("nan"), float("nan"), float("nan"))
    if len(columns) == 1:
        return name, scored[0]
    value, low, high = np.median([[at.value, at.low, at.high] for at in scored], axis=0)
    return f"{name}, median of {len(scored)} targets", Interval(float(value), float(low), float(high))


def _useless(found: Interval) -> str:
    """A sentence if the deviations are not shown to increase with the error; empty if they are, or if none is known."""
    if not np.isfinite(found.value) or found.low > 0:
        return ""
    interval = f"{number(found.value, 2)}, 95 % CI {spread(found, 2)}"
    if found.value > 0:
        return (
            f" There is no evidence here that the deviations increase with the error (Spearman correlation {interval})."
        )
    return (
        f" The deviations do not increase with the error here (Spearman correlation {interval}): do not rely on them."
    )


def _figure(labels: FloatArray, answers: FloatArray, spreads: FloatArray) -> Figure:
    levels = np.linspace(0.05, 0.95, 19)
    held = np.array([coverage(labels, answers, spreads, level) for level in levels])
    words = f"At 50 %: {number(float(held[9]), 3)}; at 95 %: {number(float(held[-1]), 3)}."
    svg = lines(
        "coverage",
        {"observed": (levels, held), "ideal": (levels, levels)},
        title="Observed coverage of the intervals against their nominal level",
        description=words,
        x="nominal level",
        y="share of labels inside",
    )
    return Figure(svg, f"Coverage. Below the ideal line, intervals are too narrow. {words}")
