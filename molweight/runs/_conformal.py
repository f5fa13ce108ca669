"""Intervals and sets of classes that hold a label as often as they say, from rows that a model had not seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from molweight.arrays import BoolArray, Float32Array, Float32Matrix, FloatArray
from molweight.errors import OptionError

__all__ = ["Conformal", "Intervals"]

_FEWEST: Final = 100
"""Labels from which errors are taken to depend on the molecule."""
_MOST: Final = 5000
"""Scores of a target that are kept."""


@dataclass(frozen=True, eq=False)
class Intervals:
    """Predictions with the range that holds the label, ``n x T`` each; NaN where a row holds no molecule.

    Args:
        prediction: Probabilities, or labels in their own units.
        lower: Lower end; for classes the smallest one of its set: 0 unless only 1 is left.
        upper: Upper end; for classes the largest one: 1 unless only 0 is left.
    """

    prediction: Float32Matrix
    lower: Float32Matrix
    upper: Float32Matrix


@dataclass(frozen=True, eq=False)
class Conformal:
    """Scores of rows that a model had not seen, and how large errors are expected to be.

    Of numbers the score is the error over its expected size ``sqrt(c0 + c1 deviation^2 + c2 (1 - similarity)^2)``; the
    interval is as many expected sizes wide as the share ``level`` of the scores needs. Of classes it is 1 minus the
    probability of the true class, for each class by itself, so that a rare class is held as often as a frequent one.

    Sources: Papadopoulos et al., *Regression conformal prediction with nearest neighbours*, JAIR 2011 (scores that are
    normalised); Sadinle et al., *Least ambiguous set-valued classifiers with bounded error levels*, JASA 2019;
    Barber et al., *Predictive inference with the jackknife+*, Ann. Stat. 2021 (scores out of fold).

    Args:
        classes: Whether each target is one of classes, ``T``.
        scores: ``2 x n x T``, NaN where missing: for the rows of class 0 and of class 1; for numbers only the first.
        sizes: Coefficients ``c0, c1, c2``, ``T x 3``.
    """

    classes: tuple[bool, ...]
    scores: Float32Array
    sizes: FloatArray

    @classmethod
    def fit(
        cls,
        labels: FloatArray,
        predictions: FloatArray,
        deviations: FloatArray,
        similarity: FloatArray,
        classes: Sequence[bool],
    ) -> "Conformal":
        """From rows that the model had not seen.

        Args:
            labels: ``n x T``, NaN where missing.
            predictions: ``n x T``.
            deviations: Deviations that the model states, ``n x T``; zeros for one that states none.
            similarity: To the nearest training molecule, ``n``.
            classes: Whether each target is one of classes.

        Example:
            >>> zeros = np.zeros((199, 1))
            >>> found = Conformal.fit(np.arange(199.0)[:, None] - 99, zeros, zeros, zeros[:, 0], [False])
            >>> ends = found.intervals(np.array([[5.0]]), np.zeros((1, 1)), np.zeros(1), level=0.9)
            >>> [round(float(end[0, 0])) for end in (ends.lower, ends.upper)]
            [-85, 95]
        """
        rows = np.random.default_rng(0).permutation(len(labels))[:_MOST]
        truth, made = labels[rows].astype(np.float64), predictions[rows].astype(np.float64)
        signals = _signals(deviations[rows], similarity[rows])
        errors = np.abs(truth - made)
        sizes = np.stack([_fit_sizes(signals[:, place], errors[:, place]) for place in range(len(classes))])
        scaled = errors / _expected(signals, sizes)
        kinds = np.array(classes)
        first = np.where(kinds, np.where(truth == 0, made, np.nan), scaled)
        second = np.where(kinds & (truth == 1), 1 - made, np.nan)
        return cls(tuple(classes), np.stack([first, second]).astype(np.float32), sizes)

    def expected_errors(self, deviations: FloatArray, similarity: FloatArray) -> FloatArray:
        """Expected size of the errors of numbers, ``n x T``.

        Args:
            deviations: As in :meth:`fit`.
            similarity: As in :meth:`fit`.
        """
        return _expected(_signals(deviations, similarity), self.sizes)

    def intervals(
        self, predictions: FloatArray, deviations: FloatArray, similarity: FloatArray, *, level: float
    ) -> Intervals:
        """Ranges that hold the label with probability ``level``.

        They do where new molecules are like those of the calibration: under a random split, and less far from it.

        Args:
            predictions: ``n x T``.
            deviations: As in :meth:`fit`, ``n x T``.
            similarity: As in :meth:`fit`, ``n``.
            level: Between 0 and 1. Infinite ends where there are too few scores for it.

        Raises:
            OptionError: If the level is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise OptionError("interval", level, "must be between 0 and 1")
        width = self._quantiles(0, level) * self.expected_errors(deviations, similarity)
        lower, upper = predictions - width, predictions + width
        zero, one = self._keeps(0, predictions, level), self._keeps(1, 1 - predictions, level)
        neither = ~zero & ~one
        zero, one = zero | (neither & (predictions < 0.5)), one | (neither & (predictions >= 0.5))  # noqa: PLR2004 - the likelier class
        kinds = np.array(self.classes)
        lower, upper = np.where(kinds, one & ~zero, lower), np.where(kinds, one, upper)
        return Intervals(*(np.asarray(bound, dtype=np.float32) for bound in (predictions, lower, upper)))

    def _keeps(self, label: int, scores: FloatArray, level: float) -> BoolArray:
        kept: BoolArray = scores <= self._quantiles(label, level)
        return kept

    def _quantiles(self, label: int, level: float) -> FloatArray:
        """By target, the score that the share ``level`` of new rows does not exceed, ``T``."""
        return np.array([_quantile(column[~np.isnan(column)], level) for column in self.scores[label].T])


def _quantile(scores: FloatArray, level: float) -> float:
    """The ``ceil((n + 1) level)``-th smallest score; infinite where there are fewer."""
    place = int(np.ceil((len(scores) + 1) * level - 1e-9))
    return float(np.partition(scores, place - 1)[place - 1]) if place <= len(scores) else float("inf")


def _signals(deviations: FloatArray, similarity: FloatArray) -> FloatArray:
    """Terms of the expected squared errors, ``n x T x 3``."""
    spread = deviations.astype(np.float64) ** 2
    distance = np.broadcast_to(((1 - similarity.astype(np.float64)) ** 2)[:, None], spread.shape)
    return np.stack([np.ones_like(spread), spread, distance], axis=2)


def _fit_sizes(signals: FloatArray, errors: FloatArray) -> FloatArray:
    """Coefficients of least squares that are not negative, ``3``; the mean alone where there are few labels."""
    from scipy.optimize import nnls

    known = ~np.isnan(errors)
    squares = errors[known] ** 2
    if len(squares) < _FEWEST:
        return np.array([squares.mean() if len(squares) and squares.any() else 1.0, 0.0, 0.0])
    cut = np.quantile(squares, 0.99)  # a few large errors would decide everything
    found: FloatArray = nnls(signals[known], np.minimum(squares, cut))[0]
    return found if found.any() else np.array([1.0, 0.0, 0.0])


def _expected(signals: FloatArray, sizes: FloatArray) -> FloatArray:
    """``n x T``; never 0, so that no score is infinite."""
    squares: FloatArray = np.einsum("ntk,tk->nt", signals, sizes)
    return np.sqrt(np.maximum(squares, 1e-12))
