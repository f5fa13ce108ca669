"""Transforms of labels to a scale that suits the squared error."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from molweight.arguments import check_choice
from molweight.arrays import AnyArray, BoolArray
from molweight.ensemble._label_weights import relative_weights
from molweight.errors import OptionError

__all__ = ["CLASS", "TRANSFORMS", "LabelTransform", "possible_transforms"]


TRANSFORMS: Final = ("none", "log", "yeo_johnson")
"""Names of the transforms."""
CLASS: Final = "class"
"""Used instead of a transform for a class target: 0 and 1 are unchanged."""
_VECTORS: Final = ("power", "mean", "scale", "low", "high")


@dataclass(frozen=True)
class LabelTransform:
    """An increasing map of each label to standard units, and its inverse.

    Source: Yeo and Johnson, *A New Family of Power Transformations to Improve Normality or Symmetry*, Biometrika 2000.

    Args:
        kind: One of :data:`TRANSFORMS` for all targets, or one per target, separated by commas, with ``"class"`` for
            class targets, which are unchanged.
        power: Lambda of the Yeo-Johnson map of each target, ``T``; 1 for the other kinds.
        mean: Mean of the mapped training labels, ``T``.
        scale: Their standard deviation, ``T``; 1 if they are constant. Constant labels are the inverse of any value.
        low: Lower limit of mapped values before inversion, ``T``: the smallest training label minus half the range.
        high: Upper limit of mapped values before inversion, ``T``.

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
    def fit(cls, kind: str, labels: AnyArray, weights: AnyArray | None = None) -> "LabelTransform":
        """Fit on training labels.

        Args:
            kind: Kind, as in the class.
            labels: ``n x T``, NaN where missing.
            weights: Weights of the labels in mean and standard deviation, ``n x T`` or ``n x 1``; ``None`` for equal
                ones.

        Raises:
            OptionError: If the kind is unknown, or ``"log"`` is requested for labels that are not all positive.
        """
        given = np.ones(labels.shape) if weights is None else np.broadcast_to(weights, labels.shape)
        kinds = _kinds(kind, labels.shape[1])
        columns = [_fit_column(*column) for column in zip(kinds, labels.T, given.T, strict=True)]
        power, mean, scale, low, high = np.array(columns).reshape(-1, 5).T
        return cls(kind, power, mean, scale, low, high)

    @property
    def kinds(self) -> list[str]:
        """The kind of each target."""
        return _kinds(self.kind, len(self.power))

    @property
    def classes(self) -> "BoolArray":
        """Which targets are classes, ``T``."""
        return np.array([kind == CLASS for kind in self.kinds], dtype=bool)

    def forward(self, labels: AnyArray) -> AnyArray:
        """Labels in standard units of the mapped scale, ``n x T``; NaN stays NaN."""
        columns = zip(self.kinds, labels.T.astype(np.float64), self.power, strict=True)
        mapped = [_map(kind, column, power) for kind, column, power in columns]
        return (np.array(mapped).reshape(labels.T.shape).T - self.mean) / self.scale

    def inverse(self, values: AnyArray) -> AnyArray:
        """Labels in their own units, ``n x T``.

        A nonlinear map amplifies errors far from the training labels, so values are clipped to half the labels' range
        beyond them before inversion.
        """
        mapped = values.astype(np.float64) * np.where(self._constant, 0.0, self.scale) + self.mean
        columns = zip(self.kinds, mapped.T, self.power, self.low, self.high, strict=True)
        labels = [_unmap(kind, column, power, low, high) for kind, column, power, low, high in columns]
        return np.array(labels).reshape(mapped.T.shape).T

    @property
    def _constant(self) -> "BoolArray":
        """Which targets had equal labels, or none: an output in units of 1 could be far from them."""
        return np.asarray((self.low == self.high) & ~self.classes, dtype=bool)

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {"kind": self.kind, **{name: getattr(self, name).tolist() for name in _VECTORS}}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "LabelTransform":
        """The transform from the values of :meth:`to_json`."""
        return cls(values["kind"], **{name: np.array(values[name], dtype=np.float64) for name in _VECTORS})


