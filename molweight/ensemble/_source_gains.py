"""How much each auxiliary table lowers the error of a linear model of the task, with standard errors."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import numpy as np

from molweight.arrays import Float64Array, Indices
from molweight.ensemble._folds import cross_folds

__all__ = ["Effect", "effect_of", "fold_errors", "format_gains", "repeated_folds", "source_gains"]

Verdict = Literal["helps", "hurts", "undecided"]

_FOLDS: Final = 5
_REPEATS: Final = 5
"""Number of partitions into folds."""
_MOST_ROWS: Final = 1_500
_LEVEL: Final = 0.05
_PENALTIES: Final = np.logspace(-1, 5, 13)
_FEWEST: Final = 5
"""Minimum number of labels outside a fold to fit a target; errors on fewer have no meaning."""


@dataclass(frozen=True)
class Effect:
    """Effect of additional features on the error of a linear model.

    Args:
        gain: Relative reduction of the squared error; negative if it rises, 0 if fewer than two folds can be scored.
        errors: The same in standard errors.
        verdict: ``"helps"`` or ``"hurts"`` if the effect is significant, else ``"undecided"``.
    """

    gain: float
    errors: float
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)


def source_gains(
    dense: Float64Array,
    profile: Float64Array,
    tables: Sequence[str],
    labels: Float64Array,
    rng: np.random.Generator,
) -> dict[str, Effect]:
    """Effect of the predicted labels of each table, in addition to other features and to the other tables.

    Args:
        dense: Other features, ``n x D``, finite.
        profile: Predicted labels, ``n x K``.
        tables: Name of the table of each of these columns.
        labels: Labels of the task, ``n x T``; NaN where missing.
        rng: Source of the folds, and of the rows if there are more than 1,500.

    Returns:
        By table, the best first.
    """
    rows = np.sort(rng.permutation(len(labels))[:_MOST_ROWS])
    dense, profile, labels = dense[rows], profile[rows], labels[rows]
    folds, names = repeated_folds(labels, rng), np.array(tables)
    whole = fold_errors([dense, profile], labels, folds)
    found = {
        name: effect_of(fold_errors([dense, profile[:, names != name]], labels, folds), whole, len(set(tables)))
        for name in dict.fromkeys(tables)
    }
    return dict(sorted(found.items(), key=lambda item: -item[1].errors))


def repeated_folds(labels: Float64Array, rng: np.random.Generator) -> list[Indices]:
    """Positions of each fold of five partitions into five folds.

    Args:
        labels: ``n x T``; NaN where missing.
        rng: Source of the partitions.
    """
    return [fold for _ in range(_REPEATS) for fold in cross_folds(labels, _FOLDS, rng)]


def fold_errors(blocks: Sequence[Float64Array], labels: Float64Array, folds: Sequence[Indices]) -> Float64Array:
    """Mean squared error of ridge regressions on each fold, in units of the variance of each target.

    A target is not scored on a fold without its labels, nor if fewer than five of its labels are outside the fold. A
    constant target is not scored at all.

    Args:
        blocks: Features, each ``n x D_i``; all blocks are scaled to the same variance.
        labels: ``n x T``; NaN where missing.
        folds: Positions of each fold.

    Returns:
        One error per fold; NaN if no target can be scored.
    """
    found = np.full(len(folds), np.nan)
    blocks = [block for block in blocks if block.shape[1]]
    variance = _variance(labels)
    for number, fold in enumerate(folds):
        rest = np.setdiff1d(np.arange(len(labels)), fold)
        scaled = [np.sqrt(blocks[0].shape[1] / block.shape[1]) * _standard(block, rest) for block in blocks]
        features = np.concatenate(scaled, axis=1) if scaled else np.zeros((len(labels), 1))
        each = [
            _squares(features, labels[:, target], rest, fold) / variance[target]
            for target in np.flatnonzero(variance > 0)
            if _scorable(labels[:, target], rest, fold)
        ]
        if each:
            found[number] = np.nanmean(np.concatenate(each))
    return found


def _variance(labels: Float64Array) -> Float64Array:
    """Variance of each target; 0 if it has no label."""
    found = np.zeros(labels.shape[1])
    labelled = ~np.isnan(labels).all(axis=0)
    found[labelled] = np.nanvar(labels[:, labelled], axis=0)
    return found


def _scorable(labels: Float64Array, rest: Indices, fold: Indices) -> bool:
    """Whether one target can be fitted outside a fold, and has labels in it."""
    known = ~np.isnan(labels)
    return bool(known[rest].sum() >= _FEWEST and known[fold].any())


def _standard(values: Float64Array, rows: Indices) -> Float64Array:
    """Columns in standard deviations from the mean, both computed over some rows."""
    scale = values[rows].std(axis=0)
    return np.asarray((values - values[rows].mean(axis=0)) / np.where(scale > 0, scale, 1.0), dtype=np.float64)


def _squares(features: Float64Array, labels: Float64Array, rest: Indices, fold: Indices) -> Float64Array:
    """Squared errors of one target on a fold; NaN where the label is missing."""
    from sklearn.linear_model import RidgeCV

    known = rest[~np.isnan(labels[rest])]
    fitted = RidgeCV(alphas=_PENALTIES).fit(features[known], labels[known])
    return np.asarray((fitted.predict(features[fold]) - labels[fold]) ** 2, dtype=np.float64)


def effect_of(plain: Float64Array, joined: Float64Array, comparisons: int) -> Effect:
    """The corrected resampled t-test of Nadeau and Bengio (Machine Learning 52, 2003), for overlapping folds.

    Args:
        plain: Error of each fold without the features; NaN for a fold that cannot be scored, and is left out.
        joined: Error with them, NaN for the same folds.
        comparisons: Number of comparisons, by which the level of 5 % is divided.

    Example:
        >>> effect_of(np.array([1.0, 1.1, 0.9, 1.0]), np.array([0.5, 0.5, 0.5, 0.6]), comparisons=1).verdict
        'helps'
    """
    from scipy.special import stdtrit  # Student's quantile; importing `scipy.stats` would take a second

    scored = ~np.isnan(plain) & ~np.isnan(joined)
    count = np.count_nonzero(scored)
    if count < 2 or not plain[scored].any():  # noqa: PLR2004 - one difference has no standard error
        return Effect(0.0, 0.0, "undecided")
    saved = (plain[scored] - joined[scored]) / plain[scored].mean()
    error = np.sqrt((1 / count + 1 / (_FOLDS - 1)) * saved.var(ddof=1))
    errors = float(saved.mean() / error) if error > 0 else 0.0
    bar = float(stdtrit(count - 1, 1 - _LEVEL / (2 * comparisons)))
    verdict: Verdict = "undecided" if abs(errors) <= bar else "helps" if errors > 0 else "hurts"
    return Effect(float(saved.mean()), errors, verdict)


def format_gains(gains: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """One line per table.

    Args:
        gains: Result of :func:`source_gains`, as JSON values.

    Example:
        >>> format_gains({"esol": {"gain": 0.042, "errors": 3.3, "verdict": "helps"}})
        ['esol  helps        +4.2 % of the squared error saved, +3.3 s.e.']
    """
    width = max(map(len, gains), default=0)
    return [
        f"{name:<{width}}  {at['verdict']:<9}  {100 * at['gain']:+6.1f} % of the squared error saved, "
        f"{at['errors']:+.1f} s.e."
        for name, at in gains.items()
    ]
