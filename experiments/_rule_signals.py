"""Signals of each rule for each source at the same points of one run under equal weights."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from experiments._source_runs import CPU, SourceRuns
from molweight.graphs.internal import tasks_of
from molweight.mlo import ClosedFormGraph, HeadLabels, HeadLoss, Layout, Params, implicit_adjoint, solve_head
from molweight.mlo._gradients import ObjectiveGradients, objective_gradients
from molweight.mlo._level_graph import GraphOptions
from molweight.mlo._solved_head import SolvedHead
from molweight.mlo.solvers import ConjugateGradient
from molweight.models import Predictor
from molweight.training._batches import Corpus
from molweight.training._solved_task import SolvedTask
from molweight.training.internal import AdaptivePretraining, Batches, generator_for

__all__ = ["RULES", "Signals"]

_WIDE: Final = 256
_DAMPINGS: Final = (1.0, 0.01)
RULES: Final = {
    "identity": "gradient at the finetuned copy, batches of 64 (the default)",
    "alignment": "cosines of the same",
    "identity, all of meta": "the same gradient on all of meta",
    "closed form": "gradient through a solved head, all of train and meta; objectives on 64",
    "closed form, wide": "the same, objectives on 256",
    "closed form, wide, cosine": "its cosines",
    "closed form, wide, per loss": "each objective divided by its loss",
    "closed form, wide, second moments": "preconditioned by Adam's second moments at level 1 (SAMA)",
    "closed form, wide, cg 1": "10 iterations of conjugate gradients at level 1, damping 1",
    "closed form, wide, cg 0.01": "damping 0.01",
    "closed form, solved sources": "heads of the sources solved as well, on all their molecules",
    "closed form, solved sources, cosine": "its cosines",
}
"""The rules that are compared, by name."""


@dataclass
class Signals:
    """Each rule's estimates of the derivatives of the meta loss by the weights; negative if a source helps.

    Args:
        runs: The table, its sources and the first encoder.
        values: By rule, one list of K numbers per point.
        seconds: CPU seconds by part of the work.
    """

    runs: SourceRuns
    values: dict[str, list[list[float]]] = field(default_factory=lambda: {rule: [] for rule in RULES})
    seconds: dict[str, float] = field(default_factory=dict)

    def collect(self, every: int, refit: int | None = None, *, solves: bool = True) -> "Signals":
        """Run under equal weights and measure at every ``every``-th step.

        Args:
            every: Steps between measurements.
            refit: Steps between solves of the heads of the sources, from the first step on; never if ``None``.
            solves: Whether to include the rules that solve with the curvature of level 1.
        """
        # A threshold of a billion standard errors keeps the weights equal, while level 2 moves as usual.
        setup = self.runs.setup("tapweight", confidence=1e9)
        place = _Place(self.runs, setup, solves=solves)
        for step in range(self.runs.job.steps):
            if refit is not None and step % refit == 0:
                with self._timed("refit"):
                    place.refit()
            if step % every == every - 1:
                for rule, value in place.measure(self._timed).items():
                    self.values[rule].append(value.tolist())
            setup.step()
        return self

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        started = time.process_time()
        yield
        self.seconds[part] = self.seconds.get(part, 0.0) + time.process_time() - started


class _Place:
    """The state of a run at a step."""

    def __init__(self, runs: SourceRuns, setup: AdaptivePretraining, *, solves: bool = True) -> None:
        self.solves = solves
        self.setup, self.loop = setup, setup.loop
        level2 = setup.task.model
        self.solved = SolvedTask(level2, runs.data, *_whole(runs), generator_for(0, "dropout"), CPU)
        self.graph = ClosedFormGraph(self.loop.pretrained, self.loop.finetuned, GraphOptions(), task=True)
        self.corpora = {size: _corpus(setup, size) for size in (runs.job.batch_size, _WIDE)}
        self.sources = _source_losses(runs, level2)
        self.decays: dict[str, float] = {}

    def measure(self, timed: Callable[[str], Any]) -> dict[str, Tensor]:
        """K numbers by rule."""
        narrow, wide = self.corpora.values()
        with timed("objectives"):
            few = self._rows(narrow)
        with timed("objectives, wide"):
            many = self._rows(wide)
        with timed("meta gradient"):
            tied = self._tied([self.setup.task.loss(self.setup.task.meta, dropout=False)])
        with timed("meta gradient, all"):
            whole = self._tied([self.solved.loss(self.solved.meta, dropout=False)])
        with timed("closed form"):
            exact = self._exact()
        with timed("solved sources"):
            sources = self._solved_sources()
        return {
            "identity": -few.rows @ tied,
            "alignment": _cosines(few.rows, tied, self.graph.block),
            "identity, all of meta": -few.rows @ whole,
            "closed form": -few.rows @ exact,
            "closed form, wide": -many.rows @ exact,
            "closed form, wide, cosine": _cosines(many.rows, exact, self.graph.block),
            "closed form, wide, per loss": -many.rows @ exact / many.losses,
            "closed form, wide, second moments": -many.rows @ (exact * self._preconditioner()),
            "closed form, solved sources": -sources @ exact,
            "closed form, solved sources, cosine": _cosines(sources, exact, self.graph.block),
            **{
                f"closed form, wide, cg {damping:g}": -many.rows @ self._solve(exact, wide, damping, timed)
                for damping in (_DAMPINGS if self.solves else ())
            },
        }

    @torch.no_grad()
    def refit(self) -> None:
        """Replace the learned head of each source by the solved one."""
        encoder = {name: self.loop.pretrained[name] for name in self.loop.shared}
        for name, (source, loss) in zip(self.loop.weighting.names, self.sources.items(), strict=True):
            solved = self._solved(source, loss, encoder)
            self.loop.pretrained[f"objectives.{name}.head.weight"].copy_(solved.head[:, :-1])
            self.loop.pretrained[f"objectives.{name}.head.bias"].copy_(solved.head[:, -1])

    def _solved(self, name: str, loss: HeadLoss, encoder: Params) -> SolvedHead:
        """The solved head of a source; its ridge, one number for all columns, is chosen at the first call."""
        solved = solve_head(loss.encode(encoder), loss.labels, self.decays.get(name))
        self.decays.setdefault(name, float(solved.decay.median()))
        return solved

    def _rows(self, corpus: Corpus) -> "_Rows":
        losses = corpus.losses(self.setup.model)
        names = self.loop.weighting.names
        found = objective_gradients(
            losses.select(names), self.loop.pretrained, self.loop.weighting.weights, keep_rows=True
        )
        return _Rows.of(found)

    def _tied(self, meta: list[Any]) -> Tensor:
        """The meta gradient with respect to the encoder, at the finetuned copy."""
        graph = self.loop.graph
        return graph.encoder_direction(graph.meta_gradient(meta, meta[0], graph.variables()[-1])[1])

    def _exact(self) -> Tensor:
        train, meta = (self.solved.loss(part, dropout=False) for part in (self.solved.train, self.solved.meta))
        return self.graph.meta_gradient([meta], train, self.loop.pretrained)[1]

    def _preconditioner(self) -> Tensor:
        """Adam's preconditioner of gradients, over the variables of level 1."""
        state = self.loop.pretrain_optimizer.state
        tensors = [state[tensor]["exp_avg_sq"] for tensor in self.loop.pretrained.values()]
        steps = float(state[next(iter(self.loop.pretrained.values()))]["step"])
        second = Layout.of(self.loop.pretrained).join(tensors) / (1 - 0.999**steps)
        scale: Tensor = 1 / (second.sqrt() + 1e-8)
        return scale

    def _solve(self, right: Tensor, corpus: Corpus, damping: float, timed: Callable[[str], Any]) -> Tensor:
        with timed("conjugate gradients"):
            losses = corpus.losses(self.setup.model).select(self.loop.weighting.names)
            levels = self.graph.levels(losses, lambda params: params["head.bias"].sum())
            solver = ConjugateGradient(iterations=10, damping=damping)
            upper = {"weights": self.loop.weighting.weights}
            return implicit_adjoint(levels, [self.loop.pretrained], upper, right, solver).direction

    def _solved_sources(self) -> Tensor:
        """Gradients of the sources at their solved heads, on all their molecules; that of the head is zero."""
        encoder = {name: self.loop.pretrained[name] for name in self.loop.shared}
        rows = []
        for name, loss in self.sources.items():
            solved = self._solved(name, loss, encoder)
            slope = solved.labels.slope(solved.vectors @ solved.head.T)
            parts = loss.pull(encoder, (slope @ solved.head)[:, :-1])
            rows.append(self.graph.encoder_direction(torch.cat([part.flatten() for part in parts])))
        return torch.stack(rows)


