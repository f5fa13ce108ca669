"""Short pretrainings on auxiliary tables alone, with given weights, and the evaluation of their encoders."""

import copy
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import torch

from experiments._planted import IRRELEVANT, halved, planted_sources
from molweight import datasets
from molweight.datasets import Splits
from molweight.datasets.internal import SourceTable
from molweight.graphs import MoleculeDataset
from molweight.mlo import solve_head
from molweight.models import Predictor, Pretrainer
from molweight.options import Job
from molweight.training import generic_pretraining
from molweight.training._solved_task import MOST_SOLVED, SolvedTask
from molweight.training.internal import (
    AdaptivePretraining,
    Batches,
    HeldOut,
    adaptive_pretraining,
    finetune,
    generator_for,
    new_predictor,
    with_sources,
)

__all__ = ["CPU", "SourceRuns"]

CPU: Final = torch.device("cpu")
_OTHERS: Final = ("esol", "lipophilicity", "bbbp", "freesolv", "bace", "sider")
"""Real sources next to the planted ones: the first four that are neither the task nor its irrelevant table."""
_MOST: Final = 600
"""Maximum number of molecules of a real source, sufficient for these studies."""


@dataclass(frozen=True)
class SourceRuns:
    """Data shared by the runs of one table and seed: molecules, batches, the initial encoder.

    Args:
        job: The options; ``weighting`` is set by each run.
        data: The table of the task.
        splits: Its roles, with half of train.
        sources: The auxiliary tables.
        model: The initial encoder and heads of every run.
        corpus: Its corpus; no objective reads its molecules here.
    """

    job: Job
    data: MoleculeDataset
    splits: Splits
    sources: tuple[SourceTable, ...]
    model: Pretrainer
    corpus: MoleculeDataset

    @classmethod
    def of(cls, table: str, seed: int, *, steps: int, batch_size: int = 64) -> Self:
        """Planted and real sources of a table, and a GIN 2x32 with random weights."""
        data = datasets.load(table)
        splits, other = halved(data, datasets.split(data), seed)
        job = Job(
            encoder_options={"layers": 2, "width": 32},
            objectives=[],
            init="scratch",
            source_heads="random",  # the study solves them itself, or not
            batch_size=batch_size,
            steps=steps,
            epochs=10,
            seed=seed,
            device="cpu",
        )
        tables = [*planted_sources(data, other, seed), *_real(table, seed)]
        job, sources = with_sources(job, data, splits, tables)
        corpus = datasets.load_corpus("zinc", size=256)
        model, corpus = generic_pretraining(job, corpus, CPU, held=HeldOut(data, splits, sources))
        return cls(job, data, splits, sources, model, corpus)

    @property
    def names(self) -> list[str]:
        """Names of the sources, without the prefix of their objectives."""
        return [name.removeprefix("source:") for name in self.job.objectives]

    def setup(self, weighting: str, **options: Any) -> AdaptivePretraining:
        """A run that is ready to start, with a copy of the initial encoder."""
        job = replace(self.job, weighting=weighting, weighting_options=options)
        model = copy.deepcopy(self.model)
        return adaptive_pretraining(job, model, self.corpus, self.data, self.splits, device=CPU)

    def losses(self, weights: Iterable[float]) -> dict[str, float]:
        """Losses on meta and select after pretraining with fixed weights, with a solved head and after finetuning."""
        setup = self.setup("fixed", weights=[float(weight) for weight in weights])
        setup.run(self.job.steps)
        level2 = new_predictor(self.job, setup.model, self.data, self.splits, CPU)
        task = self.task(level2)
        found = {f"frozen_{role}": loss for role, loss in self._frozen(task).items()}
        finetune(self.job, level2, self.data, self.splits, CPU)
        params = dict(level2.named_parameters())
        with torch.no_grad():
            return found | {f"finetuned_{role}": float(self.role(task, role)(params)) for role in ("meta", "select")}

    def task(self, level2: Predictor) -> SolvedTask:
        """All labelled molecules of train and meta at a time."""
        train, meta = (
            Batches(getattr(self.splits, role), MOST_SOLVED, generator_for(0, role)) for role in ("train", "meta")
        )
        return SolvedTask(level2, self.data, train, meta, generator_for(0, "dropout"), CPU)

    def role(self, task: SolvedTask, role: str) -> Any:
        """The loss of all molecules of a role."""
        return task.loss(self._batches(role), dropout=False)

    def _batches(self, role: str) -> Batches:
        return Batches(getattr(self.splits, role), MOST_SOLVED, generator_for(0, role))

    def _frozen(self, task: SolvedTask) -> dict[str, float]:
        params = dict(task.model.named_parameters())
        fit = self.role(task, "train")
        solved = solve_head(fit.encode(params), fit.labels)
        judged = {role: self.role(task, role) for role in ("meta", "select")}
        return {role: float(solved.outer(loss.encode(params), loss.labels)[0]) for role, loss in judged.items()}


def _real(table: str, seed: int) -> list[MoleculeDataset]:
    names = [name for name in _OTHERS if name not in {table, IRRELEVANT[table]}][:4]
    found = []
    for name in names:
        data = datasets.load(name)
        rows = generator_for(seed, f"rows of {name}").permutation(len(data))[:_MOST]
        found.append(data.subset(sorted(rows)))
    return found
