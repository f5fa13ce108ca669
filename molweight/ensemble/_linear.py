"""A linear model of the standardised features; its errors differ from those of trees."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from molweight.arrays import AnyArray, BoolArray
from molweight.ensemble._few_labels import constant, enough
from molweight.errors import DataError
from molweight.features import Standardiser
from molweight.features.internal import SCALE_MEDIAN, scale_from_state, scale_state

__all__ = ["LinearModel"]

_PENALTIES: Final = tuple(np.geomspace(1, 1e4, 9).tolist())
"""Ridge penalties for regression; chosen by leave-one-out cross-validation."""
_COSTS: Final = (1e-4, 1e-3, 1e-2, 1e-1)
"""Inverse penalties for classes; chosen by three-fold cross-validation on the training rows."""
_FOLDS: Final = 3
_LEAST: Final = 10
"""With fewer labelled rows, or fewer labels of the rarer class, the mean label is predicted."""
_TENSORS: Final = ("coefficients", "offset", "classes")


@dataclass(frozen=True)
class LinearModel:
    """Ridge regression, or logistic regression with the same penalty, one per target.

    Source: Hoerl and Kennard, *Ridge Regression*, Technometrics 1970.

    Args:
        standardiser: Standardiser of the features.
        coefficients: ``D x T`` float64.
        offset: Intercepts, ``T`` float64; logits for classes.
        classes: Which targets are classes, ``T`` bool.

    Example:
        >>> x = np.linspace(0, 1, 50)[:, None]
        >>> fitted = LinearModel.fit(x, 2 * x, np.array([False]))
        >>> fitted.predict(np.array([[0.5]])).round(1).tolist()
        [[1.0]]
    """

    standardiser: Standardiser
    coefficients: Tensor
    offset: Tensor
    classes: Tensor

    @classmethod
    def fit(
        cls, features: AnyArray, labels: AnyArray, classes: BoolArray, *, weights: AnyArray | None = None
    ) -> "LinearModel":
        """Choose the penalty by cross-validation on the rows, and fit on all of them.

        Args:
            features: ``n x D``; NaN where missing.
            labels: ``n x T``, NaN where missing.
            classes: Which targets are classes, ``T`` bool.
            weights: Weight of each label, ``n x T``; ``None`` for equal ones.
        """
        standardiser = Standardiser.fit(features)
        rows = standardiser(torch.from_numpy(np.asarray(features))).double().numpy()
        shares = np.ones(labels.shape) if weights is None else weights
        found = [_fit_one(rows, labels[:, at], shares[:, at], classes=bool(own)) for at, own in enumerate(classes)]
        return cls(
            standardiser,
            torch.from_numpy(np.stack([values for values, _ in found], axis=1)),
            torch.tensor([offset for _, offset in found], dtype=torch.float64),
            torch.from_numpy(np.asarray(classes, dtype=bool)),
        )

    def predict(self, features: AnyArray) -> AnyArray:
        """Probabilities or labels, ``m x T`` float64.

        Args:
            features: ``m x D``.
        """
        rows = self.standardiser(torch.from_numpy(np.asarray(features))).double()
        values = rows @ self.coefficients + self.offset
        found: AnyArray = values.sigmoid().where(self.classes, values).numpy()
        return found

    def state(self) -> dict[str, Tensor]:
        """The state as tensors."""
        own = {name: getattr(self, name) for name in _TENSORS}
        return {**own, **scale_state(self.standardiser)}

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> "LinearModel":
        """The model from its :meth:`state`.

        Raises:
            DataError: If a tensor is missing.
        """
        missing = [name for name in (*_TENSORS, SCALE_MEDIAN) if name not in state]
        if missing:
            raise DataError(f"the linear model of the ensemble lacks {', '.join(missing)}. Restore the file.")
        standardiser = scale_from_state(state)
        return cls(standardiser, **{name: state[name].cpu() for name in _TENSORS})


def _fit_one(rows: AnyArray, column: AnyArray, weights: AnyArray, *, classes: bool) -> tuple[AnyArray, float]:
    """Coefficients and offset of one target."""
    known = ~np.isnan(column) & (weights > 0)
    labels, shares = column[known], weights[known]
    if not enough(labels, _LEAST, classes=classes) or rows.shape[1] == 0:
        answer = constant(labels, classes=classes)
        return np.zeros(rows.shape[1]), float(np.log(answer / (1 - answer))) if classes else answer
    model = _model(classes=classes).fit(rows[known], labels, sample_weight=shares)
    return np.asarray(model.coef_, dtype=np.float64).reshape(-1), float(np.reshape(model.intercept_, -1)[0])


def _model(*, classes: bool) -> Any:
    from sklearn.linear_model import LogisticRegressionCV, RidgeCV

    if not classes:
        return RidgeCV(_PENALTIES)
    return LogisticRegressionCV(
        Cs=list(_COSTS), cv=_FOLDS, scoring="neg_log_loss", max_iter=300, l1_ratios=(0,), use_legacy_attributes=False
    )
