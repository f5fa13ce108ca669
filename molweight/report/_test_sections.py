"""Sections on the molecules of the test set: the map of their vectors, and the worst predictions."""

from typing import Final

import numpy as np

from molweight.arrays import Float32Matrix, Float64Array
from molweight.graphs.internal import tasks_of
from molweight.report._format import number
from molweight.report._outcome_plots import vector_map
from molweight.report._rdkit_draw import draw_molecule, draw_shares, strongest_atoms
from molweight.report._result_section import NOT_OPENED
from molweight.report._run_summary import LEAST_SHOWN, RunSummary, TestResults, graph_weight
from molweight.report._section import Card, Figure, Section

__all__ = ["map_section", "worst", "wrong_section"]

_WORST: Final = 12
_FEWEST_WORST: Final = 4
_COLOURS: Final = (
    "Colours: the share of each atom in {whole} (Shapley values, few draws); orange raises it, blue lowers it. "
    "molweight explain computes them with more draws, for any molecule."
)
_PART: Final = "the graph members' part of the prediction, whose weight in the ensemble is {weight:.2f} of 1"
_NO_COLOURS: Final = (
    "Atoms are not coloured: only the graph members respond to single atoms, and their weight in the ensemble is "
    "{weight:.2f} of 1. To attribute all of a prediction, explain a run with --members 1."
)


def map_section(subject: RunSummary) -> Section:
    """The vectors of the test molecules on the first two principal components."""
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
    words = f"The two axes explain {first} and {second} of the variance of {int(usable.sum())} test molecules."
    name, labels = opened.names[0], opened.targets[usable, 0]
    if np.isnan(labels).all():
        return Section("map", title, [f"No test molecule has a label for {name} to colour the map by."])
    classes = subject.kinds[0] == "classification"
    by_label = vector_map("map", places, labels, name, classes=classes, description=words)
    error = np.abs(opened.predictions[subject.method][usable, 0] - labels)
    by_error = vector_map("map-error", places, error, f"error of {name}", classes=False, description=words)
    caption = f"Vectors of the finetuned encoder, principal components, coloured by the label {name}. {words}"
    figures = [Figure(by_label, caption), Figure(by_error, f"The same, coloured by the absolute error of {name}.")]
    return Section("map", title, figures=figures)


def wrong_section(subject: RunSummary) -> Section:
    """The test molecules with the largest errors."""
    title, opened = "Largest errors", subject.test_results
    if opened is None:
        return Section("wrong", title, [NOT_OPENED])
    cards = [_card(subject, opened, *pair) for pair in worst(subject.task, opened, subject.method)]
    words = "The test molecules with the largest difference between prediction and label"
    several = len(opened.names) > 1 and "regression" in subject.kinds
    scaled = ", for numbers in standard deviations of the labels" if several else ""
    said = [f"{words}{scaled}. Check labels, stereochemistry and salts first."]
    weight = graph_weight(subject.about)
    if weight < LEAST_SHOWN:
        said.append(_NO_COLOURS.format(weight=weight))
    elif any(shares.any() for shares in subject.shares.values()):
        said.append(_COLOURS.format(whole="the prediction" if weight == 1 else _PART.format(weight=weight)))
    return Section("wrong", title, said, cards=cards)


def worst(task: str, opened: TestResults, method: str) -> list[tuple[int, int]]:
    """Molecule and target of the predictions with the largest errors, the largest first.

    A fifth of the predictions, at least 4 and at most 12.

    Args:
        task: Task of the table; with several targets, regression errors are divided by the standard
            deviation of the labels.
        opened: The test set.
        method: Name of the method.
    """
    error = np.abs(opened.predictions[method].astype(np.float64) - opened.targets)
    if len(opened.names) > 1:
        kinds = np.array(tasks_of(task, len(opened.names)))
        error = error / np.where(kinds == "classification", 1.0, _unit(opened.targets))
    most = np.clip(int((~np.isnan(error)).sum()) // 5, _FEWEST_WORST, _WORST)
    order = np.argsort(-np.nan_to_num(error, nan=-1.0), axis=None, kind="stable")[:most]
    pairs = [divmod(int(place), len(opened.names)) for place in order]
    return [pair for pair in pairs if not np.isnan(error[pair])]


def _unit(targets: Float32Matrix) -> Float64Array:
    """Standard deviation of each target; 1 if undefined."""
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
