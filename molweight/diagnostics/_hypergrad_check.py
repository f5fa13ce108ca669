"""How accurate each solver's hypergradient is on a job, along its run, and what it costs."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, TypeAlias

import torch
from torch import Tensor

from molweight.datasets import Splits
from molweight.devices import matmul_precision, resolve_device
from molweight.diagnostics._hypergrad_report import CheckedPoint, CheckedSolver, HypergradCheck, LevelFacts
from molweight.diagnostics._problem import Problem, draw_problem
from molweight.errors import ConfigError, OptionError
from molweight.graphs import MoleculeDataset
from molweight.mlo import Hypergradient, Level, Loop, LoopPoint, Params, solvers, weightings
from molweight.mlo.solvers import MinresReference, Solver, Spectrum
from molweight.mlo.weightings import through_softmax
from molweight.options import Job
from molweight.training import generic_pretraining, resolve
from molweight.training.internal import (
    SOLVER_DEFAULTS,
    AdaptivePretraining,
    HeldOut,
    adaptive_pretraining,
    check_weighting,
    with_parts,
    with_sources,
    with_stereo,
)

__all__ = ["Candidate", "Damping", "default_candidates", "hypergrad_check", "kendall"]

Candidate: TypeAlias = tuple[str, Mapping[str, Any]]
"""Name of a solver and its options; a damping not given is that of the reference."""
Damping: TypeAlias = float | Literal["safe"]
"""A number, or one that makes both Hessians positive definite at the point."""

_SETTINGS: Final[dict[str, list[dict[str, Any]]]] = {
    "neumann": [{"iterations": 10}, {"iterations": 20}],
    "cg": [{"iterations": 5}, {"iterations": 10}, {"iterations": 20}],
    "nystrom": [{"rank": 10}, {"rank": 20}],
}
_TIMED: Final = 3
"""Repetitions of a timing; the minimum counts."""
_MARGIN: Final = 1.5
"""Ratio of the safe damping to the magnitude of the lowest observed curvature."""


def default_candidates() -> list[Candidate]:
    """Every registered solver except the dense one, with a few settings each.

    Example:
        >>> [name for name, _ in default_candidates()]
        ['cg', 'cg', 'cg', 'identity', 'neumann', 'neumann', 'nystrom', 'nystrom', 'sama', 'unrolled']
    """
    names = [name for name in solvers.available() if name != "dense"]
    return [(name, options) for name in names for options in _SETTINGS.get(name, [{}])]


def hypergrad_check(
    job: Job,
    data: MoleculeDataset,
    splits: Splits,
    corpus: MoleculeDataset | None = None,
    *,
    points: Sequence[int] | None = None,
    dampings: Sequence[Damping] = (0.1, "safe"),
    candidates: Sequence[Candidate] | None = None,
    dtype: torch.dtype = torch.float64,
    limit: int = 3_000,
    iterations: int = 300,
    tolerance: float = 1e-6,
    progress: bool = False,
) -> HypergradCheck:
    """Compare solvers by the hypergradient ``dF/dlambda`` they give on a job's own models and losses.

    The job runs as :func:`molweight.fit` runs it. At each point, the variables at which the run takes its hypergradient
    are copied: with ``finetune_ema``, level 2 is at its running average. Every solver, and the reference, computes the
    hypergradient at that point by the code that training uses, with the same batches and random numbers and from a cold
    start. The reference solves both damped Hessians densely if they are small, and by MINRES otherwise. The Hessian of
    a network in training is usually indefinite. With a small damping the reference is then a stationary point and not a
    minimum, and the system is close to singular. ``"safe"`` is 1.5 times the magnitude of the most negative curvature
    that the reference with the first damping observed, so that every solver's precondition holds and MINRES converges
    quickly. The result reports the observed curvature.

    Args:
        job: Encoder, objectives, gamma, learning rates and the solver that the run itself uses.
        data: The labelled table.
        splits: Its roles; ``train`` and ``meta`` are used.
        corpus: Unlabelled molecules; the training molecules of ``data`` if ``None``.
        points: Steps of adaptive pretraining after which to compare; 0, a quarter and all of the job's ``steps`` if
            ``None``.
        dampings: Dampings of the references, each compared with all solvers; the first is a number.
        candidates: Solvers with their options; :func:`default_candidates` if ``None``. The job's own is added.
        dtype: Floating-point type of the comparison; the run itself is in float32.
        limit: Maximum number of variables of a level for the dense reference.
        iterations: Maximum number of products of the MINRES reference, which stores as many vectors.
        tolerance: Relative residual at which it stops.
        progress: Whether to show progress bars on a terminal.

    Returns:
        Accuracy and cost per point, damping and solver.

    Raises:
        ConfigError: If a point is negative, there is only one objective, the table has no labels, or the job's
            weighting trains no level 2.

    Example:
        >>> from molweight import datasets
        >>> data = datasets.load("freesolv")
        >>> job = Job(
        ...     encoder_options={"layers": 1, "width": 4},
        ...     objectives=["attribute_masking", "graphcl"],
        ...     pretrain_steps=1,
        ...     solve_batch_size=8,
        ... )
        >>> corpus = datasets.load_corpus("zinc", size=64)
        >>> cg = [("cg", {"iterations": 60, "tolerance": 1e-10})]
        >>> check = hypergrad_check(
        ...     job, data, datasets.split(data), corpus, points=[0], dampings=[100.0], candidates=cg, limit=0
        ... )
        >>> check.points[0].solvers[0].relative_error < 1e-5
        True
    """
    at = _check(job, data, points, dampings)
    job, data = resolve(job, data), with_stereo(job, data)
    asked = [
        *(default_candidates() if candidates is None else candidates),
        (job.solver, {**SOLVER_DEFAULTS.get(job.solver, {}), **job.solver_options}),
    ]
    compare = _Comparison(
        asked, dampings, partial(MinresReference, limit=limit, iterations=iterations, tolerance=tolerance)
    )
    job, sources = with_sources(job, data, splits)
    corpus = data.subset(splits.train) if corpus is None else corpus.with_featuriser(data.featuriser)
    job = with_parts(job, corpus)
    if sources or job.corpus_weights == "part":  # the number of weights is known only now
        check_weighting(job)
    if len(job.objectives) <= 1:
        raise ConfigError("the weight of a single objective is always 1. Name at least two objectives.")
    run = _start(job, HeldOut(data, splits, sources), corpus, progress=progress)
    problem = draw_problem(job, run, data, splits, dtype)
    found = [
        compare.at(_Place.of(problem, run, dtype), step) for step in _visit(run, at, job.precision, progress=progress)
    ]
    return HypergradCheck(
        data=data.name,
        encoder=" ".join([job.encoder, *(f"{key}={value}" for key, value in job.encoder_options.items())]),
        gamma=job.proximal_strength,
        dtype=str(dtype).removeprefix("torch."),
        molecules=problem.molecules,
        seed=job.seed,
        points=[point for points in found for point in points],
    )


def _start(job: Job, held: HeldOut, corpus: MoleculeDataset, *, progress: bool) -> AdaptivePretraining:
    device = resolve_device(job.device)
    model, prepared = generic_pretraining(job, corpus, device, progress=progress, held=held)
    return adaptive_pretraining(job, model, prepared, held.data, held.splits, device=device)


def _visit(run: AdaptivePretraining, points: Sequence[int], precision: str, *, progress: bool) -> Iterator[int]:
    """Train to each point in turn."""
    for point in points:
        with matmul_precision(precision):
            run.run(point - run.loop.steps, f"pretraining up to step {point}" if progress else None)
        yield point


@dataclass(frozen=True)
class _Place:
    """A problem at the point at which the run takes its hypergradient: with ``finetune_ema`` the running average."""

    problem: Problem
    loop: Loop
    point: LoopPoint
    weights: Tensor

    @classmethod
    def of(cls, problem: Problem, run: AdaptivePretraining, dtype: torch.dtype) -> "_Place":
        point, weights = run.loop.point().to(dtype), run.loop.weighting.weights.to(dtype, copy=True)
        problem.check(*point.variables)
        return cls(problem, run.loop, point, weights)

    @property
    def names(self) -> tuple[str, ...]:
        return self.loop.weighting.names

    def answer(self, solver: Solver) -> tuple[Hypergradient, Tensor, float]:
        """The hypergradient, its ``dF/dlambda``, and the duration in seconds."""
        started = time.perf_counter()
        losses = self.problem.objectives, self.problem.train, self.problem.meta
        mixed = self.problem.mixed
        result = self.loop.hypergradient(*losses, at=self.point, solver=solver, mixed_objectives=mixed)
        value = result.value["weights"]
        _settle(value)
        return result, value, time.perf_counter() - started


@dataclass(frozen=True)
class _Comparison:
    """The solvers that are compared at every point, and the references."""

    candidates: Sequence[Candidate]
    dampings: Sequence[Damping]
    reference: Callable[..., MinresReference]

    def __post_init__(self) -> None:
        """Refuse names and options before anything is trained."""
        for name, options in self.candidates:
            _build(name, options, damping=1.0)
        self.reference(1.0)

    def at(self, place: _Place, step: int) -> list[CheckedPoint]:
        """One entry per damping; the safe damping is skipped if the first one is safe."""
        found: list[CheckedPoint] = []
        for asked in self.dampings:
            if asked != "safe":
                found.append(self._with(place, step, self.reference(asked)))
            elif (damping := _safe(found[0])) is not None:
                # A definite system converges in few products, so the matrix need not be built again.
                found.append(self._with(place, step, self.reference(damping, limit=0)))
        return found

    def _with(self, place: _Place, step: int, reference: MinresReference) -> CheckedPoint:
        damping = reference.damping
        exact = place.answer(reference)[1]
        levels = _time_levels(place, list(reversed(reference.spectra)))  # the chain is solved from its last level
        multiples = {level.level: level.multiple for level in levels}
        compared = dict(_build(name, options, damping) for name, options in self.candidates)
        return CheckedPoint(
            step=step,
            damping=damping,
            weights=dict(zip(place.names, place.weights.tolist(), strict=True)),
            reference=dict(zip(place.names, exact.tolist(), strict=True)),
            levels=levels,
            solvers=[_row(place, title, solver, exact, multiples) for title, solver in compared.items()],
        )


def _safe(point: CheckedPoint) -> float | None:
    """A damping that makes all curvature observed at ``point`` positive; ``None`` if it already is or is not known."""
    lowest = min(level.spectrum.lowest for level in point.levels)
    indefinite = any(level.spectrum.indefinite for level in point.levels)
    # After a product that is not finite, the spectrum of its level is unknown.
    return float(f"{_MARGIN * -lowest:.2g}") if indefinite and math.isfinite(lowest) else None


def _build(name: str, options: Mapping[str, Any], damping: float) -> tuple[str, Solver]:
    """A solver with its display name; it takes the damping of the reference unless it has its own."""
    chosen = dict(options)
    if "damping" in getattr(solvers.get(name), "__dataclass_fields__", {}):
        chosen.setdefault("damping", damping)
    title = " ".join([name, *(f"{key}={value}" for key, value in chosen.items())])
    return title, solvers.create(name, **chosen)


def _row(place: _Place, name: str, solver: Solver, exact: Tensor, multiples: Mapping[str, float]) -> CheckedSolver:
    result, value, seconds = place.answer(solver)
    logits, exact_logits = (through_softmax(place.weights, slopes) for slopes in (value, exact))
    return CheckedSolver(
        solver=name,
        cosine=_cosine(logits, exact_logits),
        cosine_weights=_cosine(value, exact),
        relative_error=float((logits - exact_logits).norm() / exact_logits.norm()),
        kendall=kendall(value, exact),
        products=result.products,
        gradients=sum(count * multiples[level] for level, count in result.products.items()),
        seconds=seconds,
        outcomes={level: stats.outcome.name.lower() for level, stats in result.stats.items()},
        hypergradient=dict(zip(place.names, value.tolist(), strict=True)),
    )


def _cosine(one: Tensor, other: Tensor) -> float:
    return float(one @ other / (one.norm() * other.norm()))


def kendall(one: Tensor, other: Tensor) -> float:
    """Kendall's tau-a: agreeing pairs minus disagreeing pairs, over all pairs (Kendall 1938).

    Args:
        one: K numbers.
        other: K numbers.

    Example:
        >>> kendall(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([10.0, 30.0, 20.0]))  # 2 pairs agree, 1 does not
        0.3333333333333333
    """
    agreement = ((one[:, None] - one).sign() * (other[:, None] - other).sign()).sum()
    return float(agreement) / (len(one) * (len(one) - 1))


def _time_levels(place: _Place, spectra: Sequence[Spectrum]) -> list[LevelFacts]:
    levels = place.loop.levels(place.problem.objectives, place.problem.train)
    contexts: list[Params] = [place.point.upper, place.point.variables[0]]
    chain = zip(levels, place.point.variables, contexts, spectra, strict=True)
    return [_time_level(level, own, upper, spectrum) for level, own, upper, spectrum in chain]


def _time_level(level: Level, own: Params, upper: Params, spectrum: Spectrum) -> LevelFacts:
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in own.items()}
    curvature = level.at(own, upper).curvature
    direction = curvature.layout.ravel(own)

    def gradient() -> None:
        torch.autograd.grad(level.loss(leaves, upper), list(leaves.values()), allow_unused=True)

    curvature(direction)  # builds the graph shared by all products
    return LevelFacts(
        level.name, spectrum, _seconds(gradient, direction), _seconds(lambda: curvature(direction), direction)
    )


def _seconds(work: Callable[[], object], like: Tensor) -> float:
    taken = []
    for _ in range(_TIMED):
        _settle(like)
        started = time.perf_counter()
        work()
        _settle(like)
        taken.append(time.perf_counter() - started)
    return min(taken)


def _settle(value: Tensor) -> None:
    if value.is_cuda:
        torch.cuda.synchronize(value.device)


def _check(job: Job, data: MoleculeDataset, points: Sequence[int] | None, dampings: Sequence[Damping]) -> list[int]:
    """The points, sorted and without duplicates."""
    points = [0, job.steps // 4, job.steps] if points is None else points
    if not points or min(points) < 0:
        raise OptionError("points", list(points), "must be steps of the run: at least one, none negative")
    numbers = [value for value in dampings if value != "safe"]
    if not dampings or dampings[0] == "safe" or not all(0 <= value < math.inf for value in numbers):
        reason = "must be a finite number >= 0, optionally followed by further numbers or 'safe'"
        raise OptionError("dampings", list(dampings), reason)
    if data.task is None:
        raise ConfigError(f"{data.name} has no labels. Load a table with targets.")
    rule = None if job.weighting == "none" else weightings.get(job.weighting)
    if rule is None or not rule.graph.proximal or not rule.needs.task:
        raise OptionError("weighting", job.weighting, "trains no finetuning level of its own", "Use 'tapweight'.")
    if job.task_level != "proximal":
        raise OptionError("task_level", job.task_level, "leaves only one linear system", "Leave task_level out.")
    return sorted(set(points))
