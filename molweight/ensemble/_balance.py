"""Rare classes: weights of rare labels in training, and the correction of the predicted odds."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from molweight.arrays import AnyArray, Indices

__all__ = ["FOCUS", "Balance", "has_rare_class", "plain_odds"]

RARE: Final = 0.1
"""Share of labels below which a class is rare."""
FOCUS: Final = 2.0
"""Exponent of the focal loss."""


@dataclass(frozen=True)
class Balance:
    """Treatment of rare classes in training.

    With ``"weights"`` the two classes of a target have the same total weight; with ``"batches"`` half of the sampled
    rows have a label of a rare class; with ``"focal"`` well-predicted labels count less. The first two change the share
    of positives that a model sees, so its odds are divided by :meth:`odds` afterwards.

    Source: King and Zeng, *Logistic Regression in Rare Events Data*, Political Analysis 2001 (weights and the
    correction of the odds); Lin et al., *Focal Loss for Dense Object Detection*, ICCV 2017.

    Args:
        kind: ``"none"``, ``"weights"``, ``"batches"`` or ``"focal"``.
        positive: Weight of a positive label of each target, ``T``; 1 if no class is rare.
        rare: The rare label of each target, ``T``; NaN if none is rare.

    Example:
        >>> labels = np.zeros((20, 1))
        >>> labels[0] = 1
        >>> balance = Balance.of("weights", labels, np.array([True]))
        >>> balance.positive.tolist(), balance.odds(labels).tolist()
        ([19.0], [19.0])
    """

    kind: str
    positive: AnyArray
    rare: AnyArray

    @classmethod
    def of(cls, kind: str, labels: AnyArray, classes: AnyArray) -> "Balance":
        """The balance for the labels of training rows.

        Args:
            kind: ``"none"``, ``"weights"``, ``"batches"`` or ``"focal"``.
            labels: ``n x T``, NaN where missing.
            classes: Which targets are classes, ``T`` bool.
        """
        ones, zeros = (labels == 1).sum(axis=0), (labels == 0).sum(axis=0)
        least = np.minimum(ones, zeros)
        found = np.asarray(classes, dtype=bool) & (least > 0) & (least < RARE * (ones + zeros))
        positive = np.where(found, zeros / np.maximum(ones, 1), 1.0)
        return cls(kind, positive, np.where(found, np.where(ones <= zeros, 1.0, 0.0), np.nan))

    def label_weights(self, labels: AnyArray) -> AnyArray:
        """Weight of each label when every row is used once per epoch, ``n x T``.

        Args:
            labels: ``n x T``.
        """
        if self.kind == "weights":
            weights: AnyArray = np.where(labels == 1, self.positive, 1.0)
            return weights
        return np.repeat(self.row_weights(labels)[:, None], labels.shape[1], axis=1)

    def row_weights(self, labels: AnyArray) -> AnyArray:
        """Sampling weight of each row for batches, relative to a row without a rare label, ``n``.

        Args:
            labels: ``n x T``.
        """
        rare = (labels == self.rare).any(axis=1)
        if self.kind != "batches" or not rare.any():
            return np.ones(len(labels))
        return np.where(rare, max(1.0, (~rare).sum() / rare.sum()), 1.0)

    def odds(self, labels: AnyArray) -> AnyArray:
        """Factor by which training multiplies the odds of a positive label, ``T``.

        Args:
            labels: Labels of the training rows, ``n x T``.
        """
        weights = self.label_weights(labels)
        seen = [(weights * (labels == label)).sum(axis=0) for label in (1, 0)]
        plain = [(labels == label).sum(axis=0) for label in (1, 0)]
        both = (plain[0] > 0) & (plain[1] > 0) & ~np.isnan(self.rare)
        with np.errstate(divide="ignore", invalid="ignore"):
            found: AnyArray = np.where(both, seen[0] * plain[1] / (seen[1] * plain[0]), 1.0)
        return found

    def draw(self, rows: Indices, labels: AnyArray, rng: np.random.Generator) -> Indices:
        """The rows of an epoch in random order: each once, or with ``"batches"`` sampled by weight.

        Args:
            rows: The training rows.
            labels: Their labels, ``len(rows) x T``.
            rng: Random generator.
        """
        if self.kind != "batches" or np.isnan(self.rare).all():
            return rng.permutation(rows)
        weights = self.row_weights(labels)
        return rng.choice(rows, len(rows), p=weights / weights.sum())


def has_rare_class(labels: AnyArray, classes: AnyArray) -> bool:
    """Whether any target has a class with less than a tenth of its labels.

    Args:
        labels: ``n x T``, NaN where missing.
        classes: Which targets are classes, ``T`` bool.
    """
    return not bool(np.isnan(Balance.of("none", labels, classes).rare).all())


def plain_odds(probabilities: AnyArray, odds: AnyArray) -> AnyArray:
    """Probabilities corrected for the balance in training, by dividing the odds.

    Args:
        probabilities: ``n x T``.
        odds: See :meth:`Balance.odds`, ``T``.

    Example:
        >>> plain_odds(np.array([[0.5]]), np.array([4.0])).tolist()
        [[0.2]]
    """
    found: AnyArray = np.where(odds == 1, probabilities, probabilities / (probabilities + odds * (1 - probabilities)))
    return found
