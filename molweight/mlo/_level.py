"""One level of a multi-level problem."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from torch import Tensor

from molweight.errors import ConfigError
from molweight.mlo._checks import check_frozen, check_same_place, check_variables
from molweight.mlo._cross import VJP, Cross
from molweight.mlo._curvature import Hessian
from molweight.mlo._gauss_newton import CurvatureName, GaussNewton, bind, check_curvature
from molweight.mlo._vectors import Params, attach

__all__ = ["Level", "LevelLoss", "Linearized"]

LevelLoss: TypeAlias = Callable[[Params, Params], Tensor]
"""Pure function of a level's own variables and of those of the level above, returning a scalar."""


@dataclass(frozen=True)
class Level:
    """A minimisation ``own* (upper) = argmin loss(own, upper)``, taken as solved when it is differentiated.

    Args:
        name: Name used in messages and statistics.
        loss: Pure function ``(own, upper) -> scalar``. Whatever is random must have been drawn before.
        curvature: ``"hessian"``, or ``"gauss_newton"`` for a loss that is a :class:`Composite` of both arguments.
        cross: How a solved direction passes to the level above; :class:`VJP` is right for any loss, the closed forms
            are cheaper where they apply.

    Raises:
        ConfigError: If the name is empty or the loss cannot be called.

    Example:
        >>> Level("fit", lambda own, upper: ((own["w"] - upper["target"]) ** 2).sum()).name
        'fit'
    """

    name: str
    loss: LevelLoss
    cross: Cross = field(default_factory=VJP)
    curvature: CurvatureName = "hessian"

    def __post_init__(self) -> None:
        """Refuse a level that cannot be named or evaluated."""
        if not self.name:
            raise ConfigError("a level needs a name: it is what messages and statistics refer to.")
        if not callable(self.loss):
            raise ConfigError(f"level {self.name!r}: its loss must be callable, got {type(self.loss).__name__}.")
        check_curvature(f"level {self.name!r}", self.curvature)

    def at(self, own: Params, upper: Params) -> "Linearized":
        """This level at a point."""
        return Linearized(self, own, upper)

    def check(self, own: Params, upper: Params) -> None:
        """Refuse variables that this level cannot be differentiated at.

        Raises:
            ConfigError: If they are no floating-point tensors, some are frozen, or the levels' devices or types differ.
        """
        check_variables(self.name, own)
        check_frozen(self.name, own)
        check_variables(f"above {self.name}", upper)
        check_same_place(self.name, own, f"above {self.name}", upper)


class Linearized:
    """A level at a point: its curvature as an operator and its cross term.

    Args:
        level: The level.
        own: Its variables.
        upper: The variables of the level above.
    """

    def __init__(self, level: Level, own: Params, upper: Params) -> None:
        """Keep the point; nothing is evaluated yet."""
        self.name = level.name
        self.upper = attach(upper) if level.cross.differentiates_upper else {k: v.detach() for k, v in upper.items()}
        self._level = level
        self._own = own

    @cached_property
    def hessian(self) -> Hessian:
        """The Hessian in the level's own variables, with the gradient that the general cross term needs."""
        loss, upper = self._level.loss, self.upper
        return Hessian(lambda own: loss(own, upper), self._own, f"level {self.name!r}")

    @cached_property
    def curvature(self) -> Hessian | GaussNewton:
        """What is solved with: the Hessian or the Gauss-Newton matrix."""
        if self._level.curvature == "hessian":
            return self.hessian
        loss, upper = self._level.loss, self.upper
        return GaussNewton(bind(loss, upper), self._own, f"level {self.name!r}")

    def pull(self, direction: Tensor) -> Params:
        """The level's cross term applied to a solved direction."""
        pulled = self._level.cross.pull(self, direction)
        return {name: tensor.detach() for name, tensor in pulled.items()}
