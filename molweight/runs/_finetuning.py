"""How finetuning went, as a finished run keeps it."""

import math
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Finetuning"]


@dataclass
class Finetuning:
    """How finetuning went.

    Args:
        metric: Name of the metric on ``select``.
        best_epoch: Epoch of the checkpoint that was kept, counted from 1; 0 is the state before training.
        best: The metric there.
        curve: Metric on ``select`` after each epoch.
        tried: Metric of each of several finetunings of one encoder, of which this is the best.
        cross_fitting: Out-of-fold results of an ensemble; see :func:`molweight.runs.estimate_of`. ``best`` is
            then the metric of the whole ensemble out of fold, ``best_epoch`` the number of epochs, and the curve the
            mean training loss of each epoch.
    """

    metric: str
    best_epoch: int = 0
    best: float = math.nan
    curve: list[float] = field(default_factory=list)
    tried: list[float] = field(default_factory=list)
    cross_fitting: dict[str, Any] = field(default_factory=dict)
