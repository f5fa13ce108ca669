"""Graph members and partners as one model."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from molweight import encoders
from molweight.arrays import AnyArray, Float32Matrix
from molweight.encoders import Encoder
from molweight.encoders.building_blocks import ComposedReadout
from molweight.ensemble._label_transform import LabelTransform
from molweight.ensemble._member import Member
from molweight.ensemble._partners import Partner
from molweight.ensemble._profile import PROFILE, Profile
from molweight.ensemble._spec import EnsembleSpec
from molweight.ensemble._spread import disagreement
from molweight.ensemble._stacking import combine
from molweight.features import Standardiser, get
from molweight.features.internal import COLUMN_PREFIX, feature_columns
from molweight.graphs import GraphBatch, MoleculeDataset, Task
from molweight.models import TaskModel
from molweight.models.internal import Answer

__all__ = ["Ensemble", "build_member", "to_labels"]


_MODELS: Final = "sources"
"""Prefix of the state of a profile."""


class Ensemble(TaskModel):
    """The weighted mean of graph members and of partners without a graph.

    The mean over the members is a mean of probabilities, or of labels in their own units. The state contains
    everything: the members, the statistics of the features, and the partners.

    Args:
        spec: Specification of the ensemble.
        members: The trained graph members.
        standardiser: Standardiser of the members' features.
        partners: The models without a graph, in the order of the specification.
        mean: Mean of each label over the training rows, ``T``; 0 for classes.
        scale: Standard deviation of each label, ``T``; 1 for classes.
        profile: Models of auxiliary tables, if a partner reads their predictions.

    Attributes:
        task: Task of the specification.
        seen_rows: Positions in the table of its training rows, ``n`` int64.
        out_of_fold: Out-of-fold predictions of these rows, ``n x T``.
        out_of_fold_deviations: Deviations of these predictions, ``n x T``; empty in runs of earlier versions.
    """

    seen_rows: Tensor
    out_of_fold: Tensor
    out_of_fold_deviations: Tensor

    def __init__(
        self,
        spec: EnsembleSpec,
        members: Sequence[Member],
        standardiser: Standardiser,
        partners: Sequence[Partner],
        *,
        mean: Tensor,
        scale: Tensor,
        profile: Profile | None = None,
    ) -> None:
        """Store the parts, in evaluation mode."""
        super().__init__()
        self.spec, self.task = spec, spec.task
        self.members = nn.ModuleList(members)
        self.standardiser = standardiser
        self.partners, self.profile = tuple(partners), profile
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        for partner in partners:
            for name, tensor in partner.state().items():
                self.register_buffer(_buffer(partner.spec.name, name), tensor)
        for name, tensor in (profile.state() if profile else {}).items():
            self.register_buffer(_buffer(_MODELS, name), tensor)
        nothing = torch.empty(0, len(mean))
        self.keep_out_of_fold(torch.empty(0, dtype=torch.int64), nothing, nothing)
        self.eval()

    @classmethod
    def from_state(cls, spec: EnsembleSpec, state: Mapping[str, Tensor]) -> "Ensemble":
        """An ensemble from its specification and its ``state_dict``.

        Args:
            spec: Specification of the ensemble.
            state: Its tensors.
        """
        count = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("members."))
        standardiser = Standardiser(len(state["standardiser.median"]))
        width = int(state["standardiser.kept"].sum())
        members = [build_member(spec, len(state["mean"]), width) for _ in range(count)]
        partners = [Partner.from_state(part, spec.task, _own(part.name, state)) for part in spec.partners]
        profile = Profile.from_state(spec.profile, _own(_MODELS, state)) if spec.profile else None
        made = cls(spec, members, standardiser, partners, mean=state["mean"], scale=state["scale"], profile=profile)
        deviations = state.get("out_of_fold_deviations", torch.empty(0, len(state["mean"])))
        made.keep_out_of_fold(state["seen_rows"], state["out_of_fold"], deviations)
        made.load_state_dict({**state, "out_of_fold_deviations": deviations})
        return made.eval()

    def keep_out_of_fold(self, rows: Tensor, predictions: Tensor, deviations: Tensor) -> None:
        """Store the out-of-fold predictions of the training rows in the state.

        Args:
            rows: Positions in the table, sorted, ``n`` int64.
            predictions: ``n x T``.
            deviations: Standard deviations of the predictions, ``n x T``.
        """
        self.register_buffer("seen_rows", rows)
        self.register_buffer("out_of_fold", predictions)
        self.register_buffer("out_of_fold_deviations", deviations)

    def first_encoder(self) -> Encoder:
        """The encoder of the first member."""
        return self._member(0).encoder

    def feature_names(self) -> list[str]:
        """Names of the feature sets that members and partners read."""
        partners = [name for part in self.spec.partners for name in part.features if name != PROFILE]
        profile = self.spec.profile.features if self.spec.profile else ()
        return list(dict.fromkeys([*self.spec.features, *partners, *profile]))

    def with_features(self, data: MoleculeDataset) -> MoleculeDataset:
        """The molecules with the columns that the ensemble reads; missing ones are computed.

        Args:
            data: The molecules.

        Raises:
            ConfigError: If a column of the user's table is missing.
        """
        return feature_columns(data, self.feature_names())

    def embed(self, graphs: GraphBatch) -> Tensor:
        """Mean of the members' molecule vectors, ``G x d``; all members started from the same encoder."""
        vectors = [self._member(place).encoder(graphs).graphs for place in range(len(self.members))]
        return torch.stack(vectors).mean(dim=0)

    @torch.no_grad()
    def parts(self, graphs: GraphBatch) -> tuple[AnyArray, list[AnyArray]]:
        """Predictions of the members, ``K x G x T``, and of each partner, ``G x T``."""
        return self._members(graphs)[0], self._partners(graphs)

    @torch.no_grad()
    def answer(self, graphs: GraphBatch) -> Answer:
        """Predictions, standard deviations calibrated out of fold, and the mean of the members' vectors.

        Args:
            graphs: The molecules, of a dataset that :meth:`with_features` returned.
        """
        members, vectors = self._members(graphs)
        parts = [members.mean(axis=0), *self._partners(graphs)]
        whole = combine(parts, self.spec.weights)
        whole = self.spec.calibration(whole) if self.spec.calibration else whole
        deviation = self.spec.errors.deviation(disagreement(parts, self.spec.weights))
        found, spread = (part.astype(np.float32).reshape(len(vectors), -1) for part in (whole, deviation))
        return Answer(found, spread, vectors)

    def predict(self, graphs: GraphBatch, seed: int | None = None) -> Tensor:  # noqa: ARG002 - as Predictor.predict
        """Predictions ``G x T``: probabilities, or labels in their own units.

        Args:
            graphs: The molecules, of a dataset that :meth:`with_features` returned.
            seed: Not used; members have no dropout at prediction.
        """
        return torch.from_numpy(self.answer(graphs).prediction).to(self.mean.device)

    def forward(self, graphs: GraphBatch, seed: int | None = None) -> Tensor:
        """Outputs ``G x T``: logits of the predicted probabilities, or labels in standard units."""
        predicted = self.predict(graphs, seed)
        classes = torch.from_numpy(self.spec.transforms[0].classes).to(predicted.device)
        standard = (predicted - self.mean) / self.scale
        return standard.where(~classes, predicted.clamp(1e-6, 1 - 1e-6).logit())

    def _members(self, graphs: GraphBatch) -> tuple[AnyArray, Float32Matrix]:
        """Predictions of the members, ``K x G x T``, and the mean of their vectors, ``G x d``."""
        inputs = self.standardiser(_columns(graphs, self.spec.features))
        pairs = [self._member(place).with_vectors(graphs, inputs) for place in range(len(self.members))]
        vectors = torch.stack([vectors for _, vectors in pairs]).mean(dim=0).cpu().numpy()
        outputs = zip((outputs for outputs, _ in pairs), self.spec.transforms, strict=True)
        return np.stack([to_labels(self.task, *pair) for pair in outputs]), vectors

    def _partners(self, graphs: GraphBatch) -> list[AnyArray]:
        """Predictions of each partner, ``G x T``."""
        device = str(graphs.x.device)
        return [part.predict(self._inputs(graphs, part.spec.features), device) for part in self.partners]

    def _inputs(self, graphs: GraphBatch, names: Sequence[str]) -> AnyArray:
        """The features that a partner reads, ``G x F``."""
        if self.profile is None or tuple(names) != (PROFILE,):
            return _columns(graphs, names).cpu().numpy()
        return self.profile(_columns(graphs, self.profile.spec.features).cpu().numpy())

    def _member(self, place: int) -> Member:
        member = self.members[place]
        if not isinstance(member, Member):
            raise TypeError(f"member {place} is a {type(member).__name__}.")
        return member


