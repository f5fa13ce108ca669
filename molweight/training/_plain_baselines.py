"""Baselines without a graph that take seconds, as a reference for the score of a run."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from molweight.arrays import AnyArray, Float32Matrix, Indices
from molweight.datasets import Score, Splits, score
from molweight.datasets.internal import exact_labels, row_numbers
from molweight.ensemble import BoostedTrees
from molweight.ensemble.internal import default_rounds
from molweight.features import feature_matrix
from molweight.graphs import MoleculeDataset
from molweight.graphs.internal import tasks_of
from molweight.report import TestResults

__all__ = ["PLAIN_BASELINES", "PlainBaseline", "plain_baseline"]

PLAIN_BASELINES: Final = ("mean", "descriptor_trees")
"""The mean of the training labels; boosted trees on descriptors."""


@dataclass(frozen=True)
class PlainBaseline:
    """Results of a baseline on the test set.

    Args:
        name: Among :data:`PLAIN_BASELINES`.
        score: Its score.
        results: Its predictions.
        seconds: Duration.
    """

    name: str
    score: Score
    results: TestResults
    seconds: float


def plain_baseline(
    name: str, data: MoleculeDataset, splits: Splits, seed: int, *, progress: bool = False
) -> PlainBaseline:
    """Fit a baseline on the exact labels of all rows except the test set, and score it on the test set.

    Bounds are used only for a target without exact labels.

    Args:
        name: Among :data:`PLAIN_BASELINES`.
        data: The labelled table.
        splits: Its roles.
        seed: Seed of the trees.
        progress: Whether to show a progress bar on a terminal.
    """
    started = time.perf_counter()
    rows = np.unique(np.concatenate([splits.train, splits.meta, splits.select]))
    values = _PREDICT[name](data, rows, splits.test, seed, progress)
    predicted: Float32Matrix = values.astype(np.float32).reshape(len(splits.test), -1)
    test, labels = splits.test, exact_labels(data, splits.test)
    smiles = [data.smiles[int(place)] for place in test]
    results = TestResults(row_numbers(data, test), smiles, list(data.target_names), labels, {name: predicted})
    found = score(str(data.metric), labels, predicted, list(data.target_names))
    return PlainBaseline(name, found, results, time.perf_counter() - started)


def _mean(data: MoleculeDataset, rows: Indices, test: Indices, *_: object) -> AnyArray:
    labels = _training_labels(data, rows).astype(np.float64)
    known = ~np.isnan(labels)
    mean = np.where(known, labels, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.tile(mean, (len(test), 1))


def _descriptor_trees(data: MoleculeDataset, rows: Indices, test: Indices, seed: int, progress: bool) -> AnyArray:
    features = feature_matrix(data, ["descriptors"], progress=progress)
    columns, rounds, labels = [], default_rounds(len(data.target_names)), _training_labels(data, rows)
    for place, task in enumerate(tasks_of(data.task, len(data.target_names))):
        trees = BoostedTrees.fit(features[rows], labels[:, [place]], task, seed=seed, rounds=rounds)
        columns.append(trees.predict(features[test]))
    return np.concatenate(columns, axis=1)


def _training_labels(data: MoleculeDataset, rows: Indices) -> Float32Matrix:
    """The labels without bounds; all labels of a target that has only bounds."""
    exact = exact_labels(data, rows)
    return np.where(np.isnan(exact).all(axis=0), data.targets[rows], exact)


_PREDICT: Final[dict[str, Callable[[MoleculeDataset, Indices, Indices, int, bool], AnyArray]]] = {
    "mean": _mean,
    "descriptor_trees": _descriptor_trees,
}
