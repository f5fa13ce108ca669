"""Task-adaptive pretraining: the models, the three-level loop, and its sources of molecules."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor

from molweight.datasets import Splits
from molweight.devices import matmul_precision
from molweight.errors import OptionError
from molweight.graphs import MoleculeDataset, attach_targets
from molweight.mlo import ClosedFormGraph, HeadLabels, Loop, Record, solve_head, solvers, weightings
from molweight.mlo.internal import LearningLoop
from molweight.mlo.weightings import Needs
from molweight.models import Predictor, Pretrainer
from molweight.models.internal import build_predictor, label_statistics
from molweight.objectives import Source
from molweight.objectives.internal import SourcePool
from molweight.options import Job
from molweight.report.internal import evidence_is_in
from molweight.seeding import seeded
from molweight.training._batches import Batches, Corpus, TaskSource, generator_for, part_batches
from molweight.training._learned import option_learner
from molweight.training._padding import pads
from molweight.training._pretrain import pretrain, take_step
from molweight.training._resolve import create_solver, resolve_init
from molweight.training._solved_task import MOST_SOLVED, SolvedTask
from molweight.training._state import Context, Stage
from molweight.training._weighting import create_weighting, weighting_guard

__all__ = ["AdaptivePretraining", "adapt", "adaptive_pretraining", "new_predictor", "solve_source_heads"]


_SHARE: Final = 0.3
"""Share of the remaining time, if there is a limit; the rest is for finetuning."""
_OWN_SHARE: Final = {"corpus": 0.0, "own": 1.0, "both": 0.5}
"""Share of gradients on the task's own molecules in the hypergradient."""
_MOST: Final = 4096
"""Maximum number of molecules for solving the heads, over all tables."""
_PART: Final = 256
_FEWEST: Final = 10
"""With fewer labels in a column, or fewer labels of the rarer class, its head starts at random."""
_CHOSEN: Final = 8
"""Number of columns of a table whose ridge is chosen individually; the others get the median."""


@dataclass(frozen=True)
class AdaptivePretraining:
    """Adaptive pretraining, ready to run.

    Args:
        model: Level 1: encoder and heads of the objectives.
        loop: The three levels.
        corpus: Source of unlabelled molecules.
        task: Source of labelled molecules, with the model of level 2.
    """

    model: Pretrainer
    loop: Loop
    corpus: Corpus
    task: TaskSource

    def step(self) -> Record:
        """Take one step."""
        return take_step(self.model, self.corpus, self.loop, self.task)

    def run(
        self,
        steps: int,
        progress: str | None = None,
        stage: Stage | None = None,
        seconds: float | None = None,
        *,
        stop_when_decided: bool = False,
    ) -> list[dict[str, Any]]:
        """Take ``steps`` steps; see :func:`molweight.training._pretrain.pretrain`."""
        return pretrain(
            self.model,
            self.corpus,
            self.loop,
            steps=steps,
            task=self.task,
            progress=progress,
            stage=stage,
            seconds=seconds,
            decided=partial(evidence_is_in, steps=steps) if stop_when_decided else None,
        )


