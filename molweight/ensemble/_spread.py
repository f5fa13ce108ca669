"""Standard deviations of predictions from the disagreement of the models, calibrated out of fold."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from molweight.arrays import AnyArray

__all__ = ["ErrorModel", "disagreement"]


def disagreement(parts: Sequence[AnyArray], weights: Sequence[float]) -> AnyArray:
    """Weighted standard deviation of the predictions of several models, ``n x T``; 0 for a single one.

    Args:
        parts: Predictions of each model, ``n x T``.
        weights: Weight of each model; they sum to 1.

    Example:
        >>> disagreement([np.array([[1.0]]), np.array([[3.0]])], [0.5, 0.5]).tolist()
        [[1.0]]
    """
    values, share = np.stack(parts).astype(np.float64), np.array(weights)[:, None, None]
    mean = (share * values).sum(axis=0)
    squares = (share * (values - mean) ** 2).sum(axis=0)
    found: AnyArray = np.sqrt(np.maximum(squares, 0.0))
    return found


@dataclass(frozen=True)
class ErrorModel:
    """Expected squared error of each target: ``constant + slope * disagreement^2``.

    Both coefficients are fitted on out-of-fold errors, so they account for errors common to all models, not only for
    their disagreement.

    Args:
        constant: Expected squared error of each target if the models agree.
        slope: Coefficient of the squared disagreement, for each target.

    Example:
        >>> disagreement = np.array([[0.0], [0.0], [2.0], [2.0]])
        >>> errors = np.array([[1.0], [-1.0], [3.0], [-3.0]])
        >>> ErrorModel.fit(disagreement, errors)
        ErrorModel(constant=(1.0,), slope=(2.0,))
    """

    constant: tuple[float, ...]
    slope: tuple[float, ...]

    @classmethod
    def fit(cls, disagreement: AnyArray, errors: AnyArray) -> "ErrorModel":
        """Fit by non-negative least squares, target by target.

        Args:
            disagreement: Disagreement of the models, ``n x T``, as from :func:`disagreement`.
            errors: Prediction minus label, ``n x T``, NaN if there is no label.
        """
        columns = zip(disagreement.T, errors.T, strict=True)
        pairs = [_fit_one(first[~np.isnan(error)] ** 2, error[~np.isnan(error)] ** 2) for first, error in columns]
        return cls(tuple(constant for constant, _ in pairs), tuple(slope for _, slope in pairs))

    def deviation(self, disagreement: AnyArray) -> AnyArray:
        """Standard deviations, ``n x T`` float64.

        Args:
            disagreement: ``n x T``.
        """
        values: AnyArray = np.sqrt(
            np.array(self.constant) + np.array(self.slope) * disagreement.astype(np.float64) ** 2
        )
        return values


def _fit_one(signal: AnyArray, squares: AnyArray) -> tuple[float, float]:
    if not len(squares):
        return 0.0, 0.0
    centred = signal - signal.mean()
    spread = float(centred @ centred)
    slope = float(centred @ squares) / spread if spread > 0 else 0.0
    constant = float(squares.mean()) - slope * float(signal.mean())
    if slope <= 0:
        return float(squares.mean()), 0.0
    if constant < 0:
        return 0.0, float(signal @ squares) / float(signal @ signal)
    return constant, slope
