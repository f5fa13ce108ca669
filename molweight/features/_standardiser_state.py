"""A standardiser among the tensors of a model."""

from collections.abc import Mapping
from typing import Final

from torch import Tensor

from molweight.features._standardiser import Standardiser

__all__ = ["SCALE_MEDIAN", "scale_from_state", "scale_state"]

_PREFIX: Final = "standardiser."
SCALE_MEDIAN: Final = f"{_PREFIX}median"
"""Name of a tensor that is missing if there is no standardiser."""


def scale_state(standardiser: Standardiser) -> dict[str, Tensor]:
    """The tensors of a standardiser, with prefixed names.

    Args:
        standardiser: The standardiser.
    """
    return {f"{_PREFIX}{name}": tensor for name, tensor in standardiser.state_dict().items()}


def scale_from_state(state: Mapping[str, Tensor]) -> Standardiser:
    """The standardiser among the tensors of a model.

    Args:
        state: The tensors, those of :func:`scale_state` among them.
    """
    found = Standardiser(len(state[SCALE_MEDIAN]))
    found.load_state_dict({name.removeprefix(_PREFIX): state[name] for name in state if name.startswith(_PREFIX)})
    return found
