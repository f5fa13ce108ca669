"""The base class of weightings."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from molweight.errors import ConfigError, OptionError, TrainingError
from molweight.mlo._level_graph import LevelGraph, ThreeLevelGraph

__all__ = [
    "Needs",
    "Signals",
    "Weighting",
    "check_options",
    "check_simplex",
    "check_values",
    "checked",
    "keep_if",
    "name_of",
    "remember",
]

_NEAR: Final = 1e-4
"""Tolerated rounding error of a weight, or of the sum of the weights, in float32."""


class Needs(StrEnum):
    """The measurements that a weighting needs; the training step computes only these."""

    NOTHING = "nothing"
    LOSSES = "losses"
    NORMS = "norms"
    GRADIENTS = "gradients"
    ALIGNMENT = "alignment"
    HYPERGRADIENT = "hypergradient"

    @property
    def task(self) -> bool:
        """Whether the finetuning and meta losses are needed, i.e. levels 2 and 3."""
        return self in {Needs.ALIGNMENT, Needs.HYPERGRADIENT}


@dataclass(frozen=True)
class Signals:
    """Measurements of a step for the weighting; every tensor is detached and in the order of the objectives' names.

    Args:
        losses: K losses.
        norms: K norms of the objectives' gradients over the shared encoder; ``None`` if they were not computed, which
            cannot happen for a weighting that needs ``NORMS``, ``GRADIENTS`` or ``ALIGNMENT``.
        hypergradient: K derivatives of the meta loss with respect to the weights, or ``None`` without a hypergradient.
        alignment: K cosines of each objective's gradient with the meta gradient, over the shared encoder, or ``None``.
        gramian: ``K x K`` inner products of the objectives' gradients over the shared encoder, or ``None`` unless the
            weighting needs them.
    """

    losses: Tensor
    norms: Tensor | None
    hypergradient: Tensor | None = None
    alignment: Tensor | None = None
    gramian: Tensor | None = None


class Weighting(nn.Module, ABC):
    """Weights of K named objectives, on the simplex.

    It is a module without parameters: its state is in buffers, so that PyTorch's ``to``, ``state_dict`` and
    ``load_state_dict`` apply, and a state contains only named tensors.

    Args:
        names: Names of the objectives, without repetition.

    Raises:
        ConfigError: If there is no name or one is repeated.
    """

    needs: ClassVar[Needs] = Needs.NOTHING
    graph: ClassVar[type[LevelGraph]] = ThreeLevelGraph
    """Default arrangement of encoder, objectives and task in levels for :class:`molweight.mlo.Loop`."""
    prior_option: ClassVar[str] = ""
    """Name of the option that sets the initial weights; empty if there is none."""

    def __init__(self, names: Sequence[str]) -> None:
        """Store the names."""
        super().__init__()
        if not names:
            raise ConfigError("a weighting needs at least one objective.")
        repeated = sorted({name for name in names if list(names).count(name) > 1})
        if repeated:
            raise ConfigError(f"objective names must differ, got {', '.join(repeated)} twice.")
        self.names = tuple(names)

    @property
    @abstractmethod
    def weights(self) -> Tensor:
        """The K weights: non-negative, summing to one, detached."""

    def update(self, signals: Signals) -> None:
        """Update the weights after a step.

        Args:
            signals: The measurements of the step, including those in :attr:`needs`.
        """

    def as_dict(self) -> dict[str, float]:
        """The weights by name, as plain numbers (reads the device)."""
        return dict(zip(self.names, self.weights.tolist(), strict=True))

    def _uniform(self) -> Tensor:
        return torch.full((len(self.names),), 1.0 / len(self.names))


def check_options(*checks: tuple[bool, str, object, str]) -> None:
    """Refuse the first invalid option of a weighting.

    Args:
        *checks: For each option whether it is valid, its name, its value, and the requirement.

    Raises:
        OptionError: With the option, its value and the requirement.

    Example:
        >>> check_options((True, "decay", 0.9, "must be in [0, 1)"), (False, "lr", 0, "must be positive"))
        Traceback (most recent call last):
        ...
        molweight.errors.OptionError: weighting: lr=0 must be positive.
    """
    for fits, option, value, reason in checks:
        if not fits:
            raise OptionError(option, value, reason, owner="weighting")


def checked(names: Sequence[str], weights: object) -> Tensor:
    """The weights, after refusing anything but one number per objective.

    Args:
        names: Names of the objectives.
        weights: The weights.

    Raises:
        ConfigError: If they are not; says what they are.

    Example:
        >>> checked(["one", "two"], torch.ones(1))
        Traceback (most recent call last):
        ...
        molweight.errors.ConfigError: weighting: its weights must be a tensor of shape (2,), one number per objective...
    """
    # The shape alone: their values may be on a device, for which check_values would wait.
    if isinstance(weights, Tensor) and weights.shape == (len(names),):
        return weights
    found = f"a tensor of shape {tuple(weights.shape)}" if isinstance(weights, Tensor) else type(weights).__name__
    raise ConfigError(
        f"weighting: its weights must be a tensor of shape {(len(names),)}, one number per objective, got {found}."
    )


_registered: Final[WeakKeyDictionary[type[Weighting], str]] = WeakKeyDictionary()


def check_values(weighting: Weighting, step: int, weights: Tensor) -> Tensor:
    """The weights, after refusing values on the CPU that are not on the simplex; reading a device would wait for it.

    Args:
        weighting: Their weighting.
        step: Step in which they are used.
        weights: Weight per objective.

    Raises:
        TrainingError: If they are not; names the weighting and the weights.
    """
    if weights.device.type == "cpu":
        near = max(_NEAR, torch.finfo(weights.dtype).eps)
        check_simplex(name_of(weighting), step, weights.tolist(), near)
    return weights


def remember(name: str, weighting: type[Weighting]) -> None:
    """Store the name under which a class is registered, for messages.

    Args:
        name: The name.
        weighting: The class.
    """
    _registered[weighting] = name


def name_of(weighting: Weighting) -> str:
    """The name under which the class of a weighting is registered; its own name if it is not.

    Args:
        weighting: The weighting.

    Example:
        >>> from molweight.mlo import weightings
        >>> name_of(weightings.create("equal", ["a", "b"]))
        'equal'
    """
    kind = type(weighting)
    return _registered.get(kind, kind.__name__)


def check_simplex(weighting: str, step: int, weights: Sequence[float], near: float = _NEAR) -> None:
    """Refuse weights that are not on the simplex, i.e. finite, non-negative and with sum 1.

    Args:
        weighting: Name of the weighting.
        step: Step in which they are used, for the message.
        weights: Weight per objective.
        near: Tolerated error of a weight.

    Raises:
        TrainingError: If they are not; names the weighting and the weights.

    Example:
        >>> check_simplex("mine", 3, [0.25, 0.75])
        >>> check_simplex("mine", 3, [3.0, -1.0])
        Traceback (most recent call last):
        ...
        molweight.errors.TrainingError: weighting 'mine': its weights at step 3 are [3, -1]. They must be ...
    """
    finite = all(math.isfinite(weight) for weight in weights)
    total = math.fsum(weights) if finite else math.nan
    if not finite or abs(total - 1) > near * max(1, len(weights)) or min(weights) < -near:
        shown = ", ".join(f"{weight:.6g}" for weight in weights)
        raise TrainingError(
            f"weighting {weighting!r}: its weights at step {step} are [{shown}]. They must be finite and not negative, "
            "with a sum of 1. Correct the weighting, or choose another."
        )


def keep_if(finite: Tensor, pairs: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Overwrite each first tensor by the second if ``finite`` holds, without synchronisation.

    Args:
        finite: 0-dim, boolean.
        pairs: Buffers and their new values.
    """
    for old, new in pairs:
        old.copy_(torch.where(finite, new, old))
