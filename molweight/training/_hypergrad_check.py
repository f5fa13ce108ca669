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
from molweight.mlo import Hypergradient, Layout, Level, Params, ThreeLevel, hypergradient, solvers, weightings
from molweight.mlo.solvers import Solver
from molweight.mlo.weightings import through_softmax
from molweight.training._converged import Converged
from molweight.training._device import resolve_device
from molweight.training._general import general_pretraining
from molweight.training._hypergrad_problem import Problem, draw_problem, params_of
from molweight.training._hypergrad_report import CheckedPoint, CheckedSolver, HypergradCheck, LevelFacts
from molweight.training._models import Predictor, Pretrainer
from molweight.training._pretrain import pretrain
from molweight.training._tapweight import TapWeight

__all__ = ["candidate", "default_candidates", "hypergrad_check", "kendall"]

_SETTINGS: Final[dict[str, list[dict[str, Any]]]] = {
    "neumann": [{"iterations": 10}],
    "cg": [{"iterations": 5}, {"iterations": 10}, {"iterations": 20}, {"iterations": 5, "damping": 1.0}],
    "nystrom": [{"rank": 10}, {"rank": 10, "damping": 1.0}],
}
"""What is compared by default; a damping not given here is that of the reference."""
_TIMED: Final = 3
"""Repetitions of a timing, of which the least is taken."""


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
        >>> cg = {"cg": candidate("cg", iterations=60, damping=20.0, tolerance=1e-10)}
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
    damping = _damping(job)
    exact = reference or Converged(damping)
    compared = default_candidates(exact.damping) if candidates is None else dict(candidates)
    device = resolve_device(job.device)
    run = _start(job, data, splits, data.subset(splits.train) if corpus is None else corpus, device, progress=progress)
    problem = draw_problem(job, (run.model, run.task.model), run.corpus.data, data, splits, dtype=dtype, device=device)
    found = [_compare(problem, run, step, compared, exact, dtype) for step in run.visit(at)]
    return HypergradCheck(
        data=data.name,
        encoder=" ".join([job.encoder, *(f"{key}={value}" for key, value in job.encoder_options.items())]),
        gamma=job.gamma,
        damping=exact.damping,
        dtype=str(dtype).removeprefix("torch."),
        molecules=problem.molecules,
        seed=job.seed,
        points=found,
    )
