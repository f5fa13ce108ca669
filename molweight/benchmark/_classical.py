"""Models without a graph: fingerprints or descriptors, and scikit-learn; RDKit is imported on first use."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from molweight.arrays import AnyArray
from molweight.datasets import Splits, score
from molweight.datasets.internal import exact_labels, higher_is_better
from molweight.graphs import MoleculeDataset
from molweight.graphs.internal import guarded_list, guarded_target, tasks_of
from molweight.objectives.building_blocks import DESCRIPTOR_VALUES

__all__ = ["MOST_SETTINGS", "ecfp_bits", "fit_classical"]


_BITS: Final = 2048
_GRID: Final[dict[str, list[dict[str, Any]]]] = {
    "rf": [
        {"max_features": "sqrt"},
        {"max_features": "sqrt", "min_samples_leaf": 3},
        {"max_features": 0.1},
        {"max_features": 0.1, "min_samples_leaf": 3},
    ],
    "gbm": [
        {},
        {"learning_rate": 0.03, "max_iter": 300},
        {"max_leaf_nodes": 8},
        {"l2_regularization": 1.0, "max_depth": 4},
    ],
}
"""Settings tried on ``select``, as many for each model."""
MOST_SETTINGS: Final = len(_GRID["rf"])
"""Number of settings of a model."""


def fit_classical(
    method: str, data: MoleculeDataset, splits: Splits, seed: int, *, most: int = MOST_SETTINGS
) -> tuple[dict[str, float], int]:
    """Fit a model per label on ``train``, choose its settings on ``select``, and evaluate ``test`` once.

    Morgan fingerprints have radius 2 and 2048 bits; forests 200 trees. The ``meta`` molecules, from which neural
    methods learn weights, are not used.

    Args:
        method: ``"ecfp_rf"``, ``"ecfp_gbm"`` or ``"descriptors_gbm"``.
        data: The table.
        splits: Its roles.
        seed: Seed of the models.
        most: Number of settings to try, at most four; the first is scikit-learn's default for classification.

    Returns:
        The metric on ``select`` and ``test``, and the number of settings tried.
    """
    features_name, _, model_name = method.partition("_")
    task = _Task(data, splits, _FEATURES[features_name](data.smiles), model_name, seed)
    sign = 1 if higher_is_better(data.metric or "") else -1
    tried: list[tuple[float, list[Any]]] = []
    for settings in _GRID[model_name][:most]:
        models = [task.fit(settings, label) for label in range(data.targets.shape[1])]
        tried.append((sign * task.score(models, splits.select), models))
    best = max(tried, key=lambda entry: entry[0])
    return {"select": sign * best[0], "test": task.score(best[1], splits.test)}, len(tried)


def ecfp_bits(smiles: Sequence[str]) -> AnyArray:
    """Morgan fingerprints of radius 2, 2,048 bits, ``n x 2048``.

    Args:
        smiles: Molecules that RDKit can parse.
    """
    return np.array(guarded_list(_fingerprints, _no_bits, "has no bits; its fingerprint")(smiles))


def _no_bits(_: str) -> AnyArray:
    return np.zeros(_BITS, dtype=np.uint8)


def _fingerprints(smiles: Sequence[str]) -> list[AnyArray]:
    from rdkit import Chem, rdBase
    from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

    generator = GetMorganGenerator(radius=2, fpSize=_BITS)
    with rdBase.BlockLogs():
        return [generator.GetFingerprintAsNumPy(Chem.MolFromSmiles(text)) for text in smiles]


def _descriptors(smiles: Sequence[str]) -> AnyArray:
    values: AnyArray = np.clip(guarded_target(DESCRIPTOR_VALUES)(smiles).astype(np.float64), -1e9, 1e9)
    return values


_FEATURES: Final[dict[str, Callable[[Sequence[str]], AnyArray]]] = {"ecfp": ecfp_bits, "descriptors": _descriptors}
_MODELS: Final[dict[tuple[str, str], Callable[..., Any]]] = {
    ("rf", "classification"): RandomForestClassifier,
    ("rf", "regression"): RandomForestRegressor,
    ("gbm", "classification"): HistGradientBoostingClassifier,
    ("gbm", "regression"): HistGradientBoostingRegressor,
}


@dataclass(frozen=True)
class _Task:
    """A table as a feature matrix, and the type of model to fit."""

    data: MoleculeDataset
    splits: Splits
    features: AnyArray
    model: str
    seed: int

    def fit(self, settings: dict[str, Any], label: int) -> Any:
        """A model of one label; a constant if the training molecules have a single class."""
        train = self.splits.train
        labels = exact_labels(self.data, train)[:, label]
        known = ~np.isnan(labels)
        wanted = labels[known]
        task = tasks_of(self.data.task, len(self.data.target_names))[label]
        if task == "classification" and len(np.unique(wanted)) < 2:  # noqa: PLR2004 - two classes
            return float(wanted[0]) if len(wanted) else 0.5
        fixed = {"n_estimators": 200, "n_jobs": 1} if self.model == "rf" else self._bins()
        model = _MODELS[self.model, task](**fixed, **settings, random_state=self.seed)
        return model.fit(self.features[train][known], wanted)

    def _bins(self) -> dict[str, int]:
        """Bits need two bins instead of 255, which gives the same trees in a fraction of the time."""
        return {"max_bins": 2} if self.features.dtype == np.uint8 else {}

    def score(self, models: list[Any], role: AnyArray) -> float:
        """The table's metric on a role."""
        columns = [self._predict(model, self.features[role]) for model in models]
        truth, names = exact_labels(self.data, role), self.data.target_names
        return score(self.data.metric or "", truth, np.stack(columns, axis=1), names).value

    def _predict(self, model: Any, rows: AnyArray) -> AnyArray:
        if isinstance(model, float):
            return np.full(len(rows), model)
        found: AnyArray = model.predict_proba(rows)[:, 1] if hasattr(model, "predict_proba") else model.predict(rows)
        return found
