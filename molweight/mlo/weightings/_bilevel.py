"""Weights learned with pretraining and finetuning merged into one level."""

from molweight.mlo._two_level_graph import TwoLevelGraph
from molweight.mlo.weightings._registry import weightings
from molweight.mlo.weightings._tapweight import TapWeight

__all__ = ["Bilevel"]


@weightings.register("bilevel")
class Bilevel(TapWeight):
    """The two-level ablation of :class:`TapWeight`: one encoder is trained on objectives and task together.

    The rule is the same; the hypergradient comes from :class:`molweight.mlo.TwoLevelGraph`. The options are those of
    :class:`SoftmaxWeighting`.

    Example:
        >>> Bilevel(["one", "two"]).graph.__name__
        'TwoLevelGraph'
    """

    graph = TwoLevelGraph
