"""The two models of a run: encoder with the objectives' heads, encoder with the task's head."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from molweight import encoders, objectives
from molweight.encoders import Encoder
from molweight.errors import ConfigError
from molweight.graphs import GraphBatch, Task
from molweight.objectives import Objective
from molweight.seeding import seeded
from molweight.training._label_loss import label_loss

__all__ = ["Predictor", "Pretrainer", "bind", "build_predictor", "build_pretrainer", "check_models"]

Loss = Callable[[dict[str, Tensor]], Tensor]
_log = logging.getLogger(__name__)


class Pretrainer(nn.Module):
    """Level 1: an encoder and the heads of the objectives.

    Args:
        encoder: The encoder theta.
        heads: The objectives by name; their parameters are phi.
    """

    def __init__(self, encoder: Encoder, heads: Mapping[str, Objective]) -> None:
        """Keep both as submodules, so that parameters are named ``encoder.*`` and ``objectives.<name>.*``."""
        super().__init__()
        self.encoder = encoder
        self.objectives = nn.ModuleDict(heads)

    def objective(self, name: str) -> Objective:
        """The objective ``name``."""
        found = self.objectives[name]
        if not isinstance(found, Objective):
            raise ConfigError(f"objective {name!r} is a {type(found).__name__}, which is no Objective.")
        return found

    def forward(self, name: str, views: Any) -> Tensor:
        """Loss of the objective ``name`` on what it drew, 0-dim."""
        return self.objective(name).loss(self.encoder, views)

    def draw(self, batch: GraphBatch, generator: torch.Generator) -> dict[str, Loss]:
        """Draw for every objective; what comes back are pure functions of the parameters.

        Args:
            batch: Molecules of the corpus, with the columns that the objectives need.
            generator: Source of all randomness, on the batch's device.
        """
        names = list(self.objectives)
        return {name: bind(self, name, self.objective(name).draw(batch, generator)) for name in names}


class Predictor(nn.Module):
    """Level 2: an encoder and the head of the task.

    Args:
        encoder: The encoder omega.
        task: ``"classification"``: outputs are logits; ``"regression"``: outputs are labels in standard units.
        mean: Mean of each label over the training molecules, ``T``; zeros for classification.
        scale: Standard deviation of each label, ``T``; ones for classification.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, encoder: Encoder, task: Task, mean: Tensor, scale: Tensor) -> None:
        """Create a linear head, as in Hu et al. 2020."""
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.width, len(mean))
        self.task = task
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)

    def forward(self, graphs: GraphBatch, seed: int | None = None) -> Tensor:
        """Outputs ``G x T``: logits, or labels in standard units."""
        outputs: Tensor = self.head(self.encoder(graphs, seed).graphs)
        return outputs

    def loss(
        self, outputs: Tensor, labels: Tensor, bounds: Tensor | None = None, weights: Tensor | None = None
    ) -> Tensor:
        """Mean over all known labels of the cross-entropy or of the squared error in standard units, 0-dim.

        Args:
            outputs: ``G x T``, as :meth:`forward` returns.
            labels: ``G x T`` in their own units, NaN where missing.
            bounds: Which labels are bounds, ``G x T``, as in :func:`molweight.datasets.from_smiles`.
            weights: Weight of each label, ``G x T``.
        """
        if self.task == "classification":
            return label_loss(outputs, labels, classes=True, weights=weights)
        standard = (labels - self.mean) / self.scale
        return label_loss(outputs, standard, classes=False, bounds=bounds, weights=weights)

    def predict(self, graphs: GraphBatch, seed: int | None = None) -> Tensor:
        """Predictions ``G x T``: probabilities, or labels in their own units; a seed decides the dropout masks."""
        outputs: Tensor = self(graphs, seed)
        return outputs.sigmoid() if self.task == "classification" else outputs * self.scale + self.mean

    def bound_loss(self, graphs: GraphBatch, seed: int | None) -> Loss:
        """The loss on a labelled batch as a pure function of the parameters."""
        if graphs.y is None:
            raise ConfigError("a labelled batch is needed for the task's loss, and this one has no labels.")
        labels, bounds, weights = graphs.y, graphs.columns.get("label_bounds"), graphs.columns.get("label_weight")

        def loss(params: dict[str, Tensor]) -> Tensor:
            return self.loss(functional_call(self, params, (graphs, seed)), labels, bounds, weights)

        return loss


def bind(model: nn.Module, *arguments: Any) -> Loss:
    """``model(*arguments)`` as a function of the model's parameters."""

    def loss(params: dict[str, Tensor]) -> Tensor:
        value: Tensor = functional_call(model, params, arguments)
        return value

    return loss


def build_pretrainer(
    encoder: str, encoder_options: Mapping[str, Any], names: Sequence[str], objective_options: Mapping[str, Any]
) -> Pretrainer:
    """A new encoder with the heads of the objectives; warns where these alone let it collapse.

    Args:
        encoder: Name of the encoder.
        encoder_options: Its options.
        names: Names of the objectives.
        objective_options: Options by name of objective.

    Raises:
        UnknownNameError: If a name is unknown.
        ConfigError: If an option is unknown, or options are given for an objective that is not used.
    """
    made = _pretrainer(encoder, encoder_options, names, objective_options)
    heads = {name: made.objective(name) for name in names}
    if all(head.collapses for head in heads.values()):
        _log.warning(
            "pretraining with nothing but %s may end with the same vector for all molecules, where its loss is least. "
            "Add another objective, e.g. attribute_masking.",
            ", ".join(heads),
        )
    return made


def _pretrainer(
    encoder: str, encoder_options: Mapping[str, Any], names: Sequence[str], objective_options: Mapping[str, Any]
) -> Pretrainer:
    for name in objective_options:
        if name not in names:
            raise ConfigError(f"options are given for objective {name!r}, which is not among {', '.join(names)}.")
    body = encoders.build(encoder, **encoder_options)
    heads = {name: objectives.build(name, width=body.width, **objective_options.get(name, {})) for name in names}
    return Pretrainer(body, heads)


def check_models(
    encoder: str, encoder_options: Mapping[str, Any], names: Sequence[str], objective_options: Mapping[str, Any]
) -> None:
    """Refuse options of the encoder and the objectives, before any data is loaded, by building both once.

    Args:
        encoder: Name of the encoder.
        encoder_options: Its options.
        names: Names of the objectives.
        objective_options: Options by name of objective.

    Raises:
        UnknownNameError: If a name is unknown.
        ConfigError: If an option is unknown or out of range, or options are given for an objective that is not used.
    """
    with seeded(0):
        _pretrainer(encoder, encoder_options, names, objective_options)


def build_predictor(
    encoder: str, encoder_options: Mapping[str, Any], task: Task, mean: Tensor, scale: Tensor
) -> Predictor:
    """A new encoder with the head of a task; see :class:`Predictor`."""
    return Predictor(encoders.build(encoder, **encoder_options), task, mean, scale)
