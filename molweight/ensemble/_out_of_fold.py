"""Out-of-fold predictions of partners, and the choice of label transforms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch

from molweight.arrays import AnyArray, Indices, Int8Array
from molweight.datasets.internal import bounds_of, exact_labels, higher_is_better, metrics_of, ogb_metric
from molweight.ensemble._balance import Balance, has_rare_class
from molweight.ensemble._bounds import one_sided_bounds, violated
from molweight.ensemble._in_context import TABICL
from molweight.ensemble._joined_features import JoinedFeatures
from molweight.ensemble._label_transform import CLASS, LabelTransform, possible_transforms
from molweight.ensemble._label_weights import relative_weights, weighted_score
from molweight.ensemble._partner_kinds import KINDS, partner_features
from molweight.ensemble._partners import Partner, PartnerSpec
from molweight.ensemble._profile import PROFILE
from molweight.ensemble._recipe import Recipe
from molweight.ensemble._tabicl_network import Network
from molweight.features.internal import feature_values, is_sparse
from molweight.graphs import MoleculeDataset, Task
from molweight.graphs.internal import tasks_of

__all__ = ["PartnerData", "labels_to_score", "partner_data"]


_TRIAL_ROUNDS: Final = 150
_TRIED: Final = ("none", "weights")
_GAIN: Final = 0.005
"""Minimum gain for using class weights; smaller gains are within the noise of a table of a few thousand rows."""


@dataclass(frozen=True)
class PartnerData:
    """Labelled rows as training data of partners.

    Args:
        features: Names of the feature sets that each partner reads, by name of the partner.
        matrices: Features, ``n x F``, by name of the partner; feature sets are shared by the partners.
        labels: ``n x T``, NaN where missing.
        weights: Weight of each label, ``n x T``; ``None`` for equal ones. Their unit does not matter to any partner.
        task: Task of the table.
        absolute: Whether regression minimises the absolute error instead of the squared one.
        seed: Seed of the partners.
        balance: Treatment of rare classes by trees, as in :class:`molweight.options.EnsembleOptions`.
        network: Weights of the partner ``"tabicl"``.
        device: Device of that partner.
        bounds: Which labels are bounds, ``n x T``: -1 where the true value is below the label, 1 where it is above, 0
            where it is the label; ``None`` for exact labels. Those of classes are ignored.
    """

    features: Mapping[str, tuple[str, ...]]
    matrices: Mapping[str, AnyArray | JoinedFeatures]
    labels: AnyArray
    weights: AnyArray | None
    task: Task
    absolute: bool
    seed: int
    balance: str = "none"
    network: Network | None = None
    device: str = "cpu"
    bounds: Int8Array | None = None

    @property
    def names(self) -> list[str]:
        """Names of the partners to fit; the forest only if all targets are binary classes, or all are numbers."""
        left_out = set() if self.task in ("classification", "regression") else {"forest"}
        return [name for name in self.matrices if name not in left_out]

    def fit(self, name: str, kind: str, rows: Indices | None = None, rounds: int | None = None) -> Partner:
        """Fit a partner.

        Labels that are bounds count as in one step of minimising a one-sided loss: the partner is first fitted on the
        exact labels; the bounds that its predictions violate are then used as exact labels in a second fit, and all
        others are left out. Bounds of a target with fewer than ten exact labels among the rows are exact labels.

        Args:
            name: Name of the partner.
            kind: Kind of the label transform, which is fitted on the same labels.
            rows: Positions of the rows; ``None`` for all.
            rounds: Number of trees; ``None`` for the default.
        """
        chosen = np.arange(len(self.labels)) if rows is None else rows
        labels, bounds = self.labels[chosen], self._one_sided(chosen)
        bounded = np.flatnonzero(bounds.any(axis=1))
        if len(bounded) == 0:
            return self._fitted(name, kind, chosen, labels, rounds)
        used = np.where(bounds == 0, labels, np.nan)
        first = self._fitted(name, kind, chosen, used, rounds)
        predicted = first.predict(self.matrices[name][chosen[bounded]], self.device)
        kept = violated(labels[bounded], bounds[bounded], predicted)
        if not kept.any():
            return first
        used[bounded] = np.where(kept, labels[bounded], used[bounded])
        return self._fitted(name, kind, chosen, used, rounds)

    def _one_sided(self, rows: Indices) -> Int8Array:
        """Signs of the bounds among some rows that are not used as exact labels, ``len(rows) x T``."""
        labels = self.labels[rows]
        if self.bounds is None or self.task == "multiclass":
            return np.zeros(labels.shape, dtype=np.int8)
        signs = np.where(self.classes, 0, self.bounds[rows])
        return one_sided_bounds(labels, signs, None if self.weights is None else self.weights[rows])

    def _fitted(self, name: str, kind: str, rows: Indices, labels: AnyArray, rounds: int | None) -> Partner:
        """A partner fitted on some rows, with these labels for them; rows without any are left out."""
        if self.bounds is not None:
            known = ~np.isnan(labels).all(axis=1)
            rows, labels = rows[known], labels[known]
        given = None
        if self.weights is not None:
            # The forest alone is fitted to all targets together, so that the weights of targets matter.
            per_target = KINDS[name].model != "forest"
            given = relative_weights(self.weights[rows], labels, per_target=per_target)
        weights, odds = self._balanced(name, labels, given)
        transform = LabelTransform.fit(kind, labels, given)
        return Partner.fit(
            PartnerSpec(name, self.features[name], transform, odds, self._about(name)),
            self.task,
            self.matrices[name][rows],
            labels,
            seed=self.seed,
            weights=weights,
            absolute=self.absolute,
            rounds=rounds,
            network=self.network,
        )

    def _about(self, name: str) -> dict[str, Any]:
        """Description of a partner's network; empty for partners without one."""
        return self.network.about() if self.network is not None and KINDS[name].model == "in_context" else {}

    def _balanced(
        self, name: str, labels: AnyArray, weights: AnyArray | None
    ) -> tuple[AnyArray | None, tuple[float, ...]]:
        """Label weights for trees, and their effect on the odds; other partners are not balanced."""
        if self.balance in ("none", "focal") or KINDS[name].model != "trees" or self.task == "multiclass":
            return weights, ()
        balance = Balance.of(self.balance, labels, self.classes)
        own = balance.label_weights(labels)
        return own if weights is None else own * weights, tuple(balance.odds(labels).tolist())

    def out_of_fold(self, name: str, kind: str, folds: Sequence[Indices], rounds: int | None = None) -> AnyArray:
        """Out-of-fold predictions of a partner, ``n x T`` in the labels' own units.

        Args:
            name: Name of the partner.
            kind: Kind of the label transform.
            folds: Positions of each fold.
            rounds: Number of trees; ``None`` for the default.
        """
        return self.assemble(folds, [self.predict_fold(name, kind, fold, rounds) for fold in folds])

    def predict_fold(self, name: str, kind: str, fold: Indices, rounds: int | None = None) -> AnyArray:
        """Predictions of the rows of a fold by a partner that is fitted on all others.

        Args:
            name: Name of the partner.
            kind: Kind of the label transform.
            fold: Positions of the rows to predict.
            rounds: Number of trees; ``None`` for the default.
        """
        rest = np.setdiff1d(np.arange(len(self.labels)), fold)
        return self.fit(name, kind, rest, rounds).predict(self.matrices[name][fold], self.device)

    def assemble(self, folds: Sequence[Indices], predicted: Sequence[AnyArray]) -> AnyArray:
        """Predictions of all rows, ``n x T``, from those of each fold.

        Args:
            folds: Positions of each fold.
            predicted: Predictions of their rows, in the same order.
        """
        whole = np.full(self.labels.shape, np.nan)
        for fold, values in zip(folds, predicted, strict=True):
            whole[fold] = values
        return whole

    def kind_of(self, asked: str) -> str:
        """A requested label transform for each target; classes are unchanged.

        Args:
            asked: Its name.
        """
        return ",".join(CLASS if own == "classification" else asked for own in self._tasks())

    def choose_transforms(self, folds: Sequence[Indices], metric: str, truth: AnyArray) -> tuple[str, dict[str, float]]:
        """For each target, the label transform with which small boosted trees score best out of fold, by weight.

        Without trees among the partners, the first partner is used instead. A target with unskewed labels is not
        transformed; bounds do not count for the skewness, as a measured label would. If no target is skewed, or there
        are no features, nothing is tried.

        Args:
            folds: Positions of each fold.
            metric: The metric for comparing scores.
            truth: Labels for scoring, ``n x T``, NaN where missing or only a bound.

        Returns:
            The transforms, and the score with each transform that was tried.
        """
        plain, trial = self.kind_of("none").split(","), next(iter([*self._trials(), *self._readers()]), None)
        exact = np.where(self._one_sided(np.arange(len(self.labels))) == 0, self.labels, np.nan)
        other = [
            kind if kind == CLASS else possible_transforms(*columns)[-1]
            for kind, *columns in zip(plain, self.labels.T, exact.T, strict=True)
        ]
        if trial is None or other == plain:
            return ",".join(plain), {}
        predictions = [self.out_of_fold(trial, ",".join(kinds), folds, _TRIAL_ROUNDS) for kinds in (plain, other)]
        chosen = list(plain)
        for at, own in enumerate(metrics_of(ogb_metric(metric) or metric, len(plain))):
            column = slice(at, at + 1)
            before, after = (self._score(own, truth[:, column], values[:, column], column) for values in predictions)
            sign = 1.0 if higher_is_better(own) else -1.0
            chosen[at] = other[at] if sign * after > sign * before else plain[at]
        words = ["none", "+".join(sorted(set(other) - {CLASS, "none"}))]
        tried = {word: self._score(metric, truth, values) for word, values in zip(words, predictions, strict=True)}
        return ",".join(chosen), tried

    def choose_balance(self, folds: Sequence[Indices], metric: str, truth: AnyArray) -> tuple[str, dict[str, float]]:
        """The treatment of rare classes with which small boosted trees score best out of fold, by weight.

        Args:
            folds: Positions of each fold.
            metric: The metric for comparing scores.
            truth: Labels for scoring, ``n x T``, NaN where missing.

        Returns:
            ``"none"`` or ``"weights"``, and the score with each; ``"none"`` without a trial if no class is rare, or no
            partner is a model of boosted trees.
        """
        trial = next(iter(self._trials()), None)
        if trial is None or self.task == "multiclass" or not has_rare_class(self.labels, self.classes):
            return "none", {}
        kind, tried = self.kind_of("none"), {}
        for balance in _TRIED:
            values = replace(self, balance=balance).out_of_fold(trial, kind, folds, _TRIAL_ROUNDS)
            tried[balance] = self._score(metric, truth, values)
        sign = 1.0 if higher_is_better(metric) else -1.0
        better = sign * (tried["weights"] - tried["none"]) > _GAIN
        return "weights" if better else "none", tried

    def _score(self, metric: str, truth: AnyArray, predicted: AnyArray, columns: slice = slice(None)) -> float:
        """The score of some targets, in which labels count by their weights, as in training."""
        weights = None if self.weights is None else np.broadcast_to(self.weights, self.labels.shape)[:, columns]
        return weighted_score(metric, truth, predicted, weights)

    def _readers(self) -> list[str]:
        """Names of the partners that have features to read."""
        return [name for name, matrix in self.matrices.items() if matrix.shape[1]]

    def _trials(self) -> list[str]:
        """Names of the boosted trees among them, which are fast and can be balanced."""
        return [name for name in self._readers() if KINDS[name].model == "trees"]

    @property
    def classes(self) -> AnyArray:
        """Which targets are classes, ``T`` bool."""
        return np.array([own == "classification" for own in self._tasks()], dtype=bool)

    def _tasks(self) -> list[str]:
        return tasks_of(self.task, self.labels.shape[1])


