"""Advice on auxiliary tables from frozen probes, before any training."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import torch

from molweight.arrays import Float64Array, Int64Array
from molweight.datasets import Splits
from molweight.datasets.internal import SourceTable, SourceUse, read_sources
from molweight.devices import resolve_device
from molweight.encoders import Encoder
from molweight.ensemble.internal import cross_folds
from molweight.errors import ConfigError
from molweight.graphs import MoleculeDataset
from molweight.options import Job
from molweight.options.internal import INITS, SHIPPED
from molweight.runs import read_checkpoint
from molweight.training._batches import generator_for
from molweight.training._resolve import with_stereo

__all__ = ["Advice", "advise", "format_advice"]

_FOLDS: Final = 5
_REPEATS: Final = 5
_MOST: Final = 5000
"""Maximum number of embedded molecules of a source; larger ones are sampled."""
_WIDE: Final = 16
"""Maximum number of columns of a source; more columns are reduced to this number of principal components."""
_PENALTIES: Final = np.logspace(-1, 5, 13)
_LEVEL: Final = 0.05
_BATCH: Final = 512

Verdict = Literal["helps", "hurts", "undecided"]


@dataclass(frozen=True)
class Advice:
    """Result of a frozen probe for one auxiliary table.

    Args:
        use: The used parts of the table; all compounds of the task are left out.
        gain: Relative reduction of the out-of-fold squared error on the task by its predictions; negative if it rises.
        errors: The same in standard errors.
        verdict: ``"helps"`` or ``"hurts"`` if the effect is significant, else ``"undecided"``.
    """

    use: SourceUse
    gain: float
    errors: float
    verdict: Verdict


def advise(
    data: MoleculeDataset,
    splits: Splits,
    aux: Sequence[str | MoleculeDataset],
    job: Job | None = None,
) -> list[Advice]:
    """Evaluate auxiliary tables by the gain from their predictions in a linear model of the task on frozen vectors.

    For each table, ridge regressions on the vectors of a pretrained encoder are fitted to its columns, without any
    compound of the task. Their predictions for the task's molecules are features in addition to the vectors, as in
    Profile-QSAR 2.0 (Martin et al., J. Chem. Inf. Model. 57, 2077, 2017), with both blocks scaled to the same variance.
    The gain is the relative reduction of the squared error (for classes, the Brier score) in five-fold
    cross-validation, repeated 5 times, over all roles except ``test``. Standard errors are corrected for the overlap of
    the folds (Nadeau & Bengio, Machine Learning 52, 2003). The threshold of a verdict is Student's quantile at 5 %
    divided by the number of tables.

    A linear probe can use only properties that the encoder already represents, not those that it would learn from a
    table. "Undecided" is therefore not a verdict against a table.

    Args:
        data: The table of the task.
        splits: Its roles.
        aux: Auxiliary tables, as for :func:`molweight.fit`.
        job: Checkpoint (``init``), seed and device; the shipped encoder by default.

    Returns:
        One entry per table, the best first.

    Raises:
        ConfigError: If no table is named, or ``init`` is not a checkpoint.
        DataError: If a table cannot be used.

    Example:
        >>> from molweight import datasets
        >>> data = datasets.load("lipophilicity").subset(range(60))
        >>> others = datasets.load("lipophilicity").subset(range(60, 460))
        >>> found, = advise(data, datasets.split(data, "random"), [others])
        >>> found.gain > 0.05
        True
    """
    if not aux:
        raise ConfigError("name auxiliary tables to test: --aux a.csv,tox21.")
    job = job or Job()
    init = SHIPPED if job.init == "auto" else job.init
    if init in INITS:
        raise ConfigError(f"probes need a pretrained encoder, but init={init!r} names none. Leave init out.")
    data, device = with_stereo(job, data), resolve_device(job.device)
    encoder = read_checkpoint(init).build(data.featuriser).to(device).eval()
    rows = _labelled(data, splits)
    vectors, labels = _embedded(encoder, data.subset(rows), device), data.targets[rows].astype(np.float64)
    rng = generator_for(job.seed, "advise")
    folds = [fold for _ in range(_REPEATS) for fold in cross_folds(labels, _FOLDS, rng)]
    plain = _errors(vectors, None, labels, folds)
    sources = read_sources(aux, data)
    found = [
        _judge(source.use, plain, _errors(vectors, profile, labels, folds), len(sources))
        for source in sources
        for profile in [_profile(source, encoder, vectors, rng, device)]
    ]
    return sorted(found, key=lambda item: -item.errors)


def _labelled(data: MoleculeDataset, splits: Splits) -> Int64Array:
    """Molecules with a label in all roles but ``test``."""
    rows = np.unique(np.concatenate([splits.train, splits.meta, splits.select])).astype(np.int64)
    return rows[~np.isnan(data.targets[rows]).all(axis=1)]


def _embedded(encoder: Encoder, data: MoleculeDataset, device: torch.device) -> Float64Array:
    parts = []
    with torch.no_grad():
        for start in range(0, len(data), _BATCH):
            graphs = data.graphs(range(start, min(start + _BATCH, len(data))), device)
            parts.append(encoder(graphs).graphs.cpu().numpy())
    return np.concatenate(parts).astype(np.float64)


def _profile(
    source: SourceTable, encoder: Encoder, vectors: Float64Array, rng: np.random.Generator, device: torch.device
) -> Float64Array:
    """Standardised predictions of a source's columns for the task's molecules; principal components of many columns."""
    table = source.data
    if len(table) > _MOST:
        table = table.subset(np.sort(rng.choice(len(table), _MOST, replace=False)))
    theirs = _embedded(encoder, table, device)
    columns = []
    for labels in table.targets.T.astype(np.float64):
        known = ~np.isnan(labels)
        if known.sum() > 1 and np.ptp(labels[known]) > 0:
            columns.append(_ridge(theirs[known], labels[known], vectors))
    profile = _standard(np.stack(columns, axis=1), slice(None))
    if profile.shape[1] > _WIDE:
        left, sizes, _ = np.linalg.svd(profile, full_matrices=False)
        profile = left[:, :_WIDE] * sizes[:_WIDE]
    return profile


def _ridge(known: Float64Array, labels: Float64Array, wanted: Float64Array) -> Float64Array:
    """Predictions of a ridge regression; the penalty is chosen by leave-one-out on the training rows."""
    from sklearn.linear_model import RidgeCV

    mean, scale = known.mean(axis=0), known.std(axis=0)
    scale[scale == 0] = 1.0
    fitted = RidgeCV(alphas=_PENALTIES).fit((known - mean) / scale, labels)
    return np.asarray(fitted.predict((wanted - mean) / scale), dtype=np.float64)


def _standard(values: Float64Array, rows: Any) -> Float64Array:
    """Columns in standard deviations from the mean, both computed over some rows."""
    scale = values[rows].std(axis=0)
    return np.asarray((values - values[rows].mean(axis=0)) / np.where(scale > 0, scale, 1.0), dtype=np.float64)


def _errors(
    vectors: Float64Array, profile: Float64Array | None, labels: Float64Array, folds: Sequence[Any]
) -> Float64Array:
    """Mean squared error of each fold, in units of the variance of each target."""
    found = np.empty(len(folds))
    variance = np.nanvar(labels, axis=0)
    for number, fold in enumerate(folds):
        rest = np.setdiff1d(np.arange(len(labels)), fold)
        features = _standard(vectors, rest)
        if profile is not None:
            share = np.sqrt(vectors.shape[1] / profile.shape[1])
            features = np.concatenate([features, share * _standard(profile, rest)], axis=1)
        each = [
            _squares(features, labels[:, target], rest, fold) / variance[target]
            for target in np.flatnonzero(variance > 0)
        ]
        found[number] = np.nanmean(np.concatenate(each))
    return found


def _squares(features: Float64Array, labels: Float64Array, rest: Any, fold: Any) -> Float64Array:
    """Squared errors of one target on a fold; NaN where the label is missing."""
    from sklearn.linear_model import RidgeCV

    known = rest[~np.isnan(labels[rest])]
    fitted = RidgeCV(alphas=_PENALTIES).fit(features[known], labels[known])
    return np.asarray((fitted.predict(features[fold]) - labels[fold]) ** 2, dtype=np.float64)


def _judge(use: SourceUse, plain: Float64Array, joined: Float64Array, tables: int) -> Advice:
    """The corrected resampled t-test of Nadeau and Bengio."""
    from scipy.special import stdtrit  # Student's quantile; importing `scipy.stats` would take a second

    saved = (plain - joined) / plain.mean()
    count = len(saved)
    error = np.sqrt((1 / count + 1 / (_FOLDS - 1)) * saved.var(ddof=1))
    errors = float(saved.mean() / error) if error > 0 else 0.0
    bar = float(stdtrit(count - 1, 1 - _LEVEL / (2 * tables)))
    verdict: Verdict = "undecided" if abs(errors) <= bar else "helps" if errors > 0 else "hurts"
    return Advice(use, float(saved.mean()), errors, verdict)


def format_advice(found: Sequence[Advice]) -> str:
    """One line per table, and the command line option that follows.

    Args:
        found: Result of :func:`advise`.
    """
    width = max(len(item.use.name) for item in found)
    lines = [
        f"{item.use.name:<{width}}  {item.verdict:<9}  {100 * item.gain:+6.1f} % of the squared error saved, "
        f"{item.errors:+.1f} s.e. ({item.use.labels} labels; {item.use.held_out} molecules left out)"
        for item in found
    ]
    helping = [item.use.name for item in found if item.verdict == "helps"]
    last = (
        f"these help a frozen probe: {', '.join(helping)}" if helping else "no table helps a frozen probe significantly"
    )
    return "\n".join([*lines, f"{last}; fit --aux learns how much each is worth in training"])
