"""Boosted trees on molecule-level features, one model per target."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from molweight.arrays import AnyArray
from molweight.ensemble._few_labels import constant
from molweight.ensemble._joined_features import JoinedFeatures
from molweight.errors import DataError
from molweight.graphs import Task
from molweight.graphs.internal import tasks_of

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["BoostedTrees", "default_rounds"]


_SETTINGS: Final[dict[str, Any]] = {
    "num_leaves": 15,
    "min_data_in_leaf": 5,
    "extra_trees": True,
    "feature_fraction": 0.3,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "max_bin": 63,
    "verbosity": -1,
    "deterministic": True,
    "force_col_wise": True,
}
"""Chosen out of fold on four tables; see ``experiments/results/recipes.md``."""
_ROUNDS: Final = ((2, 600), (8, 300))
"""Number of trees for tables of up to this many targets, otherwise 150: similar scores in a third of the time."""
_LEAST_ROUNDS: Final = 150
_SHRINKAGE: Final = 18.0
"""Number of trees times the learning rate."""
_LEAST_ROWS: Final = 10
"""Below this number of labelled rows a target gets the mean of its labels."""


@dataclass(frozen=True)
class BoostedTrees:
    """Gradient boosting by LightGBM with random thresholds, one model per target.

    Source: Ke et al., *LightGBM: A Highly Efficient Gradient Boosting Decision Tree*, NeurIPS 2017; Geurts et al.,
    *Extremely Randomized Trees*, Machine Learning 2006.

    Args:
        task: Task of the table; with several classes, each has a model against all others.
        models: For each target, the model in LightGBM's text format; or, if there were too few labels or only one
            class, a number as text, which is the prediction for every row.

    Example:
        >>> rows = np.arange(40.0)[:, None]
        >>> fitted = BoostedTrees.fit(rows, rows > 20, "classification", seed=0)
        >>> fitted.predict(np.array([[2.0], [38.0]])).round().tolist()
        [[0.0], [1.0]]
    """

    task: Task
    models: tuple[str, ...]

    @classmethod
    def fit(
        cls,
        features: AnyArray | JoinedFeatures,
        labels: AnyArray,
        task: Task,
        *,
        seed: int,
        weights: AnyArray | None = None,
        absolute: bool = False,
        rounds: int | None = None,
        threads: int = 1,
    ) -> "BoostedTrees":
        """Fit a model per target.

        Args:
            features: ``n x F``; NaN where missing, which trees handle natively. The trees are the same whether they
                are given as a matrix or joined; joined ones take less memory.
            labels: ``n x T``, NaN where missing; 0 and 1 for classification.
            task: Task of the table.
            seed: Seed of the random thresholds and subsets.
            weights: Weight of each label, ``n x T``; ``None`` for equal ones.
            absolute: Whether regression minimises the absolute error instead of the squared one.
            rounds: Number of trees; ``None`` for 600, fewer for many targets.
            threads: Number of threads. The default is one, because on a busy machine several threads wait for each
                other and take far longer.
        """
        rows = features.csr() if isinstance(features, JoinedFeatures) else _numbers(features)
        targets = np.asarray(labels, dtype=np.float64)
        rounds = rounds or default_rounds(targets.shape[1])
        settings = {
            **_SETTINGS,
            "num_iterations": rounds,
            "learning_rate": _SHRINKAGE / max(rounds, _LEAST_ROUNDS),
            "seed": seed,
            "num_threads": threads,
        }
        numbers = "regression_l1" if absolute else "regression"
        shares = np.ones_like(targets) if weights is None else np.asarray(weights, dtype=np.float64)
        models = []
        for own, column, share in zip(tasks_of(task, targets.shape[1]), targets.T, shares.T, strict=True):
            classes = own == "classification"
            used = {**settings, "objective": "binary" if classes else numbers}
            models.append(_fit_one(rows, column, share, used, smooth=classes))
        return cls(task, tuple(models))

    def predict(self, features: AnyArray) -> AnyArray:
        """Probabilities or labels, ``n x T`` float64.

        Args:
            features: ``n x F`` with the columns that the trees were fitted on.

        Raises:
            DataError: If the text of a model is damaged.
        """
        rows = _numbers(features)
        return np.stack([_values(model, rows) for model in self._ready], axis=1)

    @cached_property
    def _ready(self) -> list[Any]:
        """Constant predictions, and models parsed from their texts."""
        return [_read(text) for text in self.models]


def _numbers(features: AnyArray) -> AnyArray:
    """Features in a layout that LightGBM reads without a copy; single precision halves the memory."""
    rows = np.asarray(features)
    return rows if rows.dtype in (np.float32, np.float64) else rows.astype(np.float64)


def default_rounds(targets: int) -> int:
    """Number of trees for a table with this many targets."""
    return next((rounds for most, rounds in _ROUNDS if targets <= most), _LEAST_ROUNDS)


def _fit_one(
    rows: "AnyArray | csr_array", column: AnyArray, weights: AnyArray, settings: dict[str, Any], *, smooth: bool
) -> str:
    import lightgbm

    known = ~np.isnan(column) & (weights > 0)
    labels = column[known]
    if len(labels) < _LEAST_ROWS or (labels == labels[0]).all():
        return repr(constant(labels, classes=smooth))
    inputs = rows if known.all() else rows[known]
    return str(lightgbm.train(settings, lightgbm.Dataset(inputs, labels, weight=weights[known])).model_to_string())


def _read(text: str) -> Any:
    """The model or the number in a text.

    Raises:
        DataError: If the text is damaged.
    """
    import lightgbm

    if len(text) < 64:  # noqa: PLR2004 - the text of a number; that of a model has a header of hundreds of characters
        return _number(text)
    try:
        return lightgbm.Booster(model_str=text)
    except lightgbm.basic.LightGBMError as error:
        raise DataError(f"the boosted trees cannot be read: {error}. Restore the file, or fit again.") from error


def _values(model: Any, rows: AnyArray) -> AnyArray:
    if isinstance(model, float):
        return np.full(len(rows), model)
    # One thread: for few rows, starting others costs more than it saves, and on a busy machine they wait for each
    # other.
    values: AnyArray = np.asarray(model.predict(rows, num_threads=1))
    return values


def _number(text: str) -> float:
    """The number in a text.

    Raises:
        DataError: If it is not one.
    """
    try:
        value = float(text)
    except ValueError as error:
        raise DataError(f"the boosted trees cannot be read: {text!r} is not a number. Restore the file.") from error
    if not math.isfinite(value):
        raise DataError(f"the boosted trees cannot be read: {text!r} is not finite. Restore the file.")
    return value
