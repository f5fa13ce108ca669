"""Weights learned from the direction of gradients alone."""

from torch import Tensor

from molweight.mlo.weightings._base import Needs, Signals
from molweight.mlo.weightings._registry import weightings
from molweight.mlo.weightings._softmax import SoftmaxWeighting

__all__ = ["Alignment"]


@weightings.register("alignment")
class Alignment(SoftmaxWeighting):
    """Raises the weight of objectives whose gradient points along the meta gradient: ``dF/dw_k = -cos_k``.

    The cosines are over the shared encoder, each gradient at the point of its own level. Source: Dery, Michel,
    Talwalkar, Neubig, *Should we be pre-training? (META-TARTAN)*, ICLR 2022. The options are those of
    :class:`SoftmaxWeighting`.

    Example:
        >>> import torch
        >>> weighting = Alignment(["along", "against"])
        >>> for _ in range(2):
        ...     weighting.update(Signals(torch.ones(2), torch.ones(2), alignment=torch.tensor([0.9, -0.2])))
        >>> weighting.as_dict()["along"] > 0.5
        True
    """

    needs = Needs.ALIGNMENT

    def estimate(self, signals: Signals) -> Tensor | None:
        """Minus the cosines."""
        return None if signals.alignment is None else -signals.alignment
