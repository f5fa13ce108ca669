"""A forest of randomised trees for all targets together: targets with few labels share its splits."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from molweight.arrays import AnyArray, Int64Array
from molweight.ensemble._joined_features import JoinedFeatures
from molweight.errors import DataError
from molweight.features import Standardiser
from molweight.features.internal import SCALE_MEDIAN, scale_from_state, scale_state

__all__ = ["Forest"]

_TREES: Final = 200
_GROUP: Final = 10
"""Number of trees that are grown at a time, to bound the memory; a divisor of their number."""
_COLUMNS: Final = "sqrt"
"""Number of columns considered at each split: the square root of their number."""
_LEAST: Final = 2
"""Minimum number of rows in a leaf."""
_DRAWN: Final = 5_000
"""Number of rows to grow a tree on; sampled with replacement from larger tables. Leaf values use all rows."""
_PRIOR: Final = 1e-6
"""Weight of the target's mean label in a leaf, which matters if no row of the leaf has a label."""
_ROWS: Final = 256
"""Number of rows predicted at a time, to bound the memory."""
_TENSORS: Final = ("roots", "columns", "thresholds", "left", "right", "values")


@dataclass(frozen=True)
class Forest:
    """Extremely randomised trees whose leaves hold the mean of the known labels of each target.

    The trees of scikit-learn are stored as plain arrays, so that they can be loaded without pickle.

    Source: Geurts, Ernst, Wehenkel, *Extremely Randomized Trees*, Machine Learning 2006.

    Args:
        standardiser: Standardiser of the features, for missing and outlying values.
        roots: First node of each tree, int32.
        columns: Column of the standardised features that each node tests; ``-1 - l`` for leaf ``l``.
        thresholds: A row goes to the left child if its value is at most the threshold, float32.
        left: The left child, int32.
        right: The right child, int32.
        values: Mean label of each leaf and target, float16.

    Example:
        >>> x = np.linspace(-1, 1, 60)[:, None]
        >>> fitted = Forest.fit(x, (x > 0).astype(float), seed=0)
        >>> fitted.predict(np.array([[-0.8], [0.8]])).round(1).tolist()
        [[0.0], [1.0]]
    """

    standardiser: Standardiser
    roots: Tensor
    columns: Tensor
    thresholds: Tensor
    left: Tensor
    right: Tensor
    values: Tensor

    @classmethod
    def fit(
        cls, features: AnyArray | JoinedFeatures, labels: AnyArray, *, seed: int, weights: AnyArray | None = None
    ) -> "Forest":
        """Fit the forest.

        Args:
            features: ``n x F``; NaN where missing.
            labels: ``n x T``, NaN where missing; while the trees grow, these are replaced by the target's mean.
            seed: Seed of the columns and thresholds.
            weights: Weight of each label, ``n x T``; ``None`` for equal ones.
        """
        standardiser, rows = _standardised(features)
        rows = rows if rows.shape[1] else np.zeros((len(rows), 1), np.float32)
        shares = ~np.isnan(labels) * (np.ones(labels.shape) if weights is None else weights)
        mean = (np.nan_to_num(labels) * shares).sum(axis=0) / np.maximum(shares.sum(axis=0), 1e-30)
        filled = np.where(np.isnan(labels), mean, labels)
        grown, values = [], []
        for tree in _trees(rows, filled, _row_weights(shares), seed):
            part = _Grown.of(tree)
            grown.append(part)
            values.append(torch.from_numpy(part.values(tree.apply(rows), filled, shares, mean)).half())
        return cls(standardiser, *_joined(grown), torch.cat(values))

    def predict(self, features: AnyArray) -> AnyArray:
        """Mean over the trees, ``m x T`` float64.

        Args:
            features: ``m x F``.
        """
        rows = self.standardiser(torch.from_numpy(np.asarray(features))).numpy()
        rows = rows if rows.shape[1] else np.zeros((len(rows), 1), np.float32)
        values = self.values.numpy()
        parts = [values[leaves].astype(np.float64).mean(axis=1) for leaves in self._leaves(rows)]
        found: AnyArray = np.concatenate([np.empty((0, values.shape[1])), *parts])
        return found

    def _leaves(self, rows: AnyArray) -> Iterator[Int64Array]:
        """The leaf of each row in each tree, ``rows x trees``, for some rows at a time."""
        columns, thresholds = self.columns.numpy(), self.thresholds.numpy()
        left, right = self.left.numpy(), self.right.numpy()
        for start in range(0, len(rows), _ROWS):
            part = rows[start : start + _ROWS]
            nodes = np.repeat(self.roots.numpy()[None].astype(np.int64), len(part), axis=0)
            at, tree = np.nonzero(columns[nodes] >= 0)
            while len(at):
                here = nodes[at, tree]
                low = part[at, columns[here]] <= thresholds[here]
                nodes[at, tree] = np.where(low, left[here], right[here])
                inner = columns[nodes[at, tree]] >= 0
                at, tree = at[inner], tree[inner]
            yield -1 - columns[nodes].astype(np.int64)

    def state(self) -> dict[str, Tensor]:
        """The state as tensors."""
        own = {name: getattr(self, name) for name in _TENSORS}
        return {**own, **scale_state(self.standardiser)}

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> "Forest":
        """The forest from its :meth:`state`.

        Raises:
            DataError: If a tensor is missing, or a node points outside the trees.
        """
        missing = [name for name in (*_TENSORS, SCALE_MEDIAN) if name not in state]
        if missing:
            raise DataError(f"the forest of the ensemble lacks {', '.join(missing)}. Restore the file.")
        standardiser = scale_from_state(state)
        made = cls(standardiser, **{name: state[name].cpu() for name in _TENSORS})
        if not made._whole():
            raise DataError("the forest of the ensemble is damaged: a node leads outside its trees. Restore the file.")
        return made

    def _whole(self) -> bool:
        """Whether every node points to a later node, so that no path is endless, or to an existing leaf."""
        count, place = len(self.columns), torch.arange(len(self.columns))
        if any(len(part) != count for part in (self.thresholds, self.left, self.right)):
            return False
        inner = self.columns >= 0
        ends = torch.stack([self.left[inner], self.right[inner]]).long()
        ahead = bool((ends > place[inner]).all()) and bool((ends < count).all())
        inside = bool((self.columns < max(self.standardiser.width, 1)).all())
        leaves = bool((-1 - self.columns[~inner].long() < len(self.values)).all())
        return ahead and inside and leaves and bool(((self.roots >= 0) & (self.roots < count)).all())


