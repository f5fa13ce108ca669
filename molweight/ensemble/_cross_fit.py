"""Cross-fitted ensembles: every labelled row outside the test set is trained on, and also predicted out of fold."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from molweight.arrays import AnyArray, Indices
from molweight.datasets.internal import groups_of
from molweight.encoders import Encoder
from molweight.ensemble._affordable import affordable
from molweight.ensemble._balance import Balance
from molweight.ensemble._beta_calibration import BetaCalibration, log_loss
from molweight.ensemble._ensemble import Ensemble, build_member, to_labels
from molweight.ensemble._fit_member import TrainingSet
from molweight.ensemble._folds import cross_folds
from molweight.ensemble._joined_features import JoinedFeatures
from molweight.ensemble._label_transform import LabelTransform
from molweight.ensemble._out_of_fold import PartnerData, labels_to_score, partner_data
from molweight.ensemble._partner_fits import FittedPartners, partners_ahead
from molweight.ensemble._partner_kinds import OF_VECTORS
from molweight.ensemble._partners import Partner
from molweight.ensemble._profile import PROFILE, ProfileFit, fit_profile, profile_tables
from molweight.ensemble._recipe import Recipe
from molweight.ensemble._source_gains import source_gains
from molweight.ensemble._spec import EnsembleSpec
from molweight.ensemble._spread import ErrorModel, disagreement
from molweight.ensemble._stacking import combine, convex_weights
from molweight.ensemble._train_members import MemberJob, TrainedMember, train_members
from molweight.errors import ConfigError
from molweight.features import Standardiser, feature_matrix
from molweight.graphs import MoleculeDataset
from molweight.seeding import seeded

__all__ = ["CrossFitted", "Keeper", "Prepared", "cross_fit", "prepare"]


_LOG: Final = logging.getLogger(__name__)
_SHRINKAGE: Final = 0.2
"""Shrinkage of the weights towards equal ones; see ``experiments/results/recipes.md``."""
GRAPH: Final = "graph"
WHOLE: Final = "ensemble"


_OutOfFold = tuple[Sequence[float], ErrorModel, BetaCalibration | None]
"""Everything that is fitted on out-of-fold predictions: weights of the parts, expected errors, and calibration."""


class Keeper:
    """Storage for trained members while others are being trained; this base class stores nothing."""

    def read(self, number: int) -> TrainedMember | None:  # noqa: ARG002 - subclasses look it up
        """The stored member with this number, if any."""
        return None

    def write(self, number: int, member: TrainedMember) -> None:
        """Store a member."""


@dataclass(frozen=True)
class CrossFitted:
    """An ensemble with the out-of-fold predictions of its models.

    Args:
        ensemble: The model.
        rows: Positions of the rows, ``n``.
        out_of_fold: Predictions of these rows, ``n x T``, under ``"graph"``, the name of each partner, and
            ``"ensemble"``.
        weights: Weight of each part but the ensemble, in the same order.
        curves: Mean training loss of each epoch, by member.
        transform: Name of the label transform; one per target, separated by commas, if there are several.
        transforms_tried: Out-of-fold score of boosted trees without and with the transforms that were tried.
        imputed: Number of feature values of these rows that could not be computed.
        balance: Treatment of rare classes.
        balances_tried: Out-of-fold score of boosted trees with each treatment that was tried.
        calibration: Log-loss over the targets that are calibrated, ``"before"`` and ``"after"``; empty if none is.
        sources: By auxiliary table, the effect of its predicted labels on the error of a linear model, as JSON values.
    """

    ensemble: Ensemble
    rows: Indices
    out_of_fold: dict[str, AnyArray]
    weights: list[float]
    curves: list[list[float]]
    transform: str
    transforms_tried: dict[str, float] = field(default_factory=dict)
    imputed: int = 0
    balance: str = "none"
    balances_tried: dict[str, float] = field(default_factory=dict)
    calibration: dict[str, float] = field(default_factory=dict)
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)


def cross_fit(
    recipe: Recipe,
    encoder: Encoder,
    data: MoleculeDataset,
    rows: Indices,
    *,
    device: torch.device,
    keeper: Keeper | None = None,
    seconds: float | None = None,
) -> CrossFitted:
    """Train one member per fold on the other folds, partners on all rows, and weight them by out-of-fold error.

    Args:
        recipe: Settings of the ensemble.
        encoder: The pretrained encoder that each member starts from.
        data: The table.
        rows: Positions of the rows to use: all except the test set.
        device: Device to compute on.
        keeper: Storage for members, so that interrupted work can resume.
        seconds: Time limit; ``None`` for none. It may reduce the epochs of the members, to one at least, and the number
            of partners: none starts after the limit, except the first.

    Raises:
        ConfigError: If there are no labels, or fewer than two rows.
    """
    with prepare(recipe, data, rows, device=device, seconds=seconds) as prepared:
        return prepared.cross_fit(encoder, keeper=keeper, seconds=seconds)


@contextmanager
def prepare(
    recipe: Recipe,
    data: MoleculeDataset,
    rows: Indices,
    *,
    device: torch.device,
    seconds: float | None = None,
    progress: bool = False,
) -> Iterator["Prepared"]:
    """Compute everything that needs no encoder, partly at the same time as the body of the context.

    Args:
        recipe: Settings of the ensemble.
        data: The table.
        rows: Positions of the rows to use: all except the test set.
        device: Device to compute on.
        seconds: Time limit for the partners, from now; see :func:`cross_fit`.
        progress: Whether to show progress bars on a terminal.

    Yields:
        An ensemble to be finished with an encoder.

    Raises:
        ConfigError: If there are no labels, or fewer than two rows.
    """
    if data.metric is None or data.task is None:
        raise ConfigError(f"{data.name} has no labels to finetune on. Load a table with targets.")
    recipe = affordable(recipe, data, seconds)
    work = _Work.of(recipe, data, rows, device, progress=progress)
    with partners_ahead(work.partners, work.kind, work.folds, seconds=seconds) as fitted:
        yield Prepared(work, fitted, device)


@dataclass(frozen=True)
class Prepared:
    """An ensemble that lacks its encoder; made by :func:`prepare`."""

    _work: "_Work"
    _partners: Callable[[], FittedPartners]
    _device: torch.device

    @property
    def recipe(self) -> Recipe:
        """Settings of the ensemble."""
        return self._work.recipe

    def cross_fit(self, encoder: Encoder, *, keeper: Keeper | None = None, seconds: float | None = None) -> CrossFitted:
        """Train the members and weight all parts; see :func:`cross_fit`.

        Args:
            encoder: The pretrained encoder that each member starts from.
            keeper: Storage for members, so that interrupted work can resume.
            seconds: Time limit for the members.
        """
        work = self._work
        training, transforms = work.train(encoder, self._device, keeper or Keeper(), seconds)
        fitted = self._partners()  # at the same time, if the members train in other processes
        return _stacked(work, list(training), transforms, fitted, self._device)


def _stacked(
    work: "_Work",
    trained: Sequence[TrainedMember],
    transforms: tuple[LabelTransform, ...],
    fitted: FittedPartners,
    device: torch.device,
) -> CrossFitted:
    """Weight the parts by their out-of-fold errors, and calibrate the whole."""
    parts = {GRAPH: work.assemble([part.outputs for part in trained], transforms), **fitted.out_of_fold}
    used = work.helpful(parts)
    predictions = [parts[name] for name in used]
    weights = work.weigh(predictions)
    raw = work.combine_unseen(predictions)
    calibration, unseen = work.calibrate(raw)
    whole, gap = calibration(raw), disagreement(predictions, weights)
    errors = ErrorModel.fit(gap, whole - work.truth)
    shares = dict.fromkeys(parts, 0.0) | dict(zip(used, weights, strict=True))
    weights = list(shares.values())
    ensemble = work.ensemble(transforms, fitted.partners, (weights, errors, calibration), trained)
    deviations = torch.from_numpy(errors.deviation(gap)).float()
    ensemble.keep_out_of_fold(torch.from_numpy(work.rows), torch.from_numpy(whole).float(), deviations)
    ensemble.to(device)
    curves = [part.curve for part in trained]
    losses, found = work.losses(raw, unseen, calibration), {**parts, WHOLE: whole}
    return CrossFitted(
        ensemble,
        work.rows,
        found,
        weights,
        curves,
        work.kind,
        work.tried,
        work.imputed,
        work.partners.balance,
        work.balances_tried,
        losses,
        work.gains(),
    )


@dataclass(frozen=True)
class _Work:
    """The labelled rows of a table, in folds, with all data that is computed once."""

    recipe: Recipe
    data: MoleculeDataset
    rows: Indices
    truth: AnyArray
    folds: Sequence[Indices]
    features: AnyArray
    partners: PartnerData
    standardiser: Standardiser
    kind: str = "none"
    tried: dict[str, float] = field(default_factory=dict)
    balances_tried: dict[str, float] = field(default_factory=dict)
    profile: ProfileFit | None = None

    @classmethod
    def of(
        cls, recipe: Recipe, data: MoleculeDataset, rows: Indices, device: torch.device, *, progress: bool = False
    ) -> "_Work":
        labelled = np.sort(rows[~np.isnan(data.targets[rows]).all(axis=1)])
        subset = data.subset(labelled)
        # Stereoisomers are identical inputs if stereochemistry is ignored.
        repeated = groups_of(subset, stereo=subset.featuriser.stereo == "use")
        folds = cross_folds(subset.targets, recipe.members, recipe.stream("folds"), repeated)
        features = feature_matrix(data, recipe.features, progress=progress)[labelled]
        profile = _profile(recipe, data, labelled, progress=progress)
        given = {PROFILE: profile.values} if profile else {}
        partners, truth = (
            partner_data(recipe, data, labelled, device, given, progress=progress),
            labels_to_score(subset),
        )
        balances: dict[str, float] = {}
        if recipe.class_balance == "auto":
            chosen, balances = partners.choose_balance(folds, subset.metric or "", truth)
            partners = replace(partners, balance=chosen)
        standardiser = Standardiser.fit(features)
        work = cls(
            recipe, subset, labelled, truth, folds, features, partners, standardiser,
            balances_tried=balances, profile=profile,
        )  # fmt: skip
        if recipe.label_transform != "auto":
            return replace(work, kind=partners.kind_of(recipe.label_transform))
        kind, tried = partners.choose_transforms(folds, subset.metric or "", truth)
        return replace(work, kind=kind, tried=tried)

    @property
    def labels(self) -> AnyArray:
        return self.partners.labels

    @property
    def imputed(self) -> int:
        # All other partners read these features, or counts.
        matrices = self.partners.matrices
        read = next((matrices[name] for name in OF_VECTORS if name in matrices), None)
        vectors = read.missing if isinstance(read, JoinedFeatures) else 0
        return int(self.standardiser.missing(torch.from_numpy(self.features)).sum()) + vectors

    def train(
        self, encoder: Encoder, device: torch.device, keeper: Keeper, seconds: float | None
    ) -> tuple[Iterator[TrainedMember], tuple[LabelTransform, ...]]:
        """The trained members, including stored ones, and the label transform of each."""
        transforms = tuple(self._transform(fold) for fold in self.folds)
        jobs = [self._job(number, encoder, transforms) for number in range(len(self.folds))]
        kept = [keeper.read(number) for number in range(len(jobs))]
        done = {len(found.curve) for found in kept if found is not None}
        fresh = train_members(
            [job for job, found in zip(jobs, kept, strict=True) if found is None],
            device,
            epochs=done.pop() if done else None,  # the same for all members
            seconds=seconds,
        )
        return _kept_or_trained(kept, fresh, keeper), transforms

    def _transform(self, fold: Indices) -> LabelTransform:
        return self._units(np.setdiff1d(np.arange(len(self.labels)), fold))

    def _units(self, rows: Indices | slice = slice(None), kind: str | None = None) -> LabelTransform:
        """A label transform, fitted on some rows."""
        weights = self.partners.weights
        return LabelTransform.fit(kind or self.kind, self.labels[rows], None if weights is None else weights[rows])

    def _job(self, number: int, encoder: Encoder, transforms: Sequence[LabelTransform]) -> MemberJob:
        fold, recipe = self.folds[number], self.recipe
        rng = recipe.stream("members", number)
        labels = torch.from_numpy(transforms[number].forward(self.labels)).float()
        inputs = self.standardiser(torch.from_numpy(self.features))
        task = self.data.task or "regression"
        balance = self._balance(fold)
        training = TrainingSet(self.data, inputs, labels, task, self.partners.absolute, balance)
        # Folds can differ by one row. All members have the same number of epochs, so that their curves can be averaged.
        schedule = replace(recipe, members=len(self.folds)).schedule(len(self.labels))
        with seeded(int(rng.integers(2**31))):
            member = build_member(self._shape(), self.labels.shape[1], self.standardiser.width, atoms=self._atoms())
        member.encoder.load_state_dict(encoder.state_dict())
        return MemberJob(member, training, fold, schedule, int(rng.integers(2**31)))

    def _balance(self, fold: Indices) -> Balance | None:
        kind = self.partners.balance
        if kind == "none" or self.data.task == "multiclass":
            return None
        return Balance.of(kind, np.delete(self.labels, fold, axis=0), self.partners.classes)

    def _atoms(self) -> float:
        return float(np.diff(self.data.molecules.atom_offsets).mean())

    def helpful(self, parts: Mapping[str, AnyArray]) -> list[str]:
        """Names of the parts to combine: all, but the profile of auxiliary tables only if it lowers the error.

        Unlike other parts it may know nothing about the task, and shrinkage would nevertheless give it some weight.
        """
        names = list(parts)
        if PROFILE not in names:
            return names
        weights = dict(zip(names, self.weigh(list(parts.values()), shrinkage=0.0), strict=True))
        return [name for name in names if name != PROFILE or weights[name] > 0]

    def weigh(
        self,
        predictions: Sequence[AnyArray],
        rows: Indices | slice = slice(None),
        shrinkage: float = _SHRINKAGE,
    ) -> list[float]:
        """Weights of the parts by their errors on some rows, on the scale of the label transform if there is one.

        In its own units, a label that spans many decades would be dominated by a few rows.
        """
        if len(predictions) == 1:
            return [1.0]
        units, truth, importance = self._units(), self.truth[rows], self.partners.weights
        if np.isnan(truth).all():
            return [1 / len(predictions)] * len(predictions)
        mapped = [units.forward(part[rows]) for part in predictions]
        importance = None if importance is None else importance[rows]
        return convex_weights(mapped, units.forward(truth), shrinkage=shrinkage, importance=importance)

    def combine_unseen(self, predictions: Sequence[AnyArray]) -> AnyArray:
        """The combined parts; each fold is combined with weights fitted on the other folds."""
        whole = np.full(self.labels.shape, np.nan)
        for fold in self.folds:
            weights = self.weigh(predictions, np.setdiff1d(np.arange(len(self.labels)), fold))
            whole[fold] = combine([part[fold] for part in predictions], weights)
        return whole

    def calibrate(self, whole: AnyArray) -> tuple[BetaCalibration, AnyArray]:
        """Calibrate binary targets; multiclass targets are unchanged."""
        if self.data.task == "multiclass":
            return BetaCalibration.identity(self.labels.shape[1]), whole
        return BetaCalibration.fit(whole, self.truth, self.partners.classes, self.folds)

    def losses(self, whole: AnyArray, unseen: AnyArray, calibration: BetaCalibration) -> dict[str, float]:
        """Log-loss of the calibrated targets, before and after calibration."""
        own = np.array([kind != "none" for kind in calibration.kinds])
        if not own.any():
            return {}
        pairs = {"before": whole, "after": unseen}
        return {name: log_loss(self.truth[:, own], values[:, own]) for name, values in pairs.items()}

    def gains(self) -> dict[str, dict[str, Any]]:
        """Effect of each auxiliary table on the error of a linear model; empty if there are none."""
        if self.profile is None or not self.profile.tables:
            return {}
        dense = self.standardiser(torch.from_numpy(self.features)).double().numpy()
        labels = self._units().forward(self.labels)
        rng = self.recipe.stream("sources")
        found = source_gains(dense, self.profile.independent, self.profile.tables, labels, rng)
        return {name: effect.to_json() for name, effect in found.items()}

    def assemble(self, outputs: Sequence[Tensor], transforms: Sequence[LabelTransform]) -> AnyArray:
        """Out-of-fold predictions in the labels' own units, ``n x T``, from the outputs of each member."""
        predicted, task = np.full(self.labels.shape, np.nan), self.data.task or "regression"
        for fold, output, transform in zip(self.folds, outputs, transforms, strict=True):
            predicted[fold] = to_labels(task, output, transform)
        return predicted

    def _shape(self) -> EnsembleSpec:
        """The specification before training, sufficient to build a member."""
        return self._spec((), (), ([1.0], ErrorModel((), ()), None))

    def _spec(
        self,
        transforms: tuple[LabelTransform, ...],
        partners: Sequence[Partner],
        fitted: _OutOfFold,
    ) -> EnsembleSpec:
        recipe, (weights, errors, calibration) = self.recipe, fitted
        return EnsembleSpec(
            task=self.data.task or "regression",
            encoder=recipe.encoder,
            encoder_options=recipe.encoder_options,
            readout=recipe.readout,
            hidden=recipe.hidden,
            dropout=recipe.dropout,
            features=recipe.features,
            partners=tuple(partner.spec for partner in partners),
            weights=tuple(weights),
            transforms=transforms,
            errors=errors,
            calibration=calibration,
            profile=self.profile.profile.spec if self.profile and _reads_profile(partners) else None,
        )

    def ensemble(
        self,
        transforms: tuple[LabelTransform, ...],
        partners: Sequence[Partner],
        fitted: _OutOfFold,
        trained: Sequence[TrainedMember],
    ) -> Ensemble:
        """The ensemble, with partners fitted on all rows; those of weight 0 change nothing and are left out."""
        weights, errors, calibration = fitted
        partners = [partner for partner, weight in zip(partners, weights[1:], strict=True) if weight > 0]
        shares = [weights[0], *(weight for weight in weights[1:] if weight > 0)]
        spec, count = self._spec(transforms, partners, (shares, errors, calibration)), self.labels.shape[1]
        members = [build_member(spec, count, self.standardiser.width) for _ in trained]
        for member, part in zip(members, trained, strict=True):
            member.load_state_dict(part.state)
        units = self._units(kind=self.partners.kind_of("none"))
        mean, scale = torch.tensor(units.mean).float(), torch.tensor(units.scale).float()
        profile = self.profile.profile if self.profile and spec.profile else None
        return Ensemble(spec, members, self.standardiser, partners, mean=mean, scale=scale, profile=profile)


def _kept_or_trained(
    kept: Sequence[TrainedMember | None], fresh: Iterator[TrainedMember], keeper: Keeper
) -> Iterator[TrainedMember]:
    for number, found in enumerate(kept):
        member = next(fresh) if found is None else found
        if found is None:
            keeper.write(number, member)
        yield member


def _profile(recipe: Recipe, data: MoleculeDataset, rows: Indices, *, progress: bool = False) -> ProfileFit | None:
    """Models of the auxiliary tables and their predictions of the rows, if a partner reads them."""
    if PROFILE not in recipe.partners:
        return None
    return fit_profile(profile_tables(recipe.sources, data), recipe.profile_features, data, rows, progress=progress)


def _reads_profile(partners: Sequence[Partner]) -> bool:
    return any(part.spec.name == PROFILE for part in partners)