@dataclass(frozen=True)
class _Rows:
    rows: Tensor
    losses: Tensor

    @classmethod
    def of(cls, found: ObjectiveGradients) -> "_Rows":
        if found.rows is None:
            raise ValueError("the gradients were not kept")
        return cls(found.rows, found.losses)


def _cosines(rows: Tensor, direction: Tensor, block: int) -> Tensor:
    rows, direction = rows[:, :block], direction[:block]
    cosines: Tensor = -(rows @ direction) / (rows.norm(dim=1) * direction.norm()).clamp_min(1e-30)
    return cosines


def _whole(runs: SourceRuns) -> tuple[Batches, Batches]:
    task = [Batches(getattr(runs.splits, role), 2048, generator_for(0, role)) for role in ("train", "meta")]
    return task[0], task[1]


def _corpus(setup: AdaptivePretraining, size: int) -> Corpus:
    data, generator = setup.corpus.data, torch.Generator().manual_seed(size)
    return Corpus(data, Batches(range(len(data)), size, generator_for(size, "signals")), None, generator)


def _source_losses(runs: SourceRuns, level2: Predictor) -> Mapping[str, HeadLoss]:
    """The loss of each source on all its molecules, labels in standard deviations."""
    found = {}
    for source in runs.sources:
        data = source.data
        kinds = torch.tensor([task == "classification" for task in tasks_of(data.task, len(data.target_names))])
        labels = torch.from_numpy(np.asarray(data.targets, dtype=np.float32))
        mean, scale = _units(labels, kinds)
        task = SolvedTask(level2, data, *_whole(runs), generator_for(0, "dropout"), CPU)
        parts = task.loss(Batches(range(len(data)), 2048, generator_for(0, data.name)), dropout=False)
        found[data.name] = HeadLoss(parts.vectors, HeadLabels.of((labels - mean) / scale, kinds))
    return found


def _units(labels: Tensor, kinds: Tensor) -> tuple[Tensor, Tensor]:
    mean = labels.nanmean(dim=0)
    scale = ((labels - mean) ** 2).nanmean(dim=0).sqrt().clamp_min(1e-12)
    return torch.where(kinds, 0.0, mean), torch.where(kinds, 1.0, scale)
