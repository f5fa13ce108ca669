"""The three losses of a job, on fixed batches and draws, as pure functions in any floating-point type."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from molweight.datasets import Splits
from molweight.graphs import GraphBatch, MoleculeDataset
from molweight.mlo import Level, LossFn, Params, check_deterministic, three_levels
from molweight.training._models import Predictor, Pretrainer
from molweight.training._sampling import Batches, generator_for

if TYPE_CHECKING:
    from molweight.training._tapweight import TapWeight

__all__ = ["Problem", "draw_problem", "params_of"]


@dataclass(frozen=True)
class Problem:
    """The chain of levels of a job, all randomness drawn.

    Args:
        objectives: Losses of level 1, by name.
        train: Loss of level 2, without the proximal term.
        meta: Outer loss.
        gamma: Strength of the proximal term.
        molecules: Molecules that each loss is taken on.
    """

    objectives: dict[str, LossFn]
    train: LossFn
    meta: LossFn
    gamma: float
    molecules: dict[str, int]

    @property
    def levels(self) -> list[Level]:
        """Pretraining and finetuning, for :func:`molweight.mlo.hypergradient`."""
        return three_levels(self.objectives, self.train, self.gamma)

    def outer(self, own: Params, upper: Params) -> Tensor:  # noqa: ARG002 (no direct dependence on the weights)
        """The meta loss, as an outer loss."""
        return self.meta(own)

    def check(self, pretrained: Params, finetuned: Params) -> None:
        """Refuse losses that are no pure functions, at a point.

        Raises:
            ConfigError: Naming the loss.
        """
        for name, loss in self.objectives.items():
            check_deterministic(loss, pretrained, f"objective {name!r}")
        check_deterministic(self.train, finetuned, "the finetuning loss")
        check_deterministic(self.meta, finetuned, "the meta loss")


def draw_problem(
    job: "TapWeight",
    models: tuple[Pretrainer, Predictor],
    corpus: MoleculeDataset,
    data: MoleculeDataset,
    splits: Splits,
    *,
    dtype: torch.dtype,
    device: torch.device,
) -> Problem:
    """Draw one batch per loss, of the sizes that the job solves with; the models are copied.

    Args:
        job: Sizes and seed.
        models: Those of level 1 and 2; only their structure and buffers are used.
        corpus: Unlabelled molecules with the columns that the objectives need.
        data: The labelled table.
        splits: Its roles.
        dtype: Floating-point type of the losses.
        device: Where to compute.
    """
    pretrainer, predictor = (copy.deepcopy(model).to(dtype) for model in models)
    sources = {
        "corpus": (corpus, range(len(corpus)), job.solve_batch_size),
        "train": (data, splits.train, job.task_batch_size),
        "meta": (data, splits.meta, job.meta_batch_size),
    }
    drawn = {}
    for role, (table, indices, size) in sources.items():
        chosen = Batches(indices, size, generator_for(job.seed, f"check {role}")).next()
        drawn[role] = _cast(table.graphs(chosen, device), dtype)
    objectives = pretrainer.draw(drawn["corpus"], torch.Generator(device).manual_seed(job.seed))
    train = predictor.bound_loss(drawn["train"], int(generator_for(job.seed, "check dropout").integers(2**31)))
    molecules = {role: batch.num_graphs for role, batch in drawn.items()}
    return Problem(objectives, train, predictor.bound_loss(drawn["meta"], None), job.gamma, molecules)


def params_of(model: nn.Module, dtype: torch.dtype) -> Params:
    """A copy of a model's parameters in another floating-point type."""
    return {name: tensor.detach().to(dtype, copy=True) for name, tensor in model.named_parameters()}


def _cast(graphs: GraphBatch, dtype: torch.dtype) -> GraphBatch:
    to: Callable[[Tensor], Tensor] = lambda x: x.to(dtype) if x.is_floating_point() else x  # noqa: E731 (one line, local)
    columns = {name: to(column) for name, column in graphs.columns.items()}
    return replace(graphs, columns=columns, y=None if graphs.y is None else to(graphs.y))