def labels_to_score(data: MoleculeDataset) -> AnyArray:
    """Labels with which out-of-fold predictions are compared, ``n x T``: without bounds, unless there are no others.

    Args:
        data: The table.
    """
    exact = exact_labels(data, np.arange(len(data))).astype(np.float64)
    return data.targets.astype(np.float64) if np.isnan(exact).all() else exact


def partner_data(
    recipe: Recipe,
    whole: MoleculeDataset,
    rows: Indices,
    device: torch.device,
    given: Mapping[str, AnyArray],
    *,
    progress: bool = False,
) -> PartnerData:
    """Rows of a table as training data of partners.

    Args:
        recipe: Settings of the ensemble.
        whole: The table.
        rows: Positions of the rows.
        device: Device of partners that use one.
        given: Features of partners that read something else, by name of the partner.
        progress: Whether to show a progress bar on a terminal.
    """
    names = [*(name for name in recipe.partners if name != PROFILE), *given, *([TABICL] if recipe.network else [])]
    data, sets = whole.subset(rows), {name: partner_features(name, recipe.features) for name in names}
    read = dict.fromkeys(part for name, own in sets.items() if name not in given for part in own)
    values = {name: feature_values(whole, name, progress=progress) for name in read}
    weights = data.columns.get("label_weight")
    return PartnerData(
        features=sets,
        matrices={name: given[name] if name in given else _joined(values, own, rows) for name, own in sets.items()},
        labels=data.targets.astype(np.float64),
        weights=None if weights is None else np.asarray(weights, dtype=np.float64).reshape(len(data), -1),
        task=data.task or "regression",
        absolute=(ogb_metric(data.metric or "") or data.metric) == "mae",
        seed=int(recipe.stream("trees").integers(2**31)),
        balance="none" if recipe.class_balance == "auto" else recipe.class_balance,
        network=recipe.network,
        device=str(device),
        bounds=bounds_of(data) if "label_bounds" in data.columns else None,
    )


def _joined(values: Mapping[str, AnyArray], names: Sequence[str], rows: Indices) -> AnyArray | JoinedFeatures:
    if not names:
        return np.empty((len(rows), 0), dtype=np.float32)
    return JoinedFeatures(tuple(values[name] for name in names), tuple(is_sparse(name) for name in names), rows)
