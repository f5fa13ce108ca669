"""Sections on the test set: scores with intervals, calibration or parity, the map, the worst molecules."""

from typing import Final

import numpy as np

from molweight.arrays import FloatArray
from molweight.datasets import score
from molweight.datasets.internal import higher_is_better
from molweight.report._bootstrap import DRAWS, Interval, bootstrap, interval
from molweight.report._calibration import brier_score, expected_calibration_error, known_pairs, reliability
from molweight.report._format import direction, metric_name, number, spread, verdict
from molweight.report._outcome_plots import POINTS, parity, reliability_diagram, vector_map
from molweight.report._rdkit_draw import draw_molecule, draw_shares, strongest_atoms
from molweight.report._run_summary import RunSummary, TestResults, method_title
from molweight.report._section import Card, Figure, Section, Table

__all__ = ["NOT_OPENED", "calibration_section", "map_section", "scores_section", "worst", "wrong_section"]

NOT_OPENED: Final = (
    "There is no labelled test set, or it has not been opened in this run, or by a version that did not keep what it "
    "showed, so this part is missing. molweight fit opens it once; in Python, run.evaluate('test') does, before "
    "run.save or run.report."
)
_TASKS: Final = 40
"""Targets listed by name at most."""
_PARITY: Final = 4
"""Parity plots at most."""
_WORST: Final = 12
_COLOURS: Final = (
    "Colours: what each atom adds to the prediction, by Shapley values of few draws; orange raises it, blue lowers it. "
    "molweight explain draws more of them, for any molecule."
)
_INTERVALS: Final = (
    f"Intervals: {DRAWS} bootstrap draws of test molecules, percentiles; the same draws for all methods. They do not "
    "hold how much another seed of training would change."
)


def scores_section(subject: RunSummary) -> Section:
    """Test metric of the run and its baselines, with intervals, and what their differences support."""
    title, opened = "Test score", subject.test_results
    if opened is None:
        return Section("scores", title, [NOT_OPENED])
    found, draws = bootstrap(subject.metric, opened.targets, opened.predictions)
    sign = 1.0 if higher_is_better(subject.metric) else -1.0
    gains = {
        name: interval(sign * (found[subject.method].value - found[name].value), sign * (draws[subject.method] - drawn))
        for name, drawn in draws.items()
        if name != subject.method
    }
    words = [
        _score_said(subject, found[subject.method], len(opened.smiles)),
        *(_said(subject, other, gain) for other, gain in gains.items()),
        _INTERVALS,
    ]
    tables = [_scores_table(subject, found, gains), *_tasks_tables(subject, opened)]
    return Section("scores", title, words, tables=tables)


def _score_said(subject: RunSummary, found: Interval, molecules: int) -> str:
    name = f"{metric_name(subject.metric)} ({direction(subject.metric)})"
    return f"{name} on {molecules} test molecules: {number(found.value)}, 95 % interval {spread(found)}."


def _said(subject: RunSummary, other: str, gain: Interval) -> str:
    own, found = method_title(subject.method), verdict(gain)
    ends = f"gain {number(gain.value, 3)}, 95 % interval {spread(gain)}"
    if found == "no difference supported":
        return f"These molecules support no difference between {own} and {method_title(other)} ({ends})."
    return f"{own} is {found} than {method_title(other)} on these molecules ({ends})."


def _scores_table(subject: RunSummary, found: dict[str, Interval], gains: dict[str, Interval]) -> Table:
    methods = {method.name: method for method in subject.methods}
    rows = []
    for name, value in found.items():
        gain = f"{number(gains[name].value, 3)} ({spread(gains[name])})" if name in gains else "itself"
        method = methods.get(name)
        known = [number(method.select), number(method.seconds, 3)] if method else ["-", "-"]
        rows.append([method_title(name), number(value.value), spread(value), gain, *known])
    own, metric = method_title(subject.method), metric_name(subject.metric)
    header = ["method", f"test {metric}", "95 % interval", f"gain of {own} over it", f"select {metric}", "seconds"]
    return Table("Methods on the same test molecules; a positive gain says that the run is better", header, rows)


