"""The same weight for every objective."""

from collections.abc import Sequence

from torch import Tensor

from molweight.mlo.weightings._base import Weighting
from molweight.mlo.weightings._registry import weightings

__all__ = ["Equal"]


@weightings.register("equal")
class Equal(Weighting):
    """``weights_k = 1 / K``, always.

    Args:
        names: Names of the objectives.

    Example:
        >>> Equal(["masking", "contrast"]).as_dict()
        {'masking': 0.5, 'contrast': 0.5}
    """

    _weights: Tensor

    def __init__(self, names: Sequence[str]) -> None:
        """Set the weights once."""
        super().__init__(names)
        self.register_buffer("_weights", self._uniform())

    @property
    def weights(self) -> Tensor:
        """The K weights."""
        return self._weights
