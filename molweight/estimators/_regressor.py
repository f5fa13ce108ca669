"""Numbers from SMILES."""

from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin

from molweight.arrays import AnyArray
from molweight.errors import DataError
from molweight.estimators._base import TapWeightEstimator
from molweight.estimators._labels import check_shape, known_mean, numbers, weighing

__all__ = ["TapWeightRegressor"]


class TapWeightRegressor(RegressorMixin, TapWeightEstimator):
    """Predict numbers from SMILES, with learned weights of the pretraining objectives.

    For the parameters see :class:`molweight.estimators.MoleculeEstimator`.

    Attributes:
        run_: The :class:`molweight.Run`: history, learned weights, ``embed``, ``save``.
        weights_: Learned weight per objective.
        rejects_: Rows that ``fit`` left out, with the reason, under ``on_error="skip"``.

    Example:
        >>> small = {"encoder_options": {"layers": 1, "width": 8}, "objectives": ("attribute_masking",), "corpus": None}
        >>> model = TapWeightRegressor(pretrain_steps=1, steps=1, epochs=1, on_error="skip", **small)
        >>> model = model.fit(["C" * n for n in range(1, 13)], np.arange(12.0))
        >>> np.isnan(model.predict(["CC", "C1CC"])).tolist()
        [False, True]
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Pretrain and finetune.

        Args:
            X: ``n`` SMILES.
            y: ``n`` or ``n x T`` numbers, NaN for a missing label.
            sample_weight: Weight of each row in the loss, not negative; ``None`` for equal ones.

        Returns:
            The estimator.

        Raises:
            DataError: If molecules or labels cannot be used.
        """
        labels = numbers(y)
        return self._fit(X, labels, "regression", sample_weight, _single=labels.ndim == 1)

    def predict(self, X: Any) -> AnyArray:  # noqa: N803 - scikit-learn's name
        """Predictions, ``n`` or ``n x T`` as ``y`` was.

        Args:
            X: ``n`` SMILES.
        """
        predicted = self._predict(X).astype(np.float64)
        return predicted[:, 0] if self._single else predicted

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:  # noqa: N803 - scikit-learn's name
        """R², averaged over the columns of ``y``, without missing labels and rows without a valid molecule.

        Columns whose labels are all equal or missing are left out of the average, because R² is undefined for them.
        This differs from :func:`sklearn.metrics.r2_score`, which counts them as 0 or 1.

        Args:
            X: ``n`` SMILES.
            y: ``n`` or ``n x T`` numbers, NaN for a missing label.
            sample_weight: Weight of each row.

        Raises:
            DataError: If ``y`` has another shape than the predictions, no column has two different labels, or no row
                has a valid molecule.
        """
        truth = numbers(y)
        truth = truth[:, None] if truth.ndim == 1 else truth
        predicted, usable = self._predict_to_score(X)
        check_shape(truth, *predicted.shape)
        known = weighing(~np.isnan(truth) & usable[:, None], sample_weight)
        varied = np.array([len(np.unique(column[own])) > 1 for column, own in zip(truth.T, known.T, strict=True)])
        if not varied.any():
            raise DataError(
                "y: no column has two different labels in rows with a valid molecule, so R² is undefined. Score more "
                "rows, or use a metric of scikit-learn that is defined for them: scoring='neg_mean_absolute_error'."
            )
        truth, predicted, known = truth[:, varied], predicted[:, varied], known[:, varied]
        centre = known_mean(truth, known, sample_weight)
        residual = known_mean((truth - predicted) ** 2, known, sample_weight)
        return float(np.mean(1 - residual / known_mean((truth - centre) ** 2, known, sample_weight)))
