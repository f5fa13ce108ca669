"""Calibration of probabilities: an increasing map, fitted on predictions of held-out rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from molweight.arrays import AnyArray, Indices
from molweight.ensemble._few_labels import enough

__all__ = ["BetaCalibration", "log_loss"]

_LEAST: Final = 10
"""Minimum number of labels of each class for fitting."""
_TINY: Final = 1e-7
_FLATTEST: Final = 1e-2
"""Minimum slope: the map must increase, so that it preserves the order of the predictions."""
_KINDS: Final = ("none", "platt", "beta")
_FEW: Final = 50
"""With fewer labels of a class, a small gain in log-loss may be chance; see ``experiments/studies/few_labels.py``."""
_GAIN: Final = 1.0
"""Minimum gain for calibrating on so few labels, in standard errors of the gain."""
_START: Final = np.array([1.0, 1.0, 0.0])


@dataclass(frozen=True)
class BetaCalibration:
    """``sigmoid(a log p - b log(1 - p) + c)`` for each target, with ``a`` and ``b`` positive.

    With ``a = b`` this is Platt scaling of the logit; with ``a = b = 1`` and ``c = 0`` it is the identity. The order of
    a target's predictions is never reversed; a steep map may round the lowest to 0 and the highest to 1.

    As in Platt's paper, the map is fitted to smoothed labels, so that it does not become a step if the predictions
    separate the classes.

    Source: Platt, *Probabilistic Outputs for Support Vector Machines*, 1999; Kull, Silva Filho, Flach, *Beta
    calibration*, AISTATS 2017.

    Args:
        kinds: ``"none"``, ``"platt"`` or ``"beta"`` for each target.
        values: ``a``, ``b`` and ``c`` of each target, ``T x 3``.

    Example:
        >>> halves = np.full((40, 1), 0.001), np.tile([[0.0], [1.0]], (20, 1))
        >>> fitted, _ = BetaCalibration.fit(*halves, np.array([True]), [np.arange(20), np.arange(20, 40)])
        >>> fitted.kinds, float(fitted(np.array([[0.001]])).round(2).item())
        (('platt',), 0.5)
    """

    kinds: tuple[str, ...]
    values: AnyArray

    @classmethod
    def identity(cls, targets: int) -> "BetaCalibration":
        """The identity map.

        Args:
            targets: Number of targets.
        """
        return cls(("none",) * targets, np.tile(_START, (targets, 1)))

    @classmethod
    def fit(
        cls, predicted: AnyArray, labels: AnyArray, classes: AnyArray, folds: Sequence[Indices]
    ) -> tuple["BetaCalibration", AnyArray]:
        """For each class, the map with the lowest log-loss on held-out folds, refitted on all rows.

        Predictions are left as they are if no map lowers the log-loss; with fewer than 50 labels of a class, if none
        lowers it by more than one standard error.

        Args:
            predicted: Probabilities, ``n x T``, of rows that the models have not seen.
            labels: ``n x T``, NaN where missing.
            classes: Which targets are classes, ``T`` bool; others are unchanged.
            folds: Positions of each fold.

        Returns:
            The map, and the predictions of each fold under a map fitted on the other folds, for its evaluation.
        """
        unseen, kinds, values = np.array(predicted, dtype=np.float64), ["none"] * len(classes), [_START] * len(classes)
        for at in np.flatnonzero(classes):
            known = np.flatnonzero(~np.isnan(labels[:, at]))
            if enough(labels[known, at], _LEAST, classes=True):
                tried = {kind: _on_folds(kind, predicted[:, at], labels[:, at], folds) for kind in _KINDS}
                few = not enough(labels[known, at], _FEW, classes=True)
                losses = {kind: _losses(labels[known, at], tried[kind][known]) for kind in _KINDS}
                kinds[at] = _best(losses, errors=_GAIN if few else 0.0)
                values[at], unseen[:, at] = (
                    _fit_map(kinds[at], predicted[known, at], labels[known, at]),
                    tried[kinds[at]],
                )
        return cls(tuple(kinds), np.array(values).reshape(-1, 3)), unseen

    def __call__(self, predicted: AnyArray) -> AnyArray:
        """Calibrated probabilities, ``n x T`` float64; targets without calibration are unchanged.

        Args:
            predicted: Probabilities, or values for regression targets, ``n x T``.
        """
        chosen = np.array([kind != "none" for kind in self.kinds], dtype=bool)
        found = np.array(predicted, dtype=np.float64)
        found[:, chosen] = _map(found[:, chosen], self.values[chosen].T)
        return found

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {"kinds": list(self.kinds), "values": self.values.tolist()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "BetaCalibration":
        """The calibration from the values of :meth:`to_json`."""
        return cls(tuple(values["kinds"]), np.array(values["values"], dtype=np.float64).reshape(-1, 3))


def log_loss(labels: AnyArray, predicted: AnyArray) -> float:
    """Mean negative logarithm of the probability of the observed class; NaN without labels.

    Args:
        labels: 0 and 1, NaN where missing, of any shape.
        predicted: Probabilities of 1, of the same shape.

    Example:
        >>> round(log_loss(np.array([1.0, 0.0]), np.array([0.5, 0.5])), 3)
        0.693
    """
    known = ~np.isnan(labels)
    return float(_losses(labels[known], predicted[known]).mean()) if known.any() else float("nan")


def _losses(labels: AnyArray, predicted: AnyArray) -> AnyArray:
    """Negative logarithm of the probability of each known label's class."""
    inside = np.clip(predicted, _TINY, 1 - _TINY)
    found: AnyArray = -(labels * np.log(inside) + (1 - labels) * np.log1p(-inside))
    return found