def possible_transforms(labels: AnyArray, exact: AnyArray | None = None) -> list[str]:
    """Transforms worth trying for one target: those that reduce its skewness.

    Args:
        labels: Labels of training rows, ``n``, NaN where missing; the transform has to map all of them.
        exact: The labels whose skewness counts, ``n``, NaN for the others, e.g. for bounds; ``None`` for all.

    Returns:
        ``"none"`` first, then every transform that halves the skewness, if its magnitude is above 1.

    Example:
        >>> possible_transforms(np.geomspace(1e-2, 1e4, 50))
        ['none', 'log']
        >>> possible_transforms(np.linspace(0, 1, 50))
        ['none']
    """
    counted = labels if exact is None else exact
    known = counted[~np.isnan(counted)].astype(np.float64)
    skewed = _skewness(known)
    if not skewed > 1:
        return ["none"]
    kind = "log" if (labels[~np.isnan(labels)] > 0).all() else "yeo_johnson"
    mapped = LabelTransform.fit(kind, known[:, None]).forward(known[:, None])[:, 0]
    return ["none", kind] if _skewness(mapped) < skewed / 2 else ["none"]


def _kinds(kind: str, targets: int) -> list[str]:
    kinds = kind.split(",")
    for own in kinds:
        check_choice("", "label_transform", own, (*TRANSFORMS, CLASS) if len(kinds) > 1 or own == CLASS else TRANSFORMS)
    return kinds if len(kinds) > 1 else kinds * targets


def _skewness(known: AnyArray) -> float:
    """Magnitude of the skewness; 0 for constant labels."""
    spread = known.std() if len(known) else 0.0
    return abs(float((((known - known.mean()) / spread) ** 3).mean())) if spread > 0 else 0.0


def _fit_column(kind: str, labels: AnyArray, weights: AnyArray) -> tuple[float, float, float, float, float]:
    """Power, mean, standard deviation, and the limits for inversion.

    Raises:
        OptionError: If ``"log"`` is requested for labels that are not all positive.
    """
    used = ~np.isnan(labels) & (weights > 0)
    known = labels[used].astype(np.float64)
    if not len(known) or kind == CLASS:
        return 1.0, 0.0, 1.0, 0.0, 0.0
    if kind == "log" and not (known > 0).all():
        reason = f"needs positive labels, but the smallest is {known.min():g}"
        raise OptionError("label_transform", kind, reason, "Use 'yeo_johnson' or 'none'.")
    power = _fit_power(known) if kind == "yeo_johnson" else 1.0
    mapped = _map(kind, known, power)
    margin = (mapped.max() - mapped.min()) / 2
    low, high = float(mapped.min() - margin), float(mapped.max() + margin)
    share = relative_weights(weights[used, None], mapped[:, None], per_target=True)[:, 0]  # exactly 1 if all are equal
    mean = float((share * mapped).mean())
    # The mean of equal labels may be rounded.
    spread = float(np.sqrt((share * (mapped - mean) ** 2).mean())) if margin > 0 else 0.0
    return power, mean, spread or 1.0, low, high


def _fit_power(known: AnyArray) -> float:
    """The maximum-likelihood lambda, by scikit-learn; 1 for a constant label."""
    from sklearn.preprocessing import PowerTransformer

    return float(PowerTransformer(standardize=False).fit(known[:, None]).lambdas_[0]) if known.std() > 0 else 1.0


def _map(kind: str, labels: AnyArray, power: float) -> AnyArray:
    if kind == "log":
        return np.log(labels)
    return _yeo_johnson(labels, power) if kind == "yeo_johnson" else labels


def _unmap(kind: str, mapped: AnyArray, power: float, low: float, high: float) -> AnyArray:
    if kind not in ("log", "yeo_johnson"):
        return mapped
    inside = np.clip(mapped, low, high)
    return np.exp(inside) if kind == "log" else _inverse_yeo_johnson(inside, power)


def _yeo_johnson(labels: AnyArray, power: float) -> AnyArray:
    size, sign = np.abs(labels), np.where(labels < 0, -1.0, 1.0)
    own = np.where(labels < 0, 2 - power, power)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        mapped: AnyArray = sign * np.where(own == 0, np.log1p(size), np.expm1(own * np.log1p(size)) / own)
    return mapped


def _inverse_yeo_johnson(mapped: AnyArray, power: float) -> AnyArray:
    size, sign = np.abs(mapped), np.where(mapped < 0, -1.0, 1.0)
    own = np.where(mapped < 0, 2 - power, power)
    # A negative exponent bounds the map; values beyond the bound are moved just inside it before inversion.
    inside = np.maximum(own * size, -1 + 1e-9)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        labels: AnyArray = sign * np.where(own == 0, np.expm1(size), np.expm1(np.log1p(inside) / own))
    return labels
