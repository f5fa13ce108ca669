"""Weightings: how much each pretraining objective counts.

Example:
    >>> from molweight.mlo import weightings
    >>> weightings.available()[:6]
    ['alignment', 'bilevel', 'dwa', 'equal', 'fixed', 'gradnorm']
    >>> weightings.available()[6:]
    ['mgda', 'pcgrad', 'random', 'tapweight', 'uncertainty', 'upgrad']
    >>> weightings.create("fixed", ["masking", "contrast"], weights=[3, 1]).as_dict()
    {'masking': 0.75, 'contrast': 0.25}
"""

from molweight.mlo.weightings._alignment import Alignment
from molweight.mlo.weightings._base import Needs, Signals, Weighting
from molweight.mlo.weightings._bilevel import Bilevel
from molweight.mlo.weightings._dwa import DynamicWeightAverage
from molweight.mlo.weightings._equal import Equal
from molweight.mlo.weightings._fixed import Fixed
from molweight.mlo.weightings._gradnorm import GradNorm
from molweight.mlo.weightings._gramian import MGDA, GramianWeighting, PCGrad, UPGrad
from molweight.mlo.weightings._random import Random
from molweight.mlo.weightings._registry import weightings
from molweight.mlo.weightings._softmax import SoftmaxWeighting, through_softmax
from molweight.mlo.weightings._tapweight import TapWeight
from molweight.mlo.weightings._uncertainty import Uncertainty

__all__ = [
    "MGDA",
    "Alignment",
    "Bilevel",
    "DynamicWeightAverage",
    "Equal",
    "Fixed",
    "GradNorm",
    "GramianWeighting",
    "Needs",
    "PCGrad",
    "Random",
    "Signals",
    "SoftmaxWeighting",
    "TapWeight",
    "UPGrad",
    "Uncertainty",
    "Weighting",
    "available",
    "create",
    "get",
    "register",
    "through_softmax",
]

register = weightings.register
get = weightings.get
available = weightings.available
create = weightings.create
