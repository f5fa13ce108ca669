"""Advice on auxiliary tables from frozen probes, before any training."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

import numpy as np
import torch

from molweight.arrays import Float32Matrix, Float64Array, Int64Array
from molweight.datasets import Splits
from molweight.datasets.internal import SourceTable, SourceUse, read_sources
from molweight.devices import resolve_device
from molweight.encoders import Encoder
from molweight.encoders.internal import calibrate
from molweight.ensemble.internal import DEFAULT_FEATURES, effect_of, fold_errors, format_gains, repeated_folds
from molweight.errors import ConfigError
from molweight.features import Standardiser, feature_matrix
from molweight.graphs import Featuriser, MoleculeDataset
from molweight.options import Job
from molweight.options.internal import INITS
from molweight.runs import read_checkpoint
from molweight.training._batches import generator_for
from molweight.training._resolve import with_stereo

__all__ = ["Advice", "advise", "format_advice"]

_MOST: Final = 5000
"""Maximum number of embedded molecules of a source; larger ones are sampled."""
_RARE: Final = 10
"""Number of molecules that are added to a sample for each column without two different labels in it."""
_WIDE: Final = 16
"""Maximum number of columns of a source; more columns are reduced to this number of principal components."""
_PENALTIES: Final = np.logspace(-1, 5, 13)
_BATCH: Final = 512


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
    verdict: Literal["helps", "hurts", "undecided"]


def advise(
    data: MoleculeDataset,
    splits: Splits,
    aux: Sequence[str | MoleculeDataset],
    job: Job | None = None,
) -> list[Advice]:
    """Evaluate auxiliary tables by the gain from their predictions in a linear model of the task.

    For each table, ridge regressions on descriptors and functional groups, or on the vectors of a pretrained encoder,
    are fitted to its columns, without any compound of the task. Their predictions for the task's molecules are features
    in addition to these, as in Profile-QSAR 2.0 (Martin et al., J. Chem. Inf. Model. 57, 2077, 2017), with both blocks
    scaled to the same variance. The gain is the relative reduction of the squared error (for classes, the Brier score)
    in five-fold cross-validation, repeated 5 times, over all roles except ``test``. Standard errors are corrected for
    the overlap of the folds (Nadeau & Bengio, Machine Learning 52, 2003). The threshold of a verdict is Student's
    quantile at 5 % divided by the number of tables.

    A linear probe cannot use what an encoder would learn from a table. "Undecided" is therefore not a verdict against a
    table.

    Args:
        data: The table of the task.
        splits: Its roles.
        aux: Auxiliary tables, as for :func:`molweight.fit`.
        job: Seed, device, and a checkpoint (``init``) whose vectors replace the features.

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
        >>> found.use.labels, found.verdict
        (400, 'undecided')
    """
    if not aux:
        raise ConfigError("name auxiliary tables to test: --aux a.csv,tox21.")
    job = job or Job()
    data = with_stereo(job, data)
    rows = _labelled(data, splits)
    represented = _representation(job, data.subset(rows))
    vectors, labels = represented(data.subset(rows)), data.targets[rows].astype(np.float64)
    folds = repeated_folds(labels, generator_for(job.seed, "advise"))
    plain = fold_errors([vectors], labels, folds)
    sources = read_sources(aux, data)
    found = []
    for source in sources:
        rng = generator_for(job.seed, f"advise {source.origin}")  # a verdict does not depend on the other tables
        joined = fold_errors([vectors, _profile(source, represented, vectors, rng)], labels, folds)
        effect = effect_of(plain, joined, len(sources))
        found.append(Advice(source.use, effect.gain, effect.errors, effect.verdict))
    return sorted(found, key=lambda item: -item.errors)


def _labelled(data: MoleculeDataset, splits: Splits) -> Int64Array:
    """Molecules with a label in all roles but ``test``."""
    rows = np.unique(np.concatenate([splits.train, splits.meta, splits.select])).astype(np.int64)
    return rows[~np.isnan(data.targets[rows]).all(axis=1)]


def _representation(job: Job, data: MoleculeDataset) -> Callable[[MoleculeDataset], Float64Array]:
    """How molecules become vectors: by the named checkpoint, else by features in the units of the task's molecules."""
    if job.init == "auto":
        standardiser = Standardiser.fit(feature_matrix(data, DEFAULT_FEATURES))
        return partial(_features, standardiser, data.featuriser)
    if job.init in INITS:
        raise ConfigError(f"probes need a pretrained encoder, but init={job.init!r} names none. Leave init out.")
    device = resolve_device(job.device)
    encoder = read_checkpoint(job.init).build(data.featuriser).to(device)
    calibrate(encoder, (data.graphs(part, device) for part in _chunks(len(data))))
    return partial(_embedded, encoder.eval(), device, data.featuriser)