def adapt(
    job: Job, model: Pretrainer, corpus: MoleculeDataset, context: Context
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Adapt a pretrained encoder to a task: the three levels.

    Args:
        job: Weighting, solver, sizes and rates; with ``weighting="none"`` nothing is done.
        model: Model from :func:`molweight.training.generic_pretraining`; its parameters are updated.
        corpus: Its corpus, with the columns of the objectives.
        context: The labelled table, of which ``train`` and ``meta`` are used, and the device.

    Returns:
        Weight per objective after the last update, and one record per step; both empty if nothing was done.
    """
    if not job.adapts:
        return {}, []
    setup = adaptive_pretraining(job, model, corpus, context.data, context.splits, device=context.device)
    stage = context.session.stage("adaptive")
    with matmul_precision(job.precision):
        title = context.title("stage 2 of 3, adaptive pretraining")
        limit = context.session.seconds_for(_SHARE)
        history = setup.run(job.steps, title, stage, limit, stop_when_decided=job.stop_when_decided)
    return setup.loop.weighting.as_dict(), history


def adaptive_pretraining(
    job: Job,
    model: Pretrainer,
    corpus: MoleculeDataset,
    data: MoleculeDataset,
    splits: Splits,
    *,
    device: torch.device,
) -> AdaptivePretraining:
    """Set up the adaptive pretraining of a job.

    Args:
        job: Weighting, solver, sizes and rates.
        model: Model from :func:`molweight.training.generic_pretraining`; its parameters will be updated.
        corpus: Its corpus, with the columns of the objectives.
        data: The labelled table.
        splits: Its roles; ``train`` and ``meta`` are used.
        device: Device to compute on.
    """
    job = resolve_init(job)
    if job.source_heads == "solved":
        solve_source_heads(model, job.seed)
    level2 = new_predictor(job, model, data, splits, device)
    loop = (partial(LearningLoop, option_learner(job, model)) if job.learn else Loop)(
        dict(model.named_parameters()),
        dict(level2.named_parameters()),
        create_weighting(job),
        graph=ClosedFormGraph if job.task_level == "closed_form" else None,
        solver=create_solver(job),
        proximal_strength=job.proximal_strength,
        pretrain_lr=job.pretrain_lr,
        finetune_lr=job.finetune_lr,
        hypergradient_interval=job.hypergradient_interval,
        track_encoder=job.track_encoder,
        finetune_ema=job.finetune_ema,
        scale_losses=job.scale_losses,
        recompute_graphs=job.recompute_graphs,
        warm_start=job.warm_start,
        gradient_norm_interval=job.gradient_norm_interval,
        mixed_share=_OWN_SHARE[job.align_on],
        guard=weighting_guard(job.weighting),
    )
    pad = pads(job, model.encoder, corpus, device)
    task = _task(job, level2, data, splits, device)
    source = _corpus(job, corpus, device, pad=pad)
    if job.align_on != "corpus":
        source = replace(source, own=_own_molecules(job, model, data, splits, source))
    return AdaptivePretraining(model, loop, source, replace(task, pad=pad))


def _own_molecules(job: Job, model: Pretrainer, data: MoleculeDataset, splits: Splits, corpus: Corpus) -> Corpus:
    """The task's ``train`` molecules as a corpus, for objectives without a table and without a part of a corpus."""
    names = [
        name
        for name in job.objectives
        if not model.objective(name).tables and name.partition(":")[2] not in corpus.parts
    ]
    if not names:
        reason = "finds no objective that can learn from the task's molecules: each has a table of its own"
        raise OptionError("align_on", job.align_on, reason, "Leave align_on out.")
    own = attach_targets(data.subset(splits.train), [spec for name in names for spec in model.objective(name).targets])
    # Separate random streams, so that level 1 sees the same molecules and masks for every choice.
    draws = int(generator_for(job.seed, "own draws").integers(2**31))
    generator = torch.Generator(corpus.generator.device).manual_seed(draws)
    batches = Batches(range(len(own)), job.batch_size, generator_for(job.seed, "own"))
    return Corpus(own, batches, None, generator, pad=corpus.pad, names=names)


def new_predictor(
    job: Job, model: Pretrainer, data: MoleculeDataset, splits: Splits, device: torch.device
) -> Predictor:
    """A model of the task that starts from a pretrained encoder; its head depends only on the seed.

    Args:
        job: Name and options of the encoder, and the seed.
        model: Model with the encoder to copy.
        data: The labelled table.
        splits: Its roles; the units of the labels come from ``train``.
        device: Device to put it on.
    """
    mean, scale = label_statistics(data, splits.train)
    # A separate random stream: otherwise the first objective's head could start as a copy of the task's.
    with seeded(int(generator_for(job.seed, "task head").integers(2**31))):
        level2 = build_predictor(job.encoder, job.encoder_options, data.task or "regression", mean, scale)
    level2.encoder.load_state_dict(model.encoder.state_dict())
    return level2.to(device)


def _corpus(job: Job, corpus: MoleculeDataset, device: torch.device, *, pad: bool) -> Corpus:
    everything = range(len(corpus))
    batches = Batches(everything, job.batch_size, generator_for(job.seed, "corpus"))
    generator = torch.Generator(device).manual_seed(job.seed)
    parts = part_batches(corpus, job.objectives, job.batch_size, job.seed)
    source = Corpus(corpus, batches, None, generator, parts, pad)
    solved = solvers.get(job.solver).uses_products and weightings.get(job.weighting).needs is Needs.HYPERGRADIENT
    if not solved:
        return source
    solve = Batches(everything, job.solve_batch_size, generator_for(job.seed, "solve"))
    pieces = part_batches(corpus, job.objectives, job.solve_batch_size, job.seed, "solve part")
    return replace(source, solve_batches=solve, solve_parts=pieces)


def _task(job: Job, level2: Predictor, data: MoleculeDataset, splits: Splits, device: torch.device) -> TaskSource:
    solved = job.task_level == "closed_form"
    if solved and level2.task == "multiclass":
        raise OptionError(
            "task_level",
            job.task_level,
            f"solves one head per target, but the classes of {data.name} share one",
            "Leave task_level out.",
        )
    sizes = (MOST_SOLVED, MOST_SOLVED) if solved else (job.task_batch_size, job.meta_batch_size)
    train = Batches(splits.train, sizes[0], generator_for(job.seed, "train"))
    meta = Batches(splits.meta, sizes[1], generator_for(job.seed, "meta"))
    return (SolvedTask if solved else TaskSource)(
        level2, data, train, meta, generator_for(job.seed, "dropout"), device, job.meta_batches
    )


@torch.no_grad()
def solve_source_heads(model: Pretrainer, seed: int) -> None:
    """Replace each random head by the solution of ridge or logistic regression on the encoder's vectors.

    With a random head, the first gradients of an auxiliary table move the encoder towards random numbers, regardless of
    its labels, and the weights learn from that (``experiments/studies/planted_signals.py``).

    Args:
        model: The model, with attached tables; its heads are changed in place.
        seed: Seed for sampling molecules.
    """
    sources = [part for part in model.objectives.values() if isinstance(part, Source)]
    for pool in dict.fromkeys(source.pool for source in sources):
        positions = torch.from_numpy(pool.sample(_MOST, torch.Generator().manual_seed(seed)))
        vectors = _vectors(model, pool, positions)
        for source in sources:
            if source.pool is pool:
                _solve(source, vectors, positions)


def _vectors(model: Pretrainer, pool: SourcePool, positions: Tensor) -> Tensor:
    """The vectors used by the losses, but without dropout."""
    device = next(model.encoder.parameters()).device
    parts = [positions[start : start + _PART].numpy() for start in range(0, len(positions), _PART)]
    return torch.cat([model.encoder(pool.molecules.graphs(part, device), None).graphs for part in parts])


def _solve(source: Source, vectors: Tensor, positions: Tensor) -> None:
    labels, bounds = (part.to(vectors.device) for part in source.labels_at(positions))
    columns = [column for column, own in enumerate(source.classes.tolist()) if _enough(labels[:, column], classes=own)]
    if not columns:
        return
    rows = ~labels[:, columns].isnan().all(dim=1)

    def known(chosen: list[int]) -> HeadLabels:
        own, limits = labels[rows][:, chosen], bounds[rows][:, chosen]
        return HeadLabels.of(own, source.classes[chosen], bounds=limits if limits.any() else None)

    tried = known(columns[:_CHOSEN]) if len(columns) > _CHOSEN else None
    decay = None if tried is None else float(solve_head(vectors[rows], tried).decay.median())
    head = solve_head(vectors[rows], known(columns), decay).head.to(source.head.weight)
    source.head.weight[columns] = head[:, :-1]
    source.head.bias[columns] = head[:, -1]


def _enough(labels: Tensor, *, classes: bool) -> bool:
    known = labels[~labels.isnan()]
    rarer = min(int((known == 1).sum()), int((known == 0).sum())) if classes else len(known)
    return rarer >= _FEWEST
