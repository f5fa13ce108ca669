"""One level of a multi-level problem."""

from dataclasses import dataclass, field

from torch import Tensor

from molweight.errors import ConfigError
from molweight.mlo._checks import check_frozen, check_same_place, check_variables
from molweight.mlo._gauss_newton import CurvatureName, check_curvature
from molweight.mlo._linearized import CurvatureRule, LevelLoss, Linearized
from molweight.mlo._mixed_derivative import VJP, MixedDerivative
from molweight.mlo._vectors import Params

__all__ = ["Level"]


@dataclass(frozen=True)
class Level:
    """A minimisation ``own* (upper) = argmin loss(own, upper)``, taken as solved when it is differentiated.

    Args:
        name: Name used in messages and statistics.
        loss: Pure function ``(own, upper) -> scalar``. Whatever is random must have been drawn before.
        cross: How a solved direction passes to the level above; :class:`VJP` is right for any loss, the closed forms
            are cheaper where they apply.
        curvature: ``"hessian"``; ``"gauss_newton"`` for a loss that is a :class:`Composite` of both arguments; or a
            function ``(own, upper) -> Curvature`` for a matrix that is put together from parts.

    Raises:
        ConfigError: If the name is empty or the loss cannot be called.

    Example:
        >>> Level("fit", lambda own, upper: ((own["w"] - upper["target"]) ** 2).sum()).name
        'fit'
    """

    name: str
    loss: LevelLoss
    cross: MixedDerivative = field(default_factory=VJP)
    curvature: CurvatureName | CurvatureRule = "hessian"

    def __post_init__(self) -> None:
        """Refuse a level that cannot be named or evaluated."""
        if not self.name:
            raise ConfigError("a level needs a name: it is what messages and statistics refer to.")
        if not callable(self.loss):
            raise ConfigError(f"level {self.name!r}: its loss must be callable, got {type(self.loss).__name__}.")
        if not callable(self.curvature):
            check_curvature(f"level {self.name!r}", self.curvature)

    def at(self, own: Params, upper: Params) -> Linearized:
        """This level at a point.

        Args:
            own: Its variables.
            upper: The variables of the level above.
        """
        return Linearized(
            self.name,
            self.loss,
            own,
            upper,
            curvature=self.curvature,
            differentiates_upper=self.cross.differentiates_upper,
        )

    def vjp(self, point: Linearized, direction: Tensor) -> Params:
        """``-(d^2 loss / d own d upper)^T direction``: what a solved direction gives the level above.

        Args:
            point: This level at a point; see :meth:`at`.
            direction: Flat vector over the level's own variables.

        Returns:
            One tensor per upper variable, detached.
        """
        passed = self.cross.vjp(point, direction)
        return {name: tensor.detach() if tensor.requires_grad else tensor for name, tensor in passed.items()}

    def check(self, own: Params, upper: Params) -> None:
        """Refuse variables that this level cannot be differentiated at.

        Raises:
            ConfigError: If they are not floating-point tensors, some are frozen, or the levels' devices or types
                differ.
        """
        check_variables(self.name, own)
        check_frozen(self.name, own)
        check_variables(f"above {self.name}", upper)
        check_same_place(self.name, own, f"above {self.name}", upper)
