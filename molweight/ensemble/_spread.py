"""Standard deviations of predictions from how much two kinds of models disagree, calibrated out of fold."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from molweight.arrays import AnyArray

__all__ = ["ErrorModel"]


@dataclass(frozen=True)
class ErrorModel:
    """Expected squared error of each target: ``constant + slope * disagreement^2``.

    Both numbers come from rows that no model was trained on, so they include everything that makes the models wrong,
    not just what makes them differ.

    Args:
        constant: By target, what is expected where the models agree.
        slope: By target, how much the squared disagreement adds.

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
        """Least squares with both numbers at least 0, target by target.

        Args:
            disagreement: Difference between the predictions of the models, ``n x T``; zeros for a single model.
            errors: Prediction minus label, ``n x T``, NaN where there is no label.
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

    def to_json(self) -> dict[str, Sequence[float]]:
        """As JSON values."""
        return {"constant": list(self.constant), "slope": list(self.slope)}


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
