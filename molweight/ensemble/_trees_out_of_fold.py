"""Boosted trees on the folds: their out-of-fold predictions, and the label transform that suits the table."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from molweight.arrays import AnyArray, Indices
from molweight.datasets import score
from molweight.datasets.internal import higher_is_better
from molweight.ensemble._boosted import BoostedTrees
from molweight.ensemble._label_transform import LabelTransform, possible_transforms
from molweight.graphs import Task

__all__ = ["TreeData"]


_TRIAL_ROUNDS: Final = 150


@dataclass(frozen=True)
class TreeData:
    """Labelled rows as boosted trees are fitted on them.

    Args:
        features: ``n x F``.
        labels: ``n x T``, NaN where missing.
        weights: Weight of each label, ``n x T``; ``None`` for equal ones.
        task: ``"classification"`` or ``"regression"``.
        absolute: Whether to minimise the absolute error in place of the squared one.
        seed: Of the trees.
    """

    features: AnyArray
    labels: AnyArray
    weights: AnyArray | None
    task: Task
    absolute: bool
    seed: int

    def fit(
        self, kind: str, rows: Indices | None = None, rounds: int | None = None
    ) -> tuple[BoostedTrees, LabelTransform | None]:
        """Trees of transformed labels, with the transform; ``None`` for classification.

        Args:
            kind: Name of the label transform; it is fitted on the same rows.
            rows: Which rows; ``None`` for all.
            rounds: Number of trees; ``None`` for the default.
        """
        chosen = np.arange(len(self.labels)) if rows is None else rows
        labels = self.labels[chosen]
        transform = None if self.task == "classification" else LabelTransform.fit(kind, labels)
        trees = BoostedTrees.fit(
            self.features[chosen],
            labels if transform is None else transform.forward(labels),
            self.task,
            seed=self.seed,
            weights=None if self.weights is None else self.weights[chosen],
            absolute=self.absolute,
            rounds=rounds,
        )
        return trees, transform

    def out_of_fold(self, kind: str, folds: Sequence[Indices], rounds: int | None = None) -> AnyArray:
        """Predictions of each row by trees that were fitted on the other folds, ``n x T`` in the labels' own units.

        Args:
            kind: Name of the label transform.
            folds: Positions of each fold.
            rounds: Number of trees; ``None`` for the default.
        """
        predicted = np.full(self.labels.shape, np.nan)
        for fold in folds:
            trees, transform = self.fit(kind, np.setdiff1d(np.arange(len(self.labels)), fold), rounds)
            values = trees.predict(self.features[fold])
            predicted[fold] = values if transform is None else transform.inverse(values)
        return predicted

    def choose_transform(self, folds: Sequence[Indices], metric: str, truth: AnyArray) -> tuple[str, dict[str, float]]:
        """The label transform with which small boosted trees score best out of fold, and the score of each.

        A table whose labels are not skewed, or that has no features, is not transformed, and nothing is tried.

        Args:
            folds: Positions of each fold.
            metric: What is compared.
            truth: Labels to score against, ``n x T``, NaN where missing or only a bound.
        """
        kinds = possible_transforms(self.labels)
        if self.task == "classification" or len(kinds) == 1 or self.features.shape[1] == 0:
            return "none", {}
        predictions = {kind: self.out_of_fold(kind, folds, _TRIAL_ROUNDS) for kind in kinds}
        scores = {kind: score(metric, truth, predicted).value for kind, predicted in predictions.items()}
        sign = 1.0 if higher_is_better(metric) else -1.0
        return max(scores, key=lambda kind: sign * scores[kind]), scores
