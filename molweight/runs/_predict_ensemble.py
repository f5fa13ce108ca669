"""Out-of-fold predictions of an ensemble for the rows that it was trained on."""

from typing import Final

import numpy as np
import torch

from molweight.arrays import Float32Matrix, Indices
from molweight.ensemble import Ensemble
from molweight.graphs import MoleculeDataset
from molweight.models import TaskModel
from molweight.models.internal import predict_positions

__all__ = ["ENSEMBLE", "predict_unseen"]


ENSEMBLE: Final = "ensemble"
"""Name of an ensemble among the methods of a comparison."""


def predict_unseen(model: TaskModel, data: MoleculeDataset, positions: Indices, device: torch.device) -> Float32Matrix:
    """Predictions for rows of the table; out of fold for rows that an ensemble was trained on.

    Args:
        model: The model.
        data: The table.
        positions: The rows.
        device: Device to compute on.
    """
    predicted: Float32Matrix = predict_positions(model, data, positions, device)
    if isinstance(model, Ensemble):
        rows = model.seen_rows.cpu().numpy()
        seen = np.isin(positions, rows)
        predicted[seen] = model.out_of_fold.cpu().numpy()[np.searchsorted(rows, positions[seen])]
    return predicted
