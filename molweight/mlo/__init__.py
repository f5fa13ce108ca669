"""Multi-level optimisation by implicit differentiation, for any torch model.

A problem is a chain of levels. Each level is a pure loss of its own variables and of those of the level above. The
hypergradient propagates the gradient of an outer loss up the chain, with one linear solve per level.

Example:
    Choose the decay of a ridge regression by the loss on other data:

    >>> import torch
    >>> from molweight.mlo import Level, hypergradient, solvers
    >>> generator = torch.Generator().manual_seed(0)
    >>> x, y = torch.randn(20, 3, generator=generator), torch.randn(20, generator=generator)
    >>> train, held_out = slice(0, 10), slice(10, 20)
    >>> def fit(own, upper):
    ...     return ((x[train] @ own["w"] - y[train]) ** 2).sum() + upper["log_decay"].exp() * (own["w"] ** 2).sum()
    >>> def outer(own, upper):
    ...     return ((x[held_out] @ own["w"] - y[held_out]) ** 2).mean()
    >>> def solve(decay):
    ...     return torch.linalg.solve(x[train].T @ x[train] + decay * torch.eye(3), x[train].T @ y[train])
    >>> upper = {"log_decay": torch.tensor(0.0)}
    >>> cg = solvers.create("cg", iterations=3)
    >>> result = hypergradient([Level("fit", fit)], [{"w": solve(1.0)}], upper, outer, cg)
    >>> step = 1e-2
    >>> up, down = (outer({"w": solve(torch.tensor(s).exp())}, {}) for s in (step, -step))
    >>> abs(result.value["log_decay"] - (up - down) / (2 * step)).item() < 1e-3
    True
    >>> result.stats["fit"].outcome.name
    'CONVERGED'

:class:`Loop` trains with it: objectives are reweighted while a model is pretrained for a task.
"""

from functools import partial

from molweight.deprecation import renamed_attributes
from molweight.mlo import solvers, weightings
from molweight.mlo._accuracy import Accuracy, compare_solvers
from molweight.mlo._chains import Adjoint, implicit_adjoint, three_levels, two_levels
from molweight.mlo._closed_form_graph import ClosedFormGraph
from molweight.mlo._curvature import Composite, Curvature, GaussNewton, Hessian
from molweight.mlo._gradients import SharedObjectives
from molweight.mlo._head_labels import HeadLabels
from molweight.mlo._head_loss import HeadLoss
from molweight.mlo._health import Finding, Health, diagnose
from molweight.mlo._hypergradient import Hypergradient, hypergradient
from molweight.mlo._level import VJP, Level, LevelLoss, LinearWeightsCross, MixedDerivative, ProximalCross
from molweight.mlo._level_graph import LevelGraph, ThreeLevelGraph
from molweight.mlo._loop import Loop, OptimizerFactory
from molweight.mlo._loop_point import LoopPoint
from molweight.mlo._record import Record
from molweight.mlo._reference import minimise, resolved_hypergradient, unrolled_hypergradient
from molweight.mlo._solved_head import solve_head
from molweight.mlo._two_level_graph import TwoLevelGraph
from molweight.mlo._vectors import Layout, LossFn, Params, check_deterministic
from molweight.mlo._version import __version__

__all__ = [
    "VJP",
    "Accuracy",
    "Adjoint",
    "ClosedFormGraph",
    "Composite",
    "Curvature",
    "Finding",
    "GaussNewton",
    "HeadLabels",
    "HeadLoss",
    "Health",
    "Hessian",
    "Hypergradient",
    "Layout",
    "Level",
    "LevelGraph",
    "LevelLoss",
    "LinearWeightsCross",
    "Loop",
    "LoopPoint",
    "LossFn",
    "MixedDerivative",
    "OptimizerFactory",
    "Params",
    "ProximalCross",
    "Record",
    "SharedObjectives",
    "ThreeLevelGraph",
    "TwoLevelGraph",
    "__version__",
    "check_deterministic",
    "compare_solvers",
    "diagnose",
    "hypergradient",
    "implicit_adjoint",
    "minimise",
    "resolved_hypergradient",
    "solve_head",
    "solvers",
    "three_levels",
    "two_levels",
    "unrolled_hypergradient",
    "weightings",
]

__getattr__ = renamed_attributes(
    __name__,
    {
        "Cross": ("MixedDerivative, whose method pull is now vjp", MixedDerivative),
        "ThreeLevel": ("Loop", partial(Loop, graph=ThreeLevelGraph)),
        "TwoLevel": ("Loop(..., graph=TwoLevelGraph)", partial(Loop, graph=TwoLevelGraph)),
        "loop_for": ("Loop, which takes the graph of its weighting", lambda _: Loop),
    },
)
