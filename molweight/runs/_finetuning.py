"""How finetuning went, as a finished run keeps it."""

import math
from dataclasses import dataclass, field

__all__ = ["Finetuning"]


@dataclass
class Finetuning:
    """How finetuning went.

    Args:
        metric: Name of the metric on ``select``.
        best_epoch: Epoch of the checkpoint that was kept, counted from 1; 0 is the state before training.
        best: The metric there.
        curve: Metric on ``select`` after each epoch.
        tried: Of several finetunings of one encoder, of which this is the best, the metric of each.
    """

    metric: str
    best_epoch: int = 0
    best: float = math.nan
    curve: list[float] = field(default_factory=list)
    tried: list[float] = field(default_factory=list)