def _tasks_tables(subject: RunSummary, opened: TestResults) -> list[Table]:
    """Scores by target, where there are several."""
    if len(opened.names) == 1:
        return []
    scores = {
        name: score(subject.metric, opened.targets, predicted, opened.names)
        for name, predicted in opened.predictions.items()
    }
    rows = []
    for place, target in enumerate(opened.names[:_TASKS]):
        known = int((~np.isnan(opened.targets[:, place])).sum())
        cells = [number(found.per_task.get(target)) for found in scores.values()]
        why = next(iter(scores.values())).excluded.get(target, "")
        rows.append([target, f"{known}{f' ({why})' if why else ''}", *cells])
    more = f"; the first {_TASKS} of {len(opened.names)}" if len(opened.names) > _TASKS else ""
    caption = f"{metric_name(subject.metric)} by target{more}"
    return [Table(caption, ["target", "known labels", *(method_title(name) for name in scores)], rows)]


def calibration_section(subject: RunSummary) -> Section:
    """Whether probabilities are met, or for numbers whether predictions equal labels."""
    classes, opened = subject.task == "classification", subject.test_results
    title = "Calibration" if classes else "Predictions and labels"
    if opened is None:
        return Section("calibration", title, [NOT_OPENED])
    return _calibration(subject, opened, title) if classes else _parity(subject, opened, title)


def _calibration(subject: RunSummary, opened: TestResults, title: str) -> Section:
    rows = []
    for name, predicted in opened.predictions.items():
        pairs = known_pairs(opened.targets, predicted)
        rows.append([method_title(name), number(expected_calibration_error(*pairs), 3), number(brier_score(*pairs), 3)])
    labels, probabilities = known_pairs(opened.targets, opened.predictions[subject.method])
    if not len(labels):
        return Section("calibration", title, ["No test molecule has a label."])
    share, bins = float(labels.mean()), reliability(labels, probabilities)
    described = "; ".join(
        f"{item.count} predictions around {number(item.predicted, 2)}: {number(item.observed, 2)} are ones"
        for item in bins
    )
    several = f", of all {len(opened.names)} targets together" if len(opened.names) > 1 else ""
    caption = (
        f"{len(labels)} predictions of the test set{several}, in 10 bins of equal width; area: number of predictions. "
        "On the dotted line, probabilities are met."
    )
    words = (
        f"Brier score of always predicting the share of ones ({number(share, 3)}): {number(share * (1 - share), 3)}. "
        "Both Brier score and ECE are better when lower; a bin with few predictions says little."
    )
    table = Table("Calibration of the methods", ["method", "ECE (10 bins)", "Brier score"], rows)
    return Section(
        "calibration", title, [words], [Figure(reliability_diagram("reliability", bins, described), caption)], [table]
    )


def _parity(subject: RunSummary, opened: TestResults, title: str) -> Section:
    figures: list[Figure] = []
    predicted = opened.predictions[subject.method]
    for place, name in enumerate(opened.names):
        known = ~np.isnan(opened.targets[:, place])
        if not known.any() or len(figures) == _PARITY:
            continue
        labels, answers = (values[known, place].astype(np.float64) for values in (opened.targets, predicted))
        words = _errors(labels, answers)
        drawn = f" {POINTS} of them are drawn." if len(labels) > POINTS else ""
        svg = parity(f"parity{place}", labels, answers, name, words)
        figures.append(Figure(svg, f"{name}. {words}{drawn} On the dotted line, both are equal."))
    left = len(opened.names) - len(figures)
    said = [f"{left} more targets stand in test_predictions.csv."] if left else []
    return Section("calibration", title, said, figures)


def _errors(labels: FloatArray, answers: FloatArray) -> str:
    error, ends = np.abs(labels - answers), (float(labels.min()), float(labels.max()))
    mean, largest = number(float(error.mean()), 3), number(float(error.max()), 3)
    return (
        f"{len(labels)} test molecules: mean absolute error {mean}, largest {largest}, labels from "
        f"{number(ends[0], 3)} to {number(ends[1], 3)}."
    )