def _best(losses: Mapping[str, AnyArray], *, errors: float) -> str:
    """The map with the lowest loss, or ``"none"`` if its gain is not above this number of standard errors."""
    best = min(losses, key=lambda kind: float(losses[kind].mean()))
    gains = losses["none"] - losses[best]
    certain = gains.mean() > errors * gains.std(ddof=1) / np.sqrt(len(gains))
    return best if certain else "none"


def _on_folds(kind: str, predicted: AnyArray, labels: AnyArray, folds: Sequence[Indices]) -> AnyArray:
    """The predictions of each fold, mapped by a calibration fitted on the other folds."""
    mapped, known = np.array(predicted, dtype=np.float64), np.flatnonzero(~np.isnan(labels))
    for fold in folds:
        rest = np.setdiff1d(known, fold)
        if kind != "none":
            mapped[fold] = _map(predicted[fold, None], _fit_map(kind, predicted[rest], labels[rest])[:, None])[:, 0]
    return mapped


def _fit_map(kind: str, predicted: AnyArray, labels: AnyArray) -> AnyArray:
    """The maximum-likelihood ``a``, ``b`` and ``c`` for smoothed labels."""
    from scipy.optimize import minimize

    if kind == "none" or not (labels == 1).any() or (labels == 1).all():
        return _START
    logs, own, wanted = _logs(predicted), kind == "platt", _smoothed(labels)
    inputs = np.stack([logs[0] - logs[1], np.ones(len(labels))] if own else [logs[0], -logs[1], np.ones(len(labels))])

    def loss(values: AnyArray) -> tuple[float, AnyArray]:
        outputs = values @ inputs
        slopes = (1 / (1 + np.exp(-np.clip(outputs, -500, 500))) - wanted) / len(wanted)
        return float((np.logaddexp(0, outputs) - wanted * outputs).mean()), inputs @ slopes

    start = np.array([1.0, 0.0] if own else [1.0, 1.0, 0.0])
    bounds = [(_FLATTEST, None)] * (len(start) - 1) + [(None, None)]
    found = np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x)
    return found[[0, 0, 1]] if own else found


def _smoothed(labels: AnyArray) -> AnyArray:
    """Labels between 0 and 1: the share of ones among the labels of a class and one further label of each class."""
    ones, zeros = int((labels == 1).sum()), int((labels == 0).sum())
    return np.where(labels == 1, (ones + 1) / (ones + 2), 1 / (zeros + 2))


def _map(predicted: AnyArray, values: AnyArray) -> AnyArray:
    """The map with ``3 x T`` values, applied to ``n x T`` probabilities."""
    first, second = _logs(predicted)
    a, b, c = values
    outputs: AnyArray = a * first - b * second + c
    mapped: AnyArray = 1 / (1 + np.exp(-np.clip(outputs, -500, 500)))
    return mapped


def _logs(predicted: AnyArray) -> tuple[AnyArray, AnyArray]:
    inside = np.clip(np.asarray(predicted, dtype=np.float64), _TINY, 1 - _TINY)
    return np.log(inside), np.log1p(-inside)
