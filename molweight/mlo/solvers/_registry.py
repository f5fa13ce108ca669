"""The table of solvers."""

from molweight.mlo.solvers._base import Solver
from molweight.registry import Registry

__all__ = ["solvers"]

solvers: Registry[type[Solver]] = Registry("solver", group="molweight.solvers", base=Solver)
