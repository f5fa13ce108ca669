"""How accurate each solver's hypergradient is on a job, along its run, and what it costs."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from molweight.datasets import Splits
from molweight.errors import ConfigError
from molweight.graphs import MoleculeDataset
from molweight.mlo import Hypergradient, Level, Params, hypergradient, solvers, weightings
from molweight.mlo.solvers import Solver
from molweight.mlo.weightings import through_softmax
from molweight.training._continued import Continued, continued_pretraining
from molweight.training._converged import Converged, Spectrum
from molweight.training._device import resolve_device
from molweight.training._general import general_pretraining
from molweight.training._hypergrad_problem import Problem, draw_problem, params_of
from molweight.training._hypergrad_report import CheckedPoint, CheckedSolver, HypergradCheck, LevelFacts
from molweight.training._tapweight import TapWeight

__all__ = ["damped_solver", "default_candidates", "hypergrad_check", "kendall"]

_SETTINGS: Final[dict[str, list[dict[str, Any]]]] = {
    "neumann": [{"iterations": 10}],
    "cg": [{"iterations": 5}, {"iterations": 10}, {"iterations": 20}, {"iterations": 5, "damping": 1.0}],
    "nystrom": [{"rank": 10}, {"rank": 10, "damping": 1.0}],
}
"""What is compared by default; a damping not given here is that of the reference."""
_TIMED: Final = 3
"""Repetitions of a timing, of which the least is taken."""


def damped_solver(name: str, damping: float, options: Mapping[str, Any] | None = None) -> tuple[str, Solver]:
    """A solver with the damping of the reference unless its options say otherwise, and the name to show it under.

    Args:
        name: Name of the solver.
        damping: Damping of the reference.
        options: Further options of the solver.

    Raises:
        ConfigError: If an option does not exist or is out of range.
        UnknownNameError: If there is no such solver.

    Example:
        >>> damped_solver("cg", 0.1, {"iterations": 7})
        ('cg iterations=7 damping=0.1', ConjugateGradient(iterations=7, damping=0.1, tolerance=1e-06))
        >>> damped_solver("identity", 0.1)
        ('identity', Identity(scale=1.0))
    """
    chosen = dict(options or {})
    if "damping" in getattr(solvers.get(name), "__dataclass_fields__", {}):
        chosen.setdefault("damping", damping)
    title = " ".join([name, *(f"{key}={value:g}" for key, value in chosen.items())])
    return title, solvers.create(name, **chosen)


def default_candidates(damping: float) -> dict[str, Solver]:
    """Every registered solver but the dense one, with a few settings each.

    Args:
        damping: Damping of the reference.

    Example:
        >>> [name for name in default_candidates(0.1) if "nystrom" not in name]
        ['cg iterations=5 damping=0.1', 'cg iterations=10 damping=0.1', 'cg iterations=20 damping=0.1',
         'cg iterations=5 damping=1', 'identity', 'neumann iterations=10 damping=0.1']
    """
    named = [(name, options) for name in solvers.available() for options in _SETTINGS.get(name, [{}])]
    return dict(damped_solver(name, damping, options) for name, options in named if name != "dense")


def hypergrad_check(
    job: TapWeight,
    data: MoleculeDataset,
    splits: Splits,
    corpus: MoleculeDataset | None = None,
    *,
    points: Sequence[int] = (0, 50, 200),
    candidates: Mapping[str, Solver] | None = None,
    reference: Converged | None = None,
    dtype: torch.dtype = torch.float64,
    progress: bool = False,
) -> HypergradCheck:
    """Compare solvers by the hypergradient ``dF/dlambda`` they give on a job's own models and losses.

    The job runs as :meth:`TapWeight.fit` runs it. At each point its parameters are copied, and every solver answers
    for the same batches and draws, from a cold start, as does the reference: both Hessians plus one damping, solved
    densely where they are small and by MINRES elsewhere. The Hessian of a network that is being trained is usually
    indefinite, so the reference is the answer of the damped system and not that of a minimum; the result says what
    curvature was met.

    Args:
        job: Encoder, objectives, gamma, learning rates and the solver that the run itself uses.
        data: The labelled table.
        splits: Its roles; ``train`` and ``meta`` are used.
        corpus: Unlabelled molecules; the training molecules of ``data`` if ``None``.
        points: Steps of continued pretraining after which to compare; the job's own ``steps`` is not used.
        candidates: Solvers by the name to show; :func:`default_candidates` if ``None``.
        reference: What they are compared with; by default with the damping of the job's solver, or 0.1.
        dtype: Floating-point type of the comparison; the run itself is in float32.
        progress: Whether to show progress bars on a terminal.

    Returns:
        Accuracy and cost per solver and point.

    Raises:
        ConfigError: If a point is negative, there is only one objective, the table has no labels, or the job's
            weighting trains no level 2.

    Example:
        >>> from molweight import datasets
        >>> data = datasets.load("freesolv")
        >>> job = TapWeight(
        ...     encoder_options={"layers": 1, "width": 4},
        ...     objectives=["attribute_masking", "graphcl"],
        ...     general_steps=1,
        ...     solve_batch_size=8,
        ... )
        >>> corpus = datasets.load_corpus("zinc", size=64)
        >>> cg = {"cg": solvers.create("cg", iterations=60, damping=20.0, tolerance=1e-10)}
        >>> check = hypergrad_check(
        ...     job,
        ...     data,
        ...     datasets.split(data),
        ...     corpus,
        ...     points=[0],
        ...     candidates=cg,
        ...     reference=Converged(20.0, limit=0, tolerance=1e-9),
        ... )
        >>> check.points[0].solvers[0].relative_error < 1e-6
        True
    """
    at = _check(job, data, points)
    exact = reference or Converged(getattr(solvers.create(job.solver, **job.solver_options), "damping", 0.0) or 0.1)
    compared = default_candidates(exact.damping) if candidates is None else dict(candidates)
    unlabelled = data.subset(splits.train) if corpus is None else corpus
    run = _start(job, data, splits, unlabelled, progress=progress)
    problem = draw_problem(job, run, data, splits, dtype)
    return HypergradCheck(
        data=data.name,
        encoder=" ".join([job.encoder, *(f"{key}={value}" for key, value in job.encoder_options.items())]),
        gamma=job.gamma,
        damping=exact.damping,
        dtype=str(dtype).removeprefix("torch."),
        molecules=problem.molecules,
        seed=job.seed,
        points=[
            _at_point(_Place.of(problem, run, dtype), step, compared, exact)
            for step in _visit(run, at, progress=progress)
        ],
    )


def _start(
    job: TapWeight, data: MoleculeDataset, splits: Splits, corpus: MoleculeDataset, *, progress: bool
) -> Continued:
    device = resolve_device(job.device)
    model, prepared = general_pretraining(job, corpus, device, progress=progress)
    return continued_pretraining(job, model, prepared, data, splits, device=device)


def _visit(run: Continued, points: Sequence[int], *, progress: bool) -> Iterator[int]:
    """Train up to each point in turn."""
    for point in points:
        run.run(point - run.loop.steps, f"pretraining up to step {point}" if progress else None)
        yield point


@dataclass(frozen=True)
class _Place:
    """A problem at a point of the run."""

    problem: Problem
    names: tuple[str, ...]
    weights: Tensor
    variables: tuple[Params, Params]

    @classmethod
    def of(cls, problem: Problem, run: Continued, dtype: torch.dtype) -> "_Place":
        variables = params_of(run.model, dtype), params_of(run.task.model, dtype)
        problem.check(*variables)
        return cls(problem, run.loop.weighting.names, run.loop.weighting.weights.to(dtype, copy=True), variables)

    def answer(self, solver: Solver) -> tuple[Hypergradient, Tensor, float]:
        """The hypergradient, ``dF/dlambda`` of it, and the seconds it took."""
        started = time.perf_counter()
        upper = {"weights": self.weights}
        result = hypergradient(self.problem.levels, self.variables, upper, self.problem.outer, solver)
        value = result.value["weights"]
        _settle(value)
        return result, value, time.perf_counter() - started


def _at_point(place: _Place, step: int, compared: Mapping[str, Solver], reference: Converged) -> CheckedPoint:
    solved = len(reference.spectra)
    exact = place.answer(reference)[1]
    # The chain is solved from its end: the reference saw level 2 first.
    levels = _time_levels(place, list(reversed(reference.spectra[solved:])))
    multiples = {level.level: level.multiple for level in levels}
    return CheckedPoint(
        step=step,
        weights=dict(zip(place.names, place.weights.tolist(), strict=True)),
        reference=dict(zip(place.names, exact.tolist(), strict=True)),
        levels=levels,
        solvers=[_row(place, name, solver, exact, multiples) for name, solver in compared.items()],
    )


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
    contexts: list[Params] = [{"weights": place.weights}, place.variables[0]]
    chain = zip(place.problem.levels, place.variables, contexts, spectra, strict=True)
    return [_time_level(level, own, upper, spectrum) for level, own, upper, spectrum in chain]


def _time_level(level: Level, own: Params, upper: Params, spectrum: Spectrum) -> LevelFacts:
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in own.items()}
    curvature = level.at(own, upper).curvature
    direction = curvature.layout.ravel(own)

    def gradient() -> None:
        torch.autograd.grad(level.loss(leaves, upper), list(leaves.values()), allow_unused=True)

    curvature(direction)  # builds the graph that all products share
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


def _check(job: TapWeight, data: MoleculeDataset, points: Sequence[int]) -> list[int]:
    """The points in order, once each."""
    if not points or min(points) < 0:
        raise ConfigError(f"points={list(points)} must be steps of the run: at least one, none negative.")
    if len(job.objectives) < 2:  # noqa: PLR2004 (a ranking needs two)
        raise ConfigError("one objective has weight 1 whatever the hypergradient is. Name at least two objectives.")
    if data.task is None:
        raise ConfigError(f"{data.name} has no labels. Load a table with targets.")
    rule = None if job.weighting == "none" else weightings.get(job.weighting)
    if rule is None or rule.joint or not rule.needs.task:
        raise ConfigError(f"weighting={job.weighting!r} trains no finetuning level of its own. Use 'tapweight'.")
    return sorted(set(points))
