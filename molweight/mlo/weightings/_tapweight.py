"""Weights learned from the hypergradient through all three levels."""

from torch import Tensor

from molweight.mlo.weightings._base import Needs, Signals
from molweight.mlo.weightings._registry import weightings
from molweight.mlo.weightings._softmax import SoftmaxWeighting

__all__ = ["TapWeight"]


@weightings.register("tapweight")
class TapWeight(SoftmaxWeighting):
    """Descends the meta loss along its hypergradient through finetuning and pretraining.

    Source: Zhang, Somayajula, Xie, *TapWeight*, TMLR 2025 (arXiv 2410.10006), level 3. The options are those of
    :class:`SoftmaxWeighting`.

    Example:
        >>> import torch
        >>> weighting = TapWeight(["useful", "noise"])
        >>> for _ in range(4):
        ...     weighting.update(Signals(torch.ones(2), torch.ones(2), hypergradient=torch.tensor([-1.0, 1.0])))
        >>> [round(weight, 3) for weight in weighting.weights.tolist()]
        [0.782, 0.218]
    """

    needs = Needs.HYPERGRADIENT

    def estimate(self, signals: Signals) -> Tensor | None:
        """The hypergradient."""
        return signals.hypergradient
