"""A Gaussian process on molecule-level features: strong on tables of a few hundred rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import Tensor

from molweight.arrays import AnyArray, BoolArray, Indices
from molweight.ensemble._joined_features import JoinedFeatures
from molweight.errors import DataError
from molweight.features import Standardiser
from molweight.features.internal import SCALE_MEDIAN, scale_from_state, scale_state

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["GaussianProcess"]

_MOST_ROWS: Final = 6_000
"""Maximum number of fitted rows: time grows cubically with it, memory quadratically."""
_MOST_SOLVES: Final = 4
"""Maximum number of solved systems of this size; if labels are missing, each target has its own system."""
_BLOCK: Final = 1_000
"""Number of rows of the kernel matrix computed at a time."""
_TRIAL_ROWS: Final = 400
"""Number of rows for choosing the kernel."""
_TRIAL_GROUPS: Final = 4
"""Maximum number of groups of targets for choosing the kernel if labels are missing."""
_NEARLY_ALL: Final = 0.85
"""Share of known labels above which all targets share the rows for choosing the kernel."""
_MIXTURES: Final = (0.01, 0.03, 0.1, 0.2, 0.5, 0.8)
_LENGTHS: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
_NOISES: Final = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
_LEVELS: Final = 4
"""Counts above this value are treated as equal."""
_DENSE: Final = 0.05
"""Share of the rows in which a column must occur to be multiplied as a dense one; sparse products of rarer columns are
faster."""


@dataclass(frozen=True)
class _Kernel:
    """``mixture * minmax(counts) + (1 - mixture) * exp(-|x - x'|^2 / scale)``, with noise on the diagonal."""

    mixture: float
    scale: float
    noise: float = 0.0

    def __call__(self, distances: AnyArray, overlap: AnyArray) -> AnyArray:
        values: AnyArray = self.mixture * overlap + (1 - self.mixture) * np.exp(-distances / self.scale)
        return values


@dataclass(frozen=True)
class GaussianProcess:
    """Posterior mean of a Gaussian process; the kernel is chosen by marginal likelihood on training rows.

    Classes are fitted by regression on 0 and 1, and the mean is clipped to (0, 1).

    Source: Rasmussen & Williams, *Gaussian Processes for Machine Learning*, 2006; the minmax kernel of counts:
    Ralaivola et al., *Graph kernels for chemical informatics*, Neural Networks 2005.

    Args:
        standardiser: Standardiser of the dense features.
        rows: Standardised dense features of the training rows, ``n x D`` float32.
        counts: Sparse features of the training rows, ``n x C`` uint8.
        coefficients: Coefficients of the kernel with each training row, ``n x T`` float64.
        offset: Mean label, ``T`` float64.
        kernel: Mixture and scale, 2 float64.
        classes: Which targets are classes, ``T`` bool.

    Example:
        >>> x = np.linspace(0, 1, 30)[:, None]
        >>> fitted = GaussianProcess.fit(x, np.zeros((30, 0)), x**2, np.array([False]), seed=0)
        >>> fitted.predict(np.array([[0.5]]), np.zeros((1, 0))).round(2).tolist()
        [[0.25]]
    """

    standardiser: Standardiser
    rows: Tensor
    counts: Tensor
    coefficients: Tensor
    offset: Tensor
    kernel: Tensor
    classes: Tensor

    @classmethod
    def fit(
        cls,
        dense: AnyArray,
        counts: AnyArray | JoinedFeatures,
        labels: AnyArray,
        classes: AnyArray,
        *,
        seed: int,
        weights: AnyArray | None = None,
    ) -> "GaussianProcess":
        """Choose the kernel on 400 rows, and fit on all rows, or on 6,000 randomly sampled ones of a large table.

        If labels of different rows are missing for different targets, each target has its own linear system. With five
        or more systems, fewer rows are used to bound the time. If more than 15 % of the labels are missing, the kernel
        is chosen on labelled rows of the four targets with the most labels, or of the four largest groups of targets
        that have the same labelled rows.

        Args:
            dense: ``n x D``; NaN where missing.
            counts: ``n x C`` counts of fingerprints; of joined features, those of the fitted rows are read.
            labels: ``n x T``, NaN where missing.
            classes: Which targets are classes, ``T`` bool.
            seed: Seed of the rows for choosing the kernel.
            weights: Weight of each label, ``n x T``: the noise is divided by it.
        """
        order = np.random.default_rng(seed).permutation(len(labels))
        shares = ~np.isnan(labels) * (np.ones(labels.shape) if weights is None else weights)
        used = np.sort(order[: _affordable(shares)])
        standardiser = Standardiser.fit(dense)
        rows = standardiser(torch.from_numpy(np.asarray(dense)[used]))
        centred, offset = _centred(labels, shares > 0)
        groups = _trial_groups(shares > 0, order[: len(used)])
        read = _counts(counts, used)
        positions = [np.searchsorted(used, own) for own, _ in groups]
        trials = [
            _Trial.of(rows.numpy()[at], read[at], centred[np.ix_(own, targets)])
            for at, (own, targets) in zip(positions, groups, strict=True)
        ]
        kernel = _choose(trials)
        coefficients = _solve_all(kernel, rows.numpy(), read, centred[used], shares[used])
        return cls(
            standardiser,
            rows,
            torch.from_numpy(np.asarray(read, dtype=np.uint8)),
            torch.from_numpy(coefficients),
            torch.from_numpy(offset),
            torch.tensor([kernel.mixture, kernel.scale], dtype=torch.float64),
            torch.from_numpy(np.asarray(classes, dtype=bool)),
        )

    def predict(self, dense: AnyArray, counts: AnyArray) -> AnyArray:
        """Probabilities or labels, ``m x T`` float64.

        Args:
            dense: ``m x D``.
            counts: ``m x C``.
        """
        inputs = self.standardiser(torch.from_numpy(np.asarray(dense))).numpy()
        kernel, coefficients = _Kernel(*self.kernel.tolist()), self.coefficients.numpy()
        distances, overlap = self._compared
        values = np.tile(self.offset.numpy(), (len(inputs), 1))
        for start in range(0, len(inputs), _BLOCK):
            part = slice(start, start + _BLOCK)
            values[part] += kernel(distances.to(inputs[part]), overlap.to(counts[part])) @ coefficients
        labels: AnyArray = np.where(self.classes.numpy(), np.clip(values, 1e-3, 1 - 1e-3), values)
        return labels

    @cached_property
    def _compared(self) -> "tuple[_Distances, _Overlap]":
        """The training side of the kernel, computed once for all new rows."""
        return _Distances.of(self.rows.numpy()), _Overlap.of(self.counts.numpy())

    def state(self) -> dict[str, Tensor]:
        """The state as tensors."""
        own = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "standardiser"}
        return {**own, **scale_state(self.standardiser)}

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> "GaussianProcess":
        """The process from its :meth:`state`.

        Raises:
            DataError: If a tensor is missing.
        """
        missing = [field.name for field in fields(cls) if field.name != "standardiser" and field.name not in state]
        if missing or SCALE_MEDIAN not in state:
            raise DataError(f"the Gaussian process lacks {', '.join(missing) or 'its standardiser'}. Restore the file.")
        own = {field.name: state[field.name].cpu() for field in fields(cls) if field.name != "standardiser"}
        return cls(standardiser=scale_from_state(state), **own)


