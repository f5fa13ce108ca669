"""The section on single predictions: parity plots for regression; ROC, precision-recall and calibration for classes."""

from typing import Final

import numpy as np

from molweight.arrays import FloatArray
from molweight.report._calibration import brier_score, expected_calibration_error, known_pairs, reliability
from molweight.report._format import number, tested
from molweight.report._line_charts import lines
from molweight.report._outcome_plots import POINTS, parity, ranking_curve, reliability_diagram
from molweight.report._result_section import NOT_OPENED
from molweight.report._run_summary import RunSummary, TestResults, method_title
from molweight.report._section import Figure, Section, Table

__all__ = ["calibration_section"]

_DRAWN: Final = 4
"""Maximum number of targets drawn per kind."""


def calibration_section(subject: RunSummary) -> Section:
    """Plots by kind of target: predictions against labels, or ranking and calibration of classes."""
    title, results = "Predictions and labels", subject.test_results
    if results is None:
        return Section("calibration", title, [NOT_OPENED])
    classes = [place for place, kind in enumerate(subject.kinds) if kind == "classification"]
    numbers = [place for place, kind in enumerate(subject.kinds) if kind != "classification"]
    labelled = [place for place in numbers if (~np.isnan(results.targets[:, place])).any()]
    ranked = [place for place in classes if _both_classes(results.targets[:, place])]
    figures = [figure for place in ranked[:_DRAWN] for figure in _ranking(results, place)]
    figures += [_parity(subject, results, place) for place in labelled[:_DRAWN]]
    figures += [_error_curve(results, labelled[0])] if len(labelled) == 1 else []
    figures += _reliability(subject, results, classes)
    left = max(len(ranked) - _DRAWN, 0) + max(len(labelled) - _DRAWN, 0)
    words = [f"{left} more targets are in test_predictions.csv."] if left else []
    if not figures:
        words.append("No test molecule has a label.")
    tables = [_calibration_table(results, classes)] if classes and figures else []
    return Section("calibration", title, words, figures, tables, notes=_brier_note(results, classes) if tables else [])


def _both_classes(labels: FloatArray) -> bool:
    return len(np.unique(labels[~np.isnan(labels)])) > 1


def _ranking(results: TestResults, place: int) -> list[Figure]:
    """ROC and precision-recall curves of all methods for one target."""
    known, name = ~np.isnan(results.targets[:, place]), results.names[place]
    labels = results.targets[known, place]
    curves = {method_title(method): values[known, place] for method, values in _constants_out(results, place).items()}
    share = float(labels.mean())
    counts = f"{int(labels.sum())} of {len(labels)} test molecules are positive"
    roc = ranking_curve(f"roc{place}", labels, curves, name, f"{counts}.", kind="roc")
    precision = ranking_curve(f"pr{place}", labels, curves, name, f"{counts}.", kind="pr")
    return [
        Figure(roc, f"{name}: ROC curve. {counts}; the dotted line is a random order."),
        Figure(precision, f"{name}: precision and recall. The dotted line is the share of positives, {share:.2g}."),
    ]


def _constants_out(results: TestResults, place: int) -> dict[str, FloatArray]:
    """Predictions by method, without methods that predict one value for all molecules."""
    return {
        name: values
        for name, values in results.predictions.items()
        if len(np.unique(values[~np.isnan(results.targets[:, place]), place])) > 1
    }


def _parity(subject: RunSummary, results: TestResults, place: int) -> Figure:
    known, name = ~np.isnan(results.targets[:, place]), results.names[place]
    predicted = results.predictions[subject.method]
    labels, answers = (values[known, place].astype(np.float64) for values in (results.targets, predicted))
    words = _errors(labels, answers)
    drawn = f" {POINTS} of them are drawn." if len(labels) > POINTS else ""
    svg = parity(f"parity{place}", labels, answers, name, words)
    return Figure(svg, f"{name}. {words}{drawn} On the dotted line, prediction and label are equal.")


def _error_curve(results: TestResults, place: int) -> Figure:
    """Share of molecules within an error, by method."""
    known, name = ~np.isnan(results.targets[:, place]), results.names[place]
    curves, halves = {}, []
    for method, values in reversed(list(results.predictions.items())):
        errors = np.sort(np.abs(values[known, place].astype(np.float64) - results.targets[known, place]))
        curves[method_title(method)] = (errors, np.arange(1, len(errors) + 1) / len(errors))
        halves.append(f"{method_title(method)} {number(float(np.median(errors)), 3)}")
    words = f"Median absolute error: {', '.join(halves)}."
    svg = lines(
        "errors",
        curves,
        title=f"Share of test molecules within an absolute error of {name}",
        description=words,
        x=f"absolute error of {name}",
        y="share of molecules",
        steps=True,
        height=3.1,
    )
    return Figure(svg, f"Share of test molecules within an error; higher is better. {words}")


def _errors(labels: FloatArray, answers: FloatArray) -> str:
    error, ends = np.abs(labels - answers), (float(labels.min()), float(labels.max()))
    mean, largest = number(float(error.mean()), 3), number(float(error.max()), 3)
    return (
        f"{tested(len(labels))}: mean absolute error {mean}, largest {largest}, labels from "
        f"{number(ends[0], 3)} to {number(ends[1], 3)}."
    )


def _reliability(subject: RunSummary, results: TestResults, classes: list[int]) -> list[Figure]:
    labels, probabilities = known_pairs(results.targets[:, classes], results.predictions[subject.method][:, classes])
    if not len(labels):
        return []
    bins = reliability(labels, probabilities)
    described = "; ".join(
        f"{item.count} predictions around {number(item.predicted, 2)}: {number(item.observed, 2)} are positive"
        for item in bins
    )
    several = f", {len(classes)} targets together" if len(classes) > 1 else ""
    caption = (
        f"Reliability: {len(labels)} predictions of the test set{several}, in 10 bins of equal width; area: number of "
        "predictions. The dotted line is perfect calibration."
    )
    return [Figure(reliability_diagram("reliability", bins, described), caption)]


def _calibration_table(results: TestResults, classes: list[int]) -> Table:
    rows = []
    for name, predicted in results.predictions.items():
        pairs = known_pairs(results.targets[:, classes], predicted[:, classes])
        rows.append([method_title(name), number(expected_calibration_error(*pairs), 3), number(brier_score(*pairs), 3)])
    return Table("Calibration, lower is better", ["method", "ECE (10 bins)", "Brier score"], rows)


def _brier_note(results: TestResults, classes: list[int]) -> list[str]:
    labels, _ = known_pairs(results.targets[:, classes], results.targets[:, classes])
    share = float(labels.mean())
    constant = number(share * (1 - share), 3)
    return [f"Brier score of always predicting the share of positives ({number(share, 3)}): {constant}."]
