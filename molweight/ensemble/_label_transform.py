"""Labels on a scale on which a squared error makes sense."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from molweight.arguments import check_choice
from molweight.arrays import AnyArray
from molweight.errors import OptionError

__all__ = ["TRANSFORMS", "LabelTransform", "possible_transforms"]


TRANSFORMS: Final = ("none", "log", "yeo_johnson")
"""Names of the transforms."""


@dataclass(frozen=True)
class LabelTransform:
    """An increasing map of each label to standard units, and its inverse.

    Source: Yeo and Johnson, *A New Family of Power Transformations to Improve Normality or Symmetry*, Biometrika 2000.

    Args:
        kind: One of :data:`TRANSFORMS`.
        power: Lambda of the Yeo-Johnson map of each target, ``T``; 1 for the other kinds.
        mean: Of the mapped training labels, ``T``.
        scale: Their standard deviation, ``T``; 1 where they are constant.
        low: Smallest mapped value that is inverted, ``T``: that of the smallest training label less half the range.
        high: Largest mapped value that is inverted, ``T``.

    Example:
        >>> fitted = LabelTransform.fit("log", np.array([[1.0], [10.0], [100.0]]))
        >>> fitted.forward(np.array([[10.0]])).round(6).tolist()
        [[0.0]]
        >>> fitted.inverse(np.array([[0.0]])).round(6).tolist()
        [[10.0]]
    """

    kind: str
    power: AnyArray
    mean: AnyArray
    scale: AnyArray
    low: AnyArray
    high: AnyArray

    @classmethod
    def fit(cls, kind: str, labels: AnyArray) -> "LabelTransform":
        """Learn from training labels.

        Args:
            kind: One of :data:`TRANSFORMS`.
            labels: ``n x T``, NaN where missing.

        Raises:
            OptionError: If the kind is unknown, or ``"log"`` is asked for labels that are not all positive.
        """
        check_choice("", "label_transform", kind, TRANSFORMS)
        if kind == "log" and not (labels[~np.isnan(labels)] > 0).all():
            reason = f"needs positive labels and the smallest is {np.nanmin(labels):g}"
            raise OptionError("label_transform", kind, reason, "Use 'yeo_johnson' or 'none'.")
        power = _fit_powers(labels) if kind == "yeo_johnson" else np.ones(labels.shape[1])
        mapped = _map(kind, labels.astype(np.float64), power)
        statistics = np.array([_statistics(column) for column in mapped.T])
        mean, scale, low, high = statistics.reshape(-1, 4).T
        return cls(kind, power, mean, scale, low, high)

    def forward(self, labels: AnyArray) -> AnyArray:
        """Labels in standard units of the mapped scale, ``n x T``; NaN stays NaN."""
        return (_map(self.kind, labels.astype(np.float64), self.power) - self.mean) / self.scale

    def inverse(self, values: AnyArray) -> AnyArray:
        """Labels in their own units, ``n x T``.

        A map that is not linear amplifies errors far from the training labels: it is inverted no further than half
        their range beyond them.
        """
        mapped = values.astype(np.float64) * self.scale + self.mean
        if self.kind == "none":
            return mapped
        return _unmap(self.kind, np.clip(mapped, self.low, self.high), self.power)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {"kind": self.kind, **{name: getattr(self, name).tolist() for name in _VECTORS}}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "LabelTransform":
        """The object whose :meth:`to_json` is given."""
        return cls(values["kind"], **{name: np.array(values[name], dtype=np.float64) for name in _VECTORS})


_VECTORS: Final = ("power", "mean", "scale", "low", "high")


def possible_transforms(labels: AnyArray) -> list[str]:
    """Transforms worth trying: for skewed labels those that make them less so.

    Args:
        labels: Of training rows, ``n x T``, NaN where missing.

    Returns:
        ``"none"`` first; others where the size of the skewness of some label is above 1 and the transform halves it.

    Example:
        >>> possible_transforms(np.geomspace(1e-2, 1e4, 50)[:, None])
        ['none', 'log']
        >>> possible_transforms(np.linspace(0, 1, 50)[:, None])
        ['none']
    """
    skewed = _skewness(labels)
    if not skewed > 1:
        return ["none"]
    kinds = ["log"] if (labels[~np.isnan(labels)] > 0).all() else ["yeo_johnson"]
    return [
        "none",
        *(kind for kind in kinds if _skewness(LabelTransform.fit(kind, labels).forward(labels)) < skewed / 2),
    ]


def _skewness(labels: AnyArray) -> float:
    """Largest size of the skewness over the targets; 0 where none varies."""
    largest = 0.0
    for column in labels.T:
        known = column[~np.isnan(column)].astype(np.float64)
        spread = known.std() if len(known) else 0.0
        if spread > 0:
            largest = max(largest, abs(float((((known - known.mean()) / spread) ** 3).mean())))
    return largest


def _fit_powers(labels: AnyArray) -> AnyArray:
    """Lambda of greatest likelihood, by scikit-learn; 1 for a label that is constant."""
    from sklearn.preprocessing import PowerTransformer

    powers = np.ones(labels.shape[1])
    for place, column in enumerate(labels.T):
        known = column[~np.isnan(column)].astype(np.float64)
        if len(known) and known.std() > 0:
            powers[place] = PowerTransformer(standardize=False).fit(known[:, None]).lambdas_[0]
    return powers


def _statistics(mapped: AnyArray) -> tuple[float, float, float, float]:
    """Mean, standard deviation, and the ends of what is inverted."""
    known = mapped[~np.isnan(mapped)]
    if not len(known):
        return 0.0, 1.0, 0.0, 0.0
    margin = (known.max() - known.min()) / 2
    return float(known.mean()), float(known.std()) or 1.0, float(known.min() - margin), float(known.max() + margin)


def _map(kind: str, labels: AnyArray, power: AnyArray) -> AnyArray:
    if kind == "log":
        return np.log(labels)
    return _yeo_johnson(labels, power) if kind == "yeo_johnson" else labels


def _unmap(kind: str, mapped: AnyArray, power: AnyArray) -> AnyArray:
    return np.exp(mapped) if kind == "log" else _inverse_yeo_johnson(mapped, power)


def _yeo_johnson(labels: AnyArray, power: AnyArray) -> AnyArray:
    size, sign = np.abs(labels), np.where(labels < 0, -1.0, 1.0)
    own = np.where(labels < 0, 2 - power, power)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        mapped: AnyArray = sign * np.where(own == 0, np.log1p(size), np.expm1(own * np.log1p(size)) / own)
    return mapped


def _inverse_yeo_johnson(mapped: AnyArray, power: AnyArray) -> AnyArray:
    size, sign = np.abs(mapped), np.where(mapped < 0, -1.0, 1.0)
    own = np.where(mapped < 0, 2 - power, power)
    # A negative exponent bounds the map; what lies beyond its bound is inverted just inside of it.
    inside = np.maximum(own * size, -1 + 1e-9)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        labels: AnyArray = sign * np.where(own == 0, np.expm1(size), np.expm1(np.log1p(inside) / own))
    return labels