def _counts(features: AnyArray | JoinedFeatures, rows: Indices) -> AnyArray:
    """Counts of some rows."""
    return features[rows].counts() if isinstance(features, JoinedFeatures) else features[rows]


@dataclass(frozen=True, eq=False)
class _Trial:
    """Rows for choosing the kernel, with the labels of targets that share them.

    Args:
        distances: Squared distances of all pairs, ``n x n``.
        overlap: Similarities of their counts, ``n x n``.
        labels: Labels in units of their standard deviation, ``n x T``.
    """

    distances: AnyArray
    overlap: AnyArray
    labels: AnyArray

    @classmethod
    def of(cls, rows: AnyArray, counts: AnyArray, labels: AnyArray) -> "_Trial":
        """Compare ``n`` rows; targets with constant labels are left out."""
        scale = labels.std(axis=0)
        standard = labels[:, scale > 0] / scale[scale > 0]
        return cls(_Distances.of(rows).to(rows), _Overlap.of(counts).to(counts), standard)

    def likelihoods(self, kernel: _Kernel) -> AnyArray:
        """The log marginal likelihood for each level of noise, summed over the targets, each with its own scale."""
        values, vectors = np.linalg.eigh(kernel(self.distances, self.overlap))
        rotated = (vectors.T @ self.labels) ** 2
        found = []
        for noise in _NOISES:
            diagonal = np.maximum(values, 0) + noise
            fits = np.log((rotated / diagonal[:, None]).mean(axis=0)).sum() * len(rotated)
            found.append(-0.5 * (fits + np.log(diagonal).sum() * rotated.shape[1]))
        return np.array(found)


