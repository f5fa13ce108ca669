"""The three losses of a job, on fixed batches and draws, as pure functions in any floating-point type."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from molweight.arrays import Indices
from molweight.datasets import Splits
from molweight.graphs import GraphBatch, MoleculeDataset
from molweight.mlo import LossFn, Params, check_deterministic
from molweight.options import Job
from molweight.training.internal import AdaptivePretraining, Batches, generator_for, part_batches

__all__ = ["Problem", "draw_problem"]


@dataclass(frozen=True)
class Problem:
    """The chain of levels of a job, with all random numbers drawn.

    Args:
        objectives: Losses of level 1, by name.
        train: Loss of level 2, without the proximal term.
        meta: Outer loss.
        molecules: Number of molecules in each loss.
        mixed: Losses on the task's own molecules, if the hypergradient has a share of these (``align_on``).
    """

    objectives: Mapping[str, LossFn]
    train: LossFn
    meta: LossFn
    molecules: dict[str, int]
    mixed: Mapping[str, LossFn] = field(default_factory=dict)

    def check(self, pretrained: Params, finetuned: Params) -> None:
        """Refuse losses that are not pure functions, at a point.

        Raises:
            ConfigError: If a loss is not one; the message names it.
        """
        for name, loss in (*self.objectives.items(), *self.mixed.items()):
            check_deterministic(loss, pretrained, f"objective {name!r}")
        check_deterministic(self.train, finetuned, "the finetuning loss")
        check_deterministic(self.meta, finetuned, "the meta loss")


def draw_problem(
    job: Job, run: AdaptivePretraining, data: MoleculeDataset, splits: Splits, dtype: torch.dtype
) -> Problem:
    """Draw one batch per loss, with the batch sizes of the job's solves; the models are copied.

    The task's own molecules (``align_on``) are as many as in a step, because no system is solved on them.

    Args:
        job: Sizes and seed.
        run: A run; only the structure and buffers of its models are used, not their parameters.
        data: The labelled table.
        splits: Its roles.
        dtype: Floating-point type of the losses.
    """
    device, everything = run.task.device, range(len(run.corpus.data))

    def drawn(table: MoleculeDataset, role: str, indices: Sequence[int] | Indices, size: int) -> GraphBatch:
        chosen = Batches(indices, size, generator_for(job.seed, f"check {role}")).next()
        return _cast(table.graphs(chosen, device), dtype)

    unlabelled = drawn(run.corpus.data, "corpus", everything, job.solve_batch_size)
    batches = part_batches(run.corpus.data, job.objectives, job.solve_batch_size, job.seed)
    parts = {name: _cast(run.corpus.data.graphs(part.next(), device), dtype) for name, part in batches.items()}
    train = drawn(data, "train", splits.train, job.task_batch_size)
    meta = drawn(data, "meta", splits.meta, job.meta_batch_size)
    pretrainer, predictor = copy.deepcopy(run.model).to(dtype), copy.deepcopy(run.task.model).to(dtype)
    seed = int(generator_for(job.seed, "check dropout").integers(2**31))
    own = run.corpus.own
    mixed = None if own is None else drawn(own.data, "own", range(len(own.data)), job.batch_size)
    sizes = {"corpus": unlabelled.num_graphs, "train": train.num_graphs, "meta": meta.num_graphs}
    return Problem(
        pretrainer.draw(unlabelled, torch.Generator(device).manual_seed(job.seed), parts),
        predictor.bound_loss(train, seed),
        predictor.bound_loss(meta, None),
        sizes if mixed is None else {**sizes, "own": mixed.num_graphs},
        {}
        if mixed is None or own is None
        else pretrainer.draw(mixed, torch.Generator(device).manual_seed(job.seed), names=own.names),
    )


def _cast(graphs: GraphBatch, dtype: torch.dtype) -> GraphBatch:
    columns = {name: column.to(_floating(column, dtype)) for name, column in graphs.columns.items()}
    return replace(graphs, columns=columns, y=None if graphs.y is None else graphs.y.to(dtype))


def _floating(column: Tensor, dtype: torch.dtype) -> torch.dtype:
    return dtype if column.is_floating_point() else column.dtype