def _features(standardiser: Standardiser, featuriser: Featuriser, data: MoleculeDataset) -> Float64Array:
    rows = feature_matrix(data.with_featuriser(featuriser), DEFAULT_FEATURES)
    return np.asarray(standardiser(torch.from_numpy(rows)), dtype=np.float64)


def _embedded(encoder: Encoder, device: torch.device, featuriser: Featuriser, data: MoleculeDataset) -> Float64Array:
    data = data.with_featuriser(featuriser)
    with torch.no_grad():
        parts = [encoder(data.graphs(part, device)).graphs.cpu().numpy() for part in _chunks(len(data))]
    return np.concatenate(parts).astype(np.float64)


def _chunks(count: int) -> list[range]:
    return [range(start, min(start + _BATCH, count)) for start in range(0, count, _BATCH)]


def _profile(
    source: SourceTable,
    represented: Callable[[MoleculeDataset], Float64Array],
    vectors: Float64Array,
    rng: np.random.Generator,
) -> Float64Array:
    """Standardised predictions of a source's columns for the task's molecules; principal components of many columns."""
    table = source.data
    if len(table) > _MOST:
        table = table.subset(_sample(table.targets, rng))
    theirs = represented(table)
    columns = []
    for labels in table.targets.T.astype(np.float64):
        known = ~np.isnan(labels)
        if known.sum() > 1 and np.ptp(labels[known]) > 0:
            columns.append(_ridge(theirs[known], labels[known], vectors))
    profile = np.stack(columns, axis=1)
    scale = profile.std(axis=0)
    profile = np.asarray((profile - profile.mean(axis=0)) / np.where(scale > 0, scale, 1.0), dtype=np.float64)
    if profile.shape[1] > _WIDE:
        left, sizes, _ = np.linalg.svd(profile, full_matrices=False)
        profile = left[:, :_WIDE] * sizes[:_WIDE]
    return profile


def _sample(labels: Float32Matrix, rng: np.random.Generator) -> Int64Array:
    """Positions of a random sample in which every column has two different labels.

    A column that misses them in the sample, such as one with few labels or few positives among many molecules, gets
    further molecules with labels from its lowest to its highest.
    """
    chosen = rng.choice(len(labels), _MOST, replace=False)
    parts = [chosen]
    for column in labels.T:
        drawn = column[chosen]
        if len(np.unique(drawn[~np.isnan(drawn)])) < 2:  # noqa: PLR2004 - one label cannot be learned from
            known = np.flatnonzero(~np.isnan(column))
            order = known[np.argsort(column[known], kind="stable")]
            parts.append(order[np.linspace(0, len(order) - 1, _RARE).round().astype(np.int64)])
    return np.unique(np.concatenate(parts)).astype(np.int64)


def _ridge(known: Float64Array, labels: Float64Array, wanted: Float64Array) -> Float64Array:
    """Predictions of a ridge regression; the penalty is chosen by leave-one-out on the training rows."""
    from sklearn.linear_model import RidgeCV

    mean, scale = known.mean(axis=0), known.std(axis=0)
    scale[scale == 0] = 1.0
    fitted = RidgeCV(alphas=_PENALTIES).fit((known - mean) / scale, labels)
    return np.asarray(fitted.predict((wanted - mean) / scale), dtype=np.float64)


def format_advice(found: Sequence[Advice]) -> str:
    """One line per table, and the command line option that follows.

    Args:
        found: Result of :func:`advise`.
    """
    gains = {item.use.name: {"gain": item.gain, "errors": item.errors, "verdict": item.verdict} for item in found}
    lines = [
        f"{line} ({item.use.labels} labels; {item.use.held_out} molecules left out)"
        for line, item in zip(format_gains(gains), found, strict=True)
    ]
    helping = [item.use.name for item in found if item.verdict == "helps"]
    last = (
        f"these help a frozen probe: {', '.join(helping)}" if helping else "no table helps a frozen probe significantly"
    )
    return "\n".join([*lines, f"{last}; fit --aux learns how much each is worth in training"])
