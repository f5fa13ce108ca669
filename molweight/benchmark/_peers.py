"""Alternatives to the default fit: common models with usual settings, trained on the same rows."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from molweight.arrays import AnyArray
from molweight.benchmark._classical import ecfp_bits
from molweight.datasets import Splits, score
from molweight.datasets.internal import exact_labels
from molweight.features import feature_matrix
from molweight.graphs import MoleculeDataset
from molweight.graphs.internal import tasks_of

__all__ = ["fit_peer"]

_FLOAT32_MAX: Final = 1e30
_PEERS: Final[dict[str, tuple[Sequence[str], str]]] = {
    "forest_ecfp": (("ecfp",), "forest"),
    "lightgbm_descriptors": (("descriptors",), "boosting"),
    "lightgbm_descriptors_ecfp": (("descriptors", "counts"), "boosting"),
    "minimol_linear": (("minimol",), "linear"),
    "minimol_mlp": (("minimol",), "mlp"),
}


def fit_peer(method: str, data: MoleculeDataset, splits: Splits, seed: int) -> dict[str, float]:
    """Fit a model per label on all rows except the test set, as the default fit does, and evaluate ``test`` once.

    Settings are fixed at usual values: forests of 500 trees, LightGBM's defaults, a linear model whose
    penalty is cross-validated, a network with a hidden layer of 512 that stops early on a tenth of the rows.

    Args:
        method: Among the methods of kind ``"peer"``.
        data: The table.
        splits: Its roles.
        seed: Seed of the models.

    Returns:
        The metric on ``test``; the metric on ``select`` is NaN, because these rows were used for training.
    """
    features_name, model_name = _PEERS[method]
    features = np.concatenate([_FEATURES[part](data) for part in features_name], axis=1)
    rows = np.unique(np.concatenate([splits.train, splits.meta, splits.select]))
    labels, tasks = exact_labels(data, rows), tasks_of(data.task, len(data.target_names))
    columns: list[AnyArray] = []
    for place, task in enumerate(tasks):
        known = ~np.isnan(labels[:, place])
        found = labels[known, place]
        if len(np.unique(found)) < 2:  # noqa: PLR2004 - two values
            columns.append(np.full(len(splits.test), found.mean() if len(found) else 0.0))
            continue
        model = _MODELS[model_name, task](seed).fit(features[rows][known], found)
        columns.append(_predict(model, features[splits.test], task))
    truth, predicted = exact_labels(data, splits.test), np.stack(columns, axis=1)
    return {"select": math.nan, "test": score(data.metric or "", truth, predicted, data.target_names).value}


def _predict(model: Any, features: AnyArray, task: str) -> AnyArray:
    found: AnyArray = model.predict_proba(features)[:, 1] if task == "classification" else model.predict(features)
    return found


def _descriptors(data: MoleculeDataset) -> AnyArray:
    """All descriptors in RDKit's list; NaN if undefined."""
    from rdkit import rdBase
    from rdkit.Chem import Descriptors

    from molweight.graphs.internal import parse_molecule

    with rdBase.BlockLogs():
        molecules = [parse_molecule(text) for text in data.smiles]
        values = np.array([[function(found) for _, function in Descriptors.descList] for found in molecules])
    values = values.astype(np.float64)
    values[~(np.abs(values) < _FLOAT32_MAX)] = np.nan
    return values


def _boosting(kind: str) -> Callable[[int], Any]:
    def make(seed: int) -> Any:
        import lightgbm

        model: Callable[..., Any] = getattr(lightgbm, kind)
        return _Named(model(random_state=seed, n_jobs=1, verbosity=-1))

    return make


class _Named:
    """LightGBM on arrays, without its warning about column names."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def fit(self, features: AnyArray, labels: AnyArray) -> "_Named":
        self.model.fit(features, labels)
        return self

    def predict(self, features: AnyArray) -> AnyArray:
        found: AnyArray = self.model.booster_.predict(features)
        return found

    def predict_proba(self, features: AnyArray) -> AnyArray:
        found: AnyArray = np.stack([1 - self.predict(features), self.predict(features)], axis=1)
        return found


def _scaled(make: Callable[[int], Any]) -> Callable[[int], Any]:
    return lambda seed: make_pipeline(SimpleImputer(), StandardScaler(), make(seed))


_FEATURES: Final[dict[str, Callable[[MoleculeDataset], AnyArray]]] = {
    "ecfp": lambda data: ecfp_bits(list(data.smiles)),
    "descriptors": _descriptors,
    "counts": lambda data: feature_matrix(data, ["ecfp_counts"]),
    "minimol": lambda data: feature_matrix(data, ["minimol"]),
}
_MODELS: Final[dict[tuple[str, str], Callable[[int], Any]]] = {
    ("forest", "classification"): lambda seed: RandomForestClassifier(500, n_jobs=1, random_state=seed),
    ("forest", "regression"): lambda seed: RandomForestRegressor(500, n_jobs=1, random_state=seed),
    ("boosting", "classification"): _boosting("LGBMClassifier"),
    ("boosting", "regression"): _boosting("LGBMRegressor"),
    ("linear", "classification"): _scaled(
        lambda seed: GridSearchCV(
            LogisticRegression(max_iter=500, random_state=seed), {"C": np.geomspace(1e-4, 1, 5)}, scoring="neg_log_loss"
        )
    ),
    ("linear", "regression"): _scaled(lambda _: RidgeCV(np.geomspace(1, 1e4, 9))),
    ("mlp", "classification"): _scaled(
        lambda seed: MLPClassifier(hidden_layer_sizes=(512,), early_stopping=True, max_iter=200, random_state=seed)
    ),
    ("mlp", "regression"): _scaled(
        lambda seed: TransformedTargetRegressor(
            MLPRegressor(hidden_layer_sizes=(512,), early_stopping=True, max_iter=200, random_state=seed),
            transformer=StandardScaler(),
        )
    ),
}
