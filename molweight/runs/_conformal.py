"""Conformal prediction: intervals and class sets with a stated coverage, calibrated on unseen rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from molweight.arrays import BoolArray, Float32Array, Float32Matrix, FloatArray
from molweight.errors import OptionError

__all__ = ["Conformal", "Intervals"]

_FEWEST: Final = 100
"""Minimum number of labels for modelling errors as dependent on the molecule."""
_LEAST_SHARE: Final = 1e-6
"""Least expected squared error, as a share of the mean."""
_MOST: Final = 5000
"""Maximum number of scores kept per target."""


@dataclass(frozen=True, eq=False)
class Intervals:
    """Predictions with the range that contains the label, ``n x T`` each; NaN for a row without a valid molecule.

    Args:
        prediction: Probabilities, or labels in their own units.
        lower: Lower end; for classes, the smallest class of the set: 0 unless the set is {1}.
        upper: Upper end; for classes, the largest class of the set: 1 unless the set is {0}.
    """

    prediction: Float32Matrix
    lower: Float32Matrix
    upper: Float32Matrix


@dataclass(frozen=True, eq=False)
class Conformal:
    """Conformity scores of unseen rows, and a model of the expected error.

    For numbers, the score is the error divided by its expected size ``sqrt(c0 + c1 deviation^2 + c2 (1 -
    similarity)^2)``, and the half-width of an interval is the expected size times the ``level`` quantile of the scores.
    For classes, the score is 1 minus the probability of the true class. Each class has its own quantile, so that rare
    and frequent classes have the same coverage.

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
        """Fit on rows that the model has not seen.

        Args:
            labels: ``n x T``, NaN where missing.
            predictions: ``n x T``.
            deviations: Standard deviations from the model, ``n x T``; zeros for a model without them.
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
        """Prediction intervals that contain the label with probability ``level``.

        This holds for molecules from the distribution of the calibration set, as with a random split. Coverage falls
        for molecules that differ from it.

        Args:
            predictions: ``n x T``.
            deviations: As in :meth:`fit`, ``n x T``.
            similarity: As in :meth:`fit`, ``n``.
            level: Between 0 and 1. The ends are infinite if there are too few calibration scores for this level.

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
        """For each target, the score that a new row does not exceed with probability ``level``, ``T``."""
        return np.array([_quantile(column[~np.isnan(column)], level) for column in self.scores[label].T])


def _quantile(scores: FloatArray, level: float) -> float:
    """The ``ceil((n + 1) level)``-th smallest score; infinite if there are fewer."""
    place = int(np.ceil((len(scores) + 1) * level - 1e-9))
    return float(np.partition(scores, place - 1)[place - 1]) if place <= len(scores) else float("inf")


def _signals(deviations: FloatArray, similarity: FloatArray) -> FloatArray:
    """Terms of the expected squared errors, ``n x T x 3``."""
    spread = deviations.astype(np.float64) ** 2
    distance = np.broadcast_to(((1 - similarity.astype(np.float64)) ** 2)[:, None], spread.shape)
    return np.stack([np.ones_like(spread), spread, distance], axis=2)


def _fit_sizes(signals: FloatArray, errors: FloatArray) -> FloatArray:
    """Non-negative least-squares coefficients, ``3``; only the mean if there are few labels."""
    from scipy.optimize import nnls

    known = ~np.isnan(errors)
    squares = errors[known] ** 2
    if len(squares) < _FEWEST:
        return np.array([squares.mean() if len(squares) and squares.any() else 1.0, 0.0, 0.0])
    cut = np.quantile(squares, 0.99)  # otherwise a few large errors would dominate the fit
    found: FloatArray = nnls(signals[known], np.minimum(squares, cut))[0]
    # A share of the mean, so that units do not matter: no expected size is 0, and no score infinite.
    found[0] = max(found[0], _LEAST_SHARE * squares.mean())
    return found if found.any() else np.array([1.0, 0.0, 0.0])


def _expected(signals: FloatArray, sizes: FloatArray) -> FloatArray:
    """``n x T``."""
    squares: FloatArray = np.einsum("ntk,tk->nt", signals, sizes)
    return np.sqrt(squares)
