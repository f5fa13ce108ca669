"""Classes from SMILES."""

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import ClassifierMixin

from molweight.arrays import AnyArray
from molweight.errors import DataError
from molweight.estimators._base import TapWeightEstimator
from molweight.estimators._labels import (
    check_shape,
    decode_classes,
    encode_classes,
    known_mean,
    most_probable,
    one_hot,
    side_by_side,
    weighing,
)
from molweight.graphs import Task

__all__ = ["TapWeightClassifier"]


class TapWeightClassifier(ClassifierMixin, TapWeightEstimator):
    """Predict classes from SMILES, for one or several labels, with learned weights of the objectives.

    For the parameters see :class:`molweight.estimators.MoleculeEstimator`.

    Attributes:
        classes_: The classes, sorted; one array per column if ``y`` has several columns.
        run_: The :class:`molweight.Run`: history, learned weights, ``embed``, ``save``.
        weights_: Learned weight per objective.
        rejects_: Rows that ``fit`` left out, with the reason, under ``on_error="skip"``.

    Example:
        >>> small = {"encoder_options": {"layers": 1, "width": 8}, "objectives": ("attribute_masking",), "corpus": None}
        >>> model = TapWeightClassifier(pretrain_steps=1, steps=1, epochs=1, **small)
        >>> model = model.fit(["C" * n for n in range(1, 13)], ["small"] * 6 + ["large"] * 6)
        >>> model.classes_.tolist(), model.predict_proba(["CCO"]).shape
        (['large', 'small'], (1, 2))
    """

    classes_: Any

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that there may be several classes, or several labels of two classes each."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = True
        tags.classifier_tags.multi_label = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Pretrain and finetune.

        Args:
            X: ``n`` SMILES.
            y: ``n`` labels of two or more classes, or ``n x T`` of two classes each; NaN or ``None`` for a missing
                label.
            sample_weight: Weight of each row in the loss, not negative; ``None`` for equal ones.

        Returns:
            The estimator.

        Raises:
            DataError: If molecules or labels cannot be used.
        """
        codes, classes = encode_classes(y)
        if codes.ndim == 2 and codes.shape[1] == 1 and len(classes[0]) > 2:  # noqa: PLR2004 - a column of several classes
            codes = codes[:, 0]
        single = codes.ndim == 1
        task: Task = "classification"
        if single and len(classes[0]) > 2:  # noqa: PLR2004 - two classes
            codes, task = one_hot(codes, len(classes[0])), "multiclass"
        return self._fit(X, codes, task, sample_weight, _single=single, classes_=classes[0] if single else classes)

    def predict_proba(self, X: Any) -> AnyArray:  # noqa: N803 - scikit-learn's name
        """Probabilities.

        Args:
            X: ``n`` SMILES.

        Returns:
            ``n x K`` for the ``K`` classes of a single label; ``n x T`` for the second class of each of several labels.
        """
        probability = self._predict(X).astype(np.float64)
        if self._single and len(self.classes_) > 2:  # noqa: PLR2004 - two classes
            return probability
        return np.hstack([1 - probability, probability]) if self._single else probability

    def predict(self, X: Any) -> AnyArray:  # noqa: N803 - scikit-learn's name
        """The more probable class, ``n`` or ``n x T`` as ``y`` was.

        Args:
            X: ``n`` SMILES.
        """
        return self._decoded(self._predict(X))

    def _decoded(self, probability: AnyArray) -> AnyArray:
        if self._single and len(self.classes_) > 2:  # noqa: PLR2004 - two classes
            return most_probable(probability, self.classes_)
        if self._single:
            return decode_classes(probability[:, 0], self.classes_)
        return side_by_side([decode_classes(*pair) for pair in zip(probability.T, self.classes_, strict=True)])

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:  # noqa: N803 - scikit-learn's name
        """Accuracy, averaged over the columns of ``y``, without missing labels and rows without a valid molecule.

        Columns without any label are left out of the average.

        Args:
            X: ``n`` SMILES.
            y: ``n`` or ``n x T`` labels.
            sample_weight: Weight of each row.

        Raises:
            DataError: If ``y`` has another shape than the predictions, no column has a label, or no row a valid
                molecule.
        """
        probability, usable = self._predict_to_score(X)
        truth, predicted = (
            np.asarray(values, dtype=object).reshape(len(values), -1) for values in (y, self._decoded(probability))
        )
        check_shape(truth, *predicted.shape)
        known = weighing(~pd.isna(truth) & usable[:, None], sample_weight)
        scored = known.any(axis=0)
        if not scored.any():
            raise DataError("y: no row with a valid molecule has a label, so there is no score. Score labelled rows.")
        right = np.zeros(truth.shape, dtype=bool)
        right[known] = truth[known] == predicted[known]
        return float(np.mean(known_mean(right[:, scored], known[:, scored], sample_weight)))