def _trial_groups(known: BoolArray, order: Indices) -> list[tuple[Indices, Indices]]:
    """Positions of rows for choosing the kernel, and of targets that share them.

    If labels are missing, groups of targets with the same labelled rows have their own rows: fewer of them for each of
    several groups, so that all groups together take the time of two.

    Args:
        known: Which labels count, ``n x T``.
        order: Positions of the rows to draw from, in random order.
    """
    drawn = order[:_TRIAL_ROWS]
    if known[drawn].mean() > _NEARLY_ALL or not known[order].any():
        return [(np.sort(drawn), np.arange(known.shape[1]))]
    masks, group = np.unique(known[order], axis=1, return_inverse=True)
    group = group.reshape(-1)
    labels = masks.sum(axis=0) * np.bincount(group)
    largest = np.argsort(-labels, kind="stable")[:_TRIAL_GROUPS]
    largest = largest[labels[largest] > 0]
    count = int(_TRIAL_ROWS * min(1.0, 2 / len(largest)) ** (1 / 3))
    return [(np.sort(order[masks[:, own]][:count]), np.flatnonzero(group == own)) for own in largest]


def _choose(trials: Sequence[_Trial]) -> _Kernel:
    """The kernel with the largest marginal likelihood, summed over the trials."""
    best, chosen = -np.inf, next(_candidates(trials))
    for kernel in _candidates(trials):
        likelihoods = sum((trial.likelihoods(kernel) for trial in trials), start=np.zeros(len(_NOISES)))
        for noise, likelihood in zip(_NOISES, likelihoods.tolist(), strict=True):
            if likelihood > best:
                best, chosen = likelihood, _Kernel(kernel.mixture, kernel.scale, noise)
    return chosen if chosen.noise else _Kernel(chosen.mixture, chosen.scale, _NOISES[-1])


def _candidates(trials: Sequence[_Trial]) -> Iterator[_Kernel]:
    """Candidate kernels; those of missing or constant features are left out."""
    middle = float(np.median(np.concatenate([trial.distances.ravel() for trial in trials])))
    counted = any(trial.overlap.any() for trial in trials)
    mixtures = (1.0,) if not middle > 0 else _MIXTURES if counted else (0.0,)
    lengths = _LENGTHS if middle > 0 else (1.0,)
    for mixture in mixtures:
        yield from (_Kernel(mixture, length * (middle if middle > 0 else 1.0)) for length in lengths)


def _affordable(shares: AnyArray) -> int:
    """Number of rows to fit on, given the number of systems to solve: one per distinct column of weights."""
    systems = len(np.unique(shares, axis=1).T)
    return int(_MOST_ROWS * min(1.0, _MOST_SOLVES / max(systems, 1)) ** (1 / 3))


def _centred(labels: AnyArray, known: AnyArray) -> tuple[AnyArray, AnyArray]:
    """The labels minus their mean, 0 where unknown, ``n x T``, and the means, ``T``; both float64."""
    filled = np.where(known, labels, 0.0).astype(np.float64)
    offset: AnyArray = filled.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(known, filled - offset, 0.0), offset


def _solve_all(kernel: _Kernel, rows: AnyArray, counts: AnyArray, labels: AnyArray, shares: AnyArray) -> AnyArray:
    """Coefficients of all targets, ``n x T``; targets with the same weights are solved together."""
    gram, found = _gram(kernel, rows, counts), np.zeros(labels.shape)
    columns, group = np.unique(shares, axis=1, return_inverse=True)
    for number, weights in enumerate(columns.T):
        known, own = weights > 0, group.reshape(-1) == number
        if known.any():
            square = gram[np.ix_(known, known)]
            square.flat[:: len(square) + 1] += kernel.noise / weights[known]
            found[np.ix_(known, own)] = _solve(square, labels[np.ix_(known, own)])
    return found