def _standardised(features: AnyArray | JoinedFeatures) -> tuple[Standardiser, AnyArray]:
    """A standardiser fitted on some features, and what it returns for them, which alone is in memory as a matrix."""
    if not isinstance(features, JoinedFeatures):
        standardiser = Standardiser.fit(features)
        return standardiser, standardiser(torch.from_numpy(np.asarray(features))).numpy()
    standardiser = Standardiser.fit_columns(*features.shape, features.columns())
    rows, start = np.empty((len(features), standardiser.width), np.float32), 0
    for block in features.blocks():
        rows[start : start + len(block)] = standardiser(torch.from_numpy(block.matrix())).numpy()
        start += len(block)
    return standardiser, rows


def _trees(rows: AnyArray, labels: AnyArray, weights: AnyArray, seed: int) -> Iterator[Any]:
    """The trees of scikit-learn, of which only a few are in memory: each node of one holds float64 for every target."""
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.utils import check_random_state

    drawn = {"bootstrap": True, "max_samples": _DRAWN} if len(rows) > _DRAWN else {}
    leaf, state = min(_LEAST, len(rows)), check_random_state(seed)  # continued from one group to the next
    for _ in range(_TREES // _GROUP):
        model = ExtraTreesRegressor(
            _GROUP, max_features=_COLUMNS, min_samples_leaf=leaf, random_state=state, n_jobs=1, **drawn
        )
        model.fit(rows, labels[:, 0] if labels.shape[1] == 1 else labels, sample_weight=weights)
        for tree in model.estimators_:
            yield tree.tree_


def _row_weights(shares: AnyArray) -> AnyArray:
    """Weight of each row: the mean weight of its labels; 0 for a row without labels."""
    found: AnyArray = shares.mean(axis=1)
    return found if found.any() else np.ones(len(found))


@dataclass(frozen=True)
class _Grown:
    """The nodes of one tree of scikit-learn, numbered from 0.

    Args:
        columns: As in :class:`Forest`, with leaves counted from 0 in each tree.
        thresholds: As in :class:`Forest`.
        left: As in :class:`Forest`, counted from 0 in each tree.
        right: As in :class:`Forest`, counted from 0 in each tree.
        number: Number of each leaf, by node.
    """

    columns: Int64Array
    thresholds: AnyArray
    left: Int64Array
    right: Int64Array
    number: Int64Array

    @classmethod
    def of(cls, tree: object) -> "_Grown":
        # Copies: a view would keep the tree in memory, with float64 values of all its nodes.
        left, right, columns, thresholds = (
            np.array(getattr(tree, name)) for name in ("children_left", "children_right", "feature", "threshold")
        )
        inner = left >= 0
        number = np.cumsum(~inner) - 1
        return cls(np.where(inner, columns, -1 - number), thresholds, left, right, number)

    @property
    def leaves(self) -> int:
        return int((self.columns < 0).sum())

    def values(self, leaf: Int64Array, labels: AnyArray, shares: AnyArray, mean: AnyArray) -> AnyArray:
        """Mean of the known labels in each leaf, ``leaves x T``."""
        sums = np.tile(_PRIOR * mean, (self.leaves, 1))
        counts = np.full((self.leaves, labels.shape[1]), _PRIOR)
        np.add.at(sums, self.number[leaf], labels * shares)
        np.add.at(counts, self.number[leaf], shares)
        found: AnyArray = sums / counts
        return found


def _joined(grown: list[_Grown]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Roots, columns, thresholds, left and right children of all trees, concatenated."""
    first = np.cumsum([0, *(len(tree.columns) for tree in grown)])
    leaf = np.cumsum([0, *(tree.leaves for tree in grown)])
    columns = [
        np.where(tree.columns < 0, tree.columns - before, tree.columns)
        for tree, before in zip(grown, leaf, strict=False)
    ]
    sides = [
        np.concatenate([getattr(tree, side) + before for tree, before in zip(grown, first, strict=False)])
        for side in ("left", "right")
    ]
    thresholds = np.concatenate([tree.thresholds for tree in grown]).astype(np.float32)
    parts = (first[:-1], np.concatenate(columns), *sides)
    roots, column, left, right = (torch.from_numpy(part.astype(np.int32)) for part in parts)
    return roots, column, torch.from_numpy(thresholds), left, right
