"""Solvers for ``A x = b`` where ``A`` is a curvature matrix known only through products.

Example:
    >>> import torch
    >>> from molweight.mlo import solvers
    >>> solvers.available()
    ['cg', 'dense', 'identity', 'neumann', 'nystrom', 'sama', 'unrolled']
    >>> cg = solvers.create("cg", iterations=10, damping=0.1)
    >>> solution = cg.solve(lambda v: 0.9 * v, torch.tensor([1.0, 2.0]))
    >>> solution.value.tolist(), solution.stats.outcome.name
    ([1.0, 2.0], 'CONVERGED')
"""

from molweight.mlo.solvers._adapted import AdaptedSolver, SecondMoments, Unrolled
from molweight.mlo.solvers._base import Operator, Outcome, Solution, Solver, Stats
from molweight.mlo.solvers._cg import ConjugateGradient
from molweight.mlo.solvers._dense import Dense, materialize
from molweight.mlo.solvers._identity import Identity
from molweight.mlo.solvers._minres import MinresReference, Spectrum
from molweight.mlo.solvers._neumann import Neumann
from molweight.mlo.solvers._nystrom import Nystrom
from molweight.mlo.solvers._registry import solvers

__all__ = [
    "AdaptedSolver",
    "ConjugateGradient",
    "Dense",
    "Identity",
    "MinresReference",
    "Neumann",
    "Nystrom",
    "Operator",
    "Outcome",
    "SecondMoments",
    "Solution",
    "Solver",
    "Spectrum",
    "Stats",
    "Unrolled",
    "available",
    "create",
    "get",
    "materialize",
    "register",
]

register = solvers.register
get = solvers.get
available = solvers.available
create = solvers.create