def to_labels(task: Task, outputs: Tensor, transform: LabelTransform) -> AnyArray:
    """Convert a member's outputs to probabilities, or labels in their own units, ``G x T`` float64.

    Args:
        task: Task of the table.
        outputs: ``G x T``: logits, or mapped labels in standard units.
        transform: Label transform with which the member was trained.
    """
    values = outputs.detach().double().cpu()
    if task == "multiclass":
        return values.softmax(dim=1).numpy()
    return transform.inverse(values.sigmoid().where(torch.from_numpy(transform.classes), values).numpy())


def build_member(spec: EnsembleSpec, outputs: int, features: int, *, atoms: float = 1.0) -> Member:
    """A new member of an ensemble.

    Args:
        spec: Specification of the ensemble.
        outputs: Number of targets.
        features: Number of standardised features.
        atoms: Number of atoms of a typical molecule, for scaled sums.
    """
    encoder = encoders.create(spec.encoder, **spec.encoder_options)
    readout = ComposedReadout(spec.readout, atoms=atoms) if spec.readout else None
    return Member(encoder, outputs, features=features, readout=readout, hidden=spec.hidden, dropout=spec.dropout)


def _columns(graphs: GraphBatch, names: Sequence[str]) -> Tensor:
    parts = [graphs.columns[_key(name)].reshape(graphs.num_graphs, -1).double() for name in names]
    empty = torch.empty(graphs.num_graphs, 0, dtype=torch.float64, device=graphs.x.device)
    return torch.cat([empty, *parts], dim=1)


def _key(name: str) -> str:
    return name if name.startswith(COLUMN_PREFIX) else get(name).spec.name


def _buffer(partner: str, tensor: str) -> str:
    return f"partner/{partner}/{tensor}".replace(".", "/")  # names of buffers cannot contain dots


def _own(partner: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of one partner, without the prefix of their names."""
    prefix = _buffer(partner, "")
    found = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    return {name.replace("/", "."): tensor for name, tensor in found.items()}