def _gram(kernel: _Kernel, rows: AnyArray, counts: AnyArray) -> AnyArray:
    """The kernel of all pairs of rows, ``n x n``, computed in blocks to save memory."""
    distances, overlap = _Distances.of(rows), _Overlap.of(counts)
    gram = np.empty((len(rows), len(rows)))
    for start in range(0, len(rows), _BLOCK):
        part = slice(start, start + _BLOCK)
        gram[part] = kernel(distances.to(rows[part]), overlap.to(counts[part]))
    return gram


def _solve(matrix: AnyArray, labels: AnyArray) -> AnyArray:
    from scipy.linalg import cho_factor, cho_solve

    # LAPACK uses column-major order: it can overwrite the transpose of this symmetric matrix without a copy.
    found: AnyArray = cho_solve(cho_factor(matrix.T, overwrite_a=True), labels)
    return found


@dataclass(frozen=True, eq=False)
class _Distances:
    """Squared distances to some rows.

    Args:
        rows: ``m x D`` float64.
        squares: Their squared lengths, ``1 x m``.
    """

    rows: AnyArray
    squares: AnyArray

    @classmethod
    def of(cls, rows: AnyArray) -> "_Distances":
        """Prepare ``m x D`` rows."""
        wide = rows.astype(np.float64)
        return cls(wide, (wide**2).sum(axis=1)[None])

    def to(self, rows: AnyArray) -> AnyArray:
        """Squared distances of all pairs, ``n x m`` float64."""
        wide = rows.astype(np.float64)
        squares = (wide**2).sum(axis=1)[:, None] + self.squares - 2 * wide @ self.rows.T
        distances: AnyArray = np.maximum(squares, 0.0)
        return distances


@dataclass(frozen=True, eq=False)
class _Overlap:
    """Similarity to some rows: sum of the smaller counts divided by the sum of the larger; 0 if both are empty.

    Counts are coded in unary, a column per level, so that a dot product sums the smaller ones. Few columns occur in
    many rows: these are multiplied as dense matrices, all others as sparse ones. The sums are of integers and therefore
    exact, whatever the order.

    Args:
        common: Which columns are dense, ``4 C`` bool.
        rare: Which are sparse, ``4 C`` bool; the remaining ones do not occur in the rows.
        dense: The dense columns of the rows, ``L x m`` float32.
        sparse: The sparse columns of the rows, ``4 C - L - unused x m`` float32.
        sizes: Sums of the counts of the rows, ``m`` float32.
    """

    common: AnyArray
    rare: AnyArray
    dense: AnyArray
    sparse: "csr_array"
    sizes: AnyArray

    @classmethod
    def of(cls, counts: AnyArray) -> "_Overlap":
        """Prepare ``m x C`` counts."""
        unary = _unary(counts)
        share = unary.mean(axis=0) if len(unary) else np.zeros(unary.shape[1])
        common, rare = share > _DENSE, (share > 0) & (share <= _DENSE)
        dense = np.ascontiguousarray(unary[:, common].T, dtype=np.float32)
        return cls(common, rare, dense, _sparse(unary[:, rare].T), _sizes(unary))

    def to(self, counts: AnyArray) -> AnyArray:
        """Similarities of all pairs, ``n x m`` float64."""
        unary = _unary(counts)
        shared = (unary[:, self.common].astype(np.float32) @ self.dense).astype(np.float64)
        shared += (_sparse(unary[:, self.rare]) @ self.sparse).toarray()
        either = _sizes(unary)[:, None] + self.sizes[None] - shared
        overlap: AnyArray = shared / np.maximum(either, 1.0)
        return overlap


def _unary(counts: AnyArray) -> AnyArray:
    """Unary coding of counts, a column per level, ``n x 4 C`` bool."""
    return np.concatenate([counts > level for level in range(_LEVELS)], axis=1)


def _sizes(unary: AnyArray) -> AnyArray:
    sizes: AnyArray = unary.sum(axis=1, dtype=np.float32)
    return sizes


def _sparse(unary: AnyArray) -> "csr_array":
    from scipy.sparse import csr_array

    rows, columns = np.nonzero(unary)
    starts = np.searchsorted(rows, np.arange(len(unary) + 1))
    # 32 bits, to which a product would otherwise convert the indices each time.
    places = columns.astype(np.int32), starts.astype(np.int32)
    return csr_array((np.ones(len(rows), np.float32), *places), shape=unary.shape)
