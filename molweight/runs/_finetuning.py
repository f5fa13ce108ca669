"""The record of finetuning that a finished run keeps."""

import math
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Finetuning"]


@dataclass
class Finetuning:
    """The record of finetuning.

    Args:
        metric: Name of the metric on ``select``.
        best_epoch: Epoch of the selected checkpoint, counted from 1; 0 is the state before training.
        best: The metric at that epoch.
        curve: Metric on ``select`` after each epoch.
        tried: Metrics of all finetunings of the encoder, if there were several; this is the best one.
        cross_fitting: Out-of-fold results of an ensemble, as ``estimate_of`` computes them. Then ``best`` is the
            out-of-fold metric of the whole ensemble, ``best_epoch`` the number of epochs, and ``curve`` the mean
            training loss of each epoch.
    """

    metric: str
    best_epoch: int = 0
    best: float = math.nan
    curve: list[float] = field(default_factory=list)
    tried: list[float] = field(default_factory=list)
    cross_fitting: dict[str, Any] = field(default_factory=dict)