def map_section(subject: RunSummary) -> Section:
    """The vectors of the test molecules in the plane of most variance."""
    title, opened, vectors = "Map of the embedding", subject.test_results, subject.embedding
    if opened is None or vectors is None:
        return Section("map", title, [NOT_OPENED])
    usable = np.isfinite(vectors).all(axis=1)
    if usable.sum() < 3 or min(vectors.shape) < 2:  # noqa: PLR2004 - a plane needs three points in two dimensions
        return Section("map", title, ["There are too few test molecules for a map."])
    from sklearn.decomposition import PCA

    if (vectors[usable] == vectors[usable][0]).all():
        return Section("map", title, ["All test molecules have the same vector: the encoder has collapsed."])
    projection = PCA(n_components=2, svd_solver="full")
    places = projection.fit_transform(vectors[usable].astype(np.float64))
    first, second = (f"{100 * share:.0f} %" for share in projection.explained_variance_ratio_)
    words = f"The two axes hold {first} and {second} of the variance of {int(usable.sum())} test molecules."
    name, labels = opened.names[0], opened.targets[usable, 0]
    if np.isnan(labels).all():
        return Section("map", title, [f"No test molecule has a label for {name} to colour the map by."])
    classes = subject.task == "classification"
    svg = vector_map("map", places, labels, name, classes=classes, description=words)
    caption = f"Vectors of the finetuned encoder, principal components, coloured by the label {name}. {words}"
    return Section("map", title, figures=[Figure(svg, caption)])


def wrong_section(subject: RunSummary) -> Section:
    """The test molecules that the run is most wrong about."""
    title, opened = "Most wrong molecules", subject.test_results
    if opened is None:
        return Section("wrong", title, [NOT_OPENED])
    cards = [_card(subject, opened, *pair) for pair in worst(subject.task, opened, subject.method)]
    words = "Those with the largest distance between prediction and label"
    scaled = ", in standard deviations of the labels" if len(opened.names) > 1 and subject.task == "regression" else ""
    said = [f"{words}{scaled}. Look at labels, stereochemistry and salts first."]
    return Section("wrong", title, [*said, _COLOURS] if subject.shares else said, cards=cards)


def worst(task: str, opened: TestResults, method: str, most: int = _WORST) -> list[tuple[int, int]]:
    """Molecule and target of the predictions that are furthest from their label, the furthest first.

    Args:
        task: ``"classification"`` or ``"regression"``; numbers for several targets are compared in their deviations.
        opened: The test set.
        method: Whose predictions.
        most: How many at most.
    """
    error = np.abs(opened.predictions[method].astype(np.float64) - opened.targets)
    if task == "regression" and len(opened.names) > 1:
        error = error / _unit(opened.targets)
    order = np.argsort(-np.nan_to_num(error, nan=-1.0), axis=None, kind="stable")[:most]
    pairs = [divmod(int(place), len(opened.names)) for place in order]
    return [pair for pair in pairs if not np.isnan(error[pair])]


def _unit(targets: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Standard deviation of each target; 1 where there is none."""
    deviations = [
        float(np.std(column[~np.isnan(column)])) if (~np.isnan(column)).any() else 0.0 for column in targets.T
    ]
    return np.array([deviation or 1.0 for deviation in deviations])


def _card(subject: RunSummary, opened: TestResults, molecule: int, target: int) -> Card:
    smiles, label = opened.smiles[molecule], float(opened.targets[molecule, target])
    answer = float(opened.predictions[subject.method][molecule, target])
    said = f"{opened.names[target]}: label {number(label)}, predicted {number(answer)}"
    key, shares = f"wrong{molecule}-{target}", subject.shares.get((molecule, target))
    if shares is None:
        svg = draw_molecule(smiles, key, f"{said}.")
    else:
        svg = draw_shares(smiles, shares, key, f"{said}. {strongest_atoms(shares)}.")
    return Card(svg, [said, f"row {int(opened.rows[molecule])}", smiles])
