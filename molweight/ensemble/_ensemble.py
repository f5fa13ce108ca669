"""Members of one table and boosted trees as one model that predicts."""

import json
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from molweight import encoders
from molweight.arrays import AnyArray
from molweight.encoders import Encoder
from molweight.encoders.building_blocks import ComposedReadout
from molweight.ensemble._boosted import BoostedTrees
from molweight.ensemble._member import Member
from molweight.ensemble._spec import EnsembleSpec
from molweight.ensemble._stacking import combine
from molweight.features import Standardiser, get
from molweight.features.internal import COLUMN_PREFIX, feature_columns
from molweight.graphs import GraphBatch, MoleculeDataset
from molweight.models import TaskModel

__all__ = ["Ensemble", "build_member"]


class Ensemble(TaskModel):
    """The weighted mean of graph members and boosted trees.

    The mean over the members is taken of probabilities, or of labels in their own units. Everything is part of the
    state: the members, the statistics of the features, and the trees as the bytes of LightGBM's text.

    Args:
        spec: What it is made of.
        members: The graph members, trained.
        standardiser: Of the members' features.
        trees: The partner, or ``None``.
        mean: Of each label over the training rows, ``T``; zeros for classification.
        scale: Standard deviation of each label, ``T``; ones for classification.

    Attributes:
        task: That of the specification.
        seen_rows: Positions in the table of the rows it was trained on, ``n`` int64.
        out_of_fold: What was predicted for these rows by models that had not seen them, ``n x T``.
    """

    tree_bytes: Tensor
    seen_rows: Tensor
    out_of_fold: Tensor

    def __init__(
        self,
        spec: EnsembleSpec,
        members: Sequence[Member],
        standardiser: Standardiser,
        trees: BoostedTrees | None,
        *,
        mean: Tensor,
        scale: Tensor,
    ) -> None:
        """Keep everything, in evaluation mode."""
        super().__init__()
        self.spec, self.task = spec, spec.task
        self.members = nn.ModuleList(members)
        self.standardiser = standardiser
        self.trees = trees
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        self.register_buffer("tree_bytes", _to_bytes(trees))
        self.keep_out_of_fold(torch.empty(0, dtype=torch.int64), torch.empty(0, len(mean)))
        self.eval()

    @classmethod
    def from_state(cls, spec: EnsembleSpec, state: Mapping[str, Tensor]) -> "Ensemble":
        """An ensemble from its specification and its ``state_dict``.

        Args:
            spec: What it is made of.
            state: The numbers.
        """
        count = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("members."))
        standardiser = Standardiser(len(state["standardiser.median"]))
        width = int(state["standardiser.kept"].sum())
        members = [build_member(spec, len(state["mean"]), width) for _ in range(count)]
        trees = _from_bytes(spec, state["tree_bytes"])
        made = cls(spec, members, standardiser, trees, mean=state["mean"], scale=state["scale"])
        made.keep_out_of_fold(state["seen_rows"], state["out_of_fold"])
        made.load_state_dict(dict(state))
        return made.eval()

    def keep_out_of_fold(self, rows: Tensor, predictions: Tensor) -> None:
        """Keep the predictions of training rows by models that had not seen them, as part of the state.

        Args:
            rows: Positions in the table, sorted, ``n`` int64.
            predictions: ``n x T``.
        """
        self.register_buffer("seen_rows", rows)
        self.register_buffer("out_of_fold", predictions)

    def first_encoder(self) -> Encoder:
        """The encoder of the first member."""
        return self._member(0).encoder

    def with_features(self, data: MoleculeDataset) -> MoleculeDataset:
        """The molecules with the columns that the ensemble reads, computed where they are missing.

        Args:
            data: The molecules.

        Raises:
            ConfigError: If a column of the user's table is missing.
        """
        names = dict.fromkeys([*self.spec.features, *self.spec.tree_features])
        return feature_columns(data, list(names))

    def embed(self, graphs: GraphBatch) -> Tensor:
        """Mean of the members' vectors of molecules, ``G x d``; all members started from one encoder."""
        vectors = [self._member(place).encoder(graphs).graphs for place in range(len(self.members))]
        return torch.stack(vectors).mean(dim=0)

    @torch.no_grad()
    def parts(self, graphs: GraphBatch) -> tuple[AnyArray, AnyArray | None]:
        """Predictions of the members, ``K x G x T``, and of the trees, ``G x T``, or ``None`` without trees."""
        inputs = self.standardiser(_columns(graphs, self.spec.features))
        outputs = [self._member(place)(graphs, inputs) for place in range(len(self.members))]
        members = np.stack([self._units(place, output) for place, output in enumerate(outputs)])
        if self.trees is None:
            return members, None
        trees = self.trees.predict(_columns(graphs, self.spec.tree_features).cpu().numpy())
        transform = self.spec.tree_transform
        return members, trees if transform is None else transform.inverse(trees)

    def predict(self, graphs: GraphBatch, seed: int | None = None) -> Tensor:  # noqa: ARG002 - as Predictor.predict
        """Predictions ``G x T``: probabilities, or labels in their own units.

        Args:
            graphs: The molecules, of a dataset that :meth:`with_features` returned.
            seed: Not used; members are not sampled.
        """
        members, trees = self.parts(graphs)
        both = [members.mean(axis=0), *([] if trees is None else [trees])]
        weights = self.spec.weights if trees is not None else (1.0,)
        return torch.from_numpy(combine(both, weights)).float().to(self.mean.device)

    def predict_with_deviation(self, graphs: GraphBatch) -> tuple[AnyArray, AnyArray]:
        """Predictions and their standard deviations as calibrated out of fold, both ``G x T``."""
        members, trees = self.parts(graphs)
        mean = members.mean(axis=0)
        if trees is None:
            return mean, self.spec.errors.deviation(np.zeros_like(mean))
        return combine([mean, trees], self.spec.weights), self.spec.errors.deviation(mean - trees)

    def forward(self, graphs: GraphBatch, seed: int | None = None) -> Tensor:
        """Outputs ``G x T``: logits of the predicted probabilities, or labels in standard units."""
        predicted = self.predict(graphs, seed)
        if self.task == "classification":
            return predicted.clamp(1e-6, 1 - 1e-6).logit()
        return (predicted - self.mean) / self.scale

    def _member(self, place: int) -> Member:
        member = self.members[place]
        if not isinstance(member, Member):
            raise TypeError(f"member {place} is a {type(member).__name__}.")
        return member

    def _units(self, place: int, outputs: Tensor) -> AnyArray:
        if self.task == "classification":
            return outputs.double().sigmoid().cpu().numpy()
        return self.spec.transforms[place].inverse(outputs.double().cpu().numpy())


def build_member(spec: EnsembleSpec, outputs: int, features: int, *, atoms: float = 1.0) -> Member:
    """A new member of an ensemble.

    Args:
        spec: What the ensemble is made of.
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


def _to_bytes(trees: BoostedTrees | None) -> Tensor:
    if trees is None:
        return torch.empty(0, dtype=torch.uint8)
    packed = zlib.compress(json.dumps(trees.models).encode())
    return torch.frombuffer(bytearray(packed), dtype=torch.uint8)


def _from_bytes(spec: EnsembleSpec, packed: Tensor) -> BoostedTrees | None:
    if not len(packed):
        return None
    models = json.loads(zlib.decompress(packed.cpu().numpy().tobytes()))
    return BoostedTrees(spec.task, tuple(models))
