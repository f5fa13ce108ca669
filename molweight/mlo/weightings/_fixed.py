"""Weights chosen by the user."""

import math
from collections.abc import Mapping, Sequence
from numbers import Real

import torch
from torch import Tensor

from molweight.errors import ConfigError, OptionError, suggest
from molweight.mlo.weightings._base import Weighting
from molweight.mlo.weightings._registry import weightings

__all__ = ["Fixed"]


@weightings.register("fixed")
class Fixed(Weighting):
    """Given weights, normalised to sum to one.

    Args:
        names: Names of the objectives.
        weights: One non-negative number per objective, as a sequence in the order of ``names`` or by name.

    Raises:
        ConfigError: If the weights do not match the names, are negative, not finite, or all zero.

    Example:
        >>> Fixed(["masking", "contrast"], {"contrast": 1, "masking": 3}).as_dict()
        {'masking': 0.75, 'contrast': 0.25}
    """

    prior_option = "weights"

    _weights: Tensor

    def __init__(self, names: Sequence[str], weights: Mapping[str, float] | Sequence[float]) -> None:
        """Validate and normalise."""
        super().__init__(names)
        values = torch.tensor(check_weights(self.names, weights))
        self.register_buffer("_weights", values / values.sum())

    @property
    def weights(self) -> Tensor:
        """The K weights."""
        return self._weights


def check_weights(names: Sequence[str], weights: Mapping[str, float] | Sequence[float]) -> list[float]:
    """The weights in the order of ``names``.

    Args:
        names: Names of the objectives.
        weights: One number per objective, in order or by name.

    Raises:
        ConfigError: If a weight is missing, or is given for an unknown objective.
        OptionError: If a weight is negative or not finite, or all are zero.
    """
    if isinstance(weights, Mapping):
        for name in weights:
            if name not in names:
                raise ConfigError(
                    f"a weight is given for {name!r}, which is not an objective here{suggest(name, names)}"
                )
        missing = [name for name in names if name not in weights]
        if missing:
            raise ConfigError(f"no weight is given for {', '.join(missing)}. Give one per objective (0 is allowed).")
        weights = [weights[name] for name in names]
    given: object = weights  # a configuration may hold anything
    if not isinstance(given, list | tuple) or not all(isinstance(w, Real) and not isinstance(w, bool) for w in given):
        raise ConfigError(f"weights are numbers, one per objective, in order or by name, not {weights!r}.")
    if len(weights) != len(names):
        raise ConfigError(f"got {len(weights)} weights for {len(names)} objectives ({', '.join(names)}).")
    values = [float(weight) for weight in weights]
    for name, value in zip(names, values, strict=True):
        if not math.isfinite(value) or value < 0:
            reason = f"must be finite and not negative; that of objective {name!r} is {value}"
            raise OptionError("weights", values, reason, owner="weighting")
    if not sum(values) > 0:
        raise OptionError("weights", values, "are all zero; at least one must be positive", owner="weighting")
    return values
