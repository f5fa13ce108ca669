"""The task with a solved head: all labelled molecules at once, as vectors of the encoder."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from molweight.arrays import Indices
from molweight.encoders import Encoder
from molweight.graphs import GraphBatch
from molweight.graphs.internal import tasks_of
from molweight.mlo import HeadLabels, HeadLoss, Params
from molweight.training._batches import Batches, TaskSource

__all__ = ["MOST_SOLVED", "SolvedTask"]

MOST_SOLVED: Final = 2048
"""Maximum number of molecules of a role per hypergradient; a larger table is sampled each time."""

_PART: Final = 256
"""Number of molecules whose graphs are in memory at a time."""


@dataclass(frozen=True)
class SolvedTask(TaskSource):
    """Levels 2 and 3 with a head in closed form: the losses are those of :class:`molweight.mlo.ClosedFormGraph`."""

    def loss(self, batches: Batches, *, dropout: bool) -> HeadLoss:
        """The loss on the next batch, without dropout: the head is trained to convergence on fixed vectors.

        Args:
            batches: The batches; usually every batch is the whole role.
            dropout: Has no effect.
        """
        del dropout
        rows = np.sort(batches.next())
        graphs = [self.data.graphs(part, self.device) for part in _parts(rows)]
        encoder = self.model.encoder
        return HeadLoss([partial(_vectors, encoder, batch) for batch in graphs], self._labels(graphs))

    def _labels(self, graphs: list[GraphBatch]) -> HeadLabels:
        """Labels in the units of the model: classes, and numbers in standard deviations."""
        model = self.model
        kinds = [task == "classification" for task in tasks_of(model.task, len(model.mean))]
        labels = torch.cat([batch.y for batch in graphs if batch.y is not None])
        return HeadLabels.of(
            (labels - model.mean) / model.scale,  # for classes, the mean is 0 and the scale 1
            torch.tensor(kinds, device=labels.device),
            bounds=_column(graphs, "label_bounds"),
            weights=_column(graphs, "label_weight"),
        )


def _parts(rows: Indices) -> list[Indices]:
    return np.array_split(rows, math.ceil(len(rows) / _PART))


def _vectors(encoder: Encoder, graphs: GraphBatch, params: Params) -> Tensor:
    """The encoder's vectors as a function of variables with the names of the task's model."""
    given = {name.removeprefix("encoder."): tensor for name, tensor in params.items() if name.startswith("encoder.")}
    vectors: Tensor = functional_call(encoder, given, (graphs, None)).graphs
    return vectors


def _column(graphs: list[GraphBatch], name: str) -> Tensor | None:
    found = [batch.columns[name] for batch in graphs if name in batch.columns]
    return torch.cat(found) if found else None
