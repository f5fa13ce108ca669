"""What a run asks of an ensemble beyond predictions: deviations, and predictions of rows it was trained on."""

from typing import Final

import numpy as np
import torch

from molweight.arrays import Float32Matrix, Indices
from molweight.ensemble import Ensemble
from molweight.graphs import MoleculeDataset
from molweight.models import TaskModel
from molweight.models.internal import predict_positions
from molweight.runs._uncertainty import Uncertainty

__all__ = ["ENSEMBLE", "predict_unseen", "predict_with_ensemble_std"]


ENSEMBLE: Final = "ensemble"
"""What an ensemble is called among the methods of a comparison."""
_CHUNK: Final = 512


def predict_unseen(model: TaskModel, data: MoleculeDataset, positions: Indices, device: torch.device) -> Float32Matrix:
    """Predictions of rows of the table; of an ensemble's training rows those that were made out of fold.

    Args:
        model: The model.
        data: The table.
        positions: The rows.
        device: Where to compute.
    """
    predicted: Float32Matrix = predict_positions(model, data, positions, device)
    if isinstance(model, Ensemble):
        rows = model.seen_rows.cpu().numpy()
        seen = np.isin(positions, rows)
        predicted[seen] = model.out_of_fold.cpu().numpy()[np.searchsorted(rows, positions[seen])]
    return predicted


def predict_with_ensemble_std(
    model: Ensemble, data: MoleculeDataset, positions: Indices, device: torch.device
) -> Uncertainty:
    """Predictions of an ensemble with their standard deviations as calibrated out of fold.

    Args:
        model: The ensemble.
        data: The molecules.
        positions: Their positions.
        device: Where to compute.
    """
    featured, empty = model.with_features(data), np.empty((0, len(model.mean)))
    starts = range(0, len(positions), _CHUNK)
    parts = [model.predict_with_deviation(featured.graphs(positions[at : at + _CHUNK], device)) for at in starts]
    means, deviations = (np.concatenate([empty, *(part[place] for part in parts)]) for place in (0, 1))
    return Uncertainty(means.astype(np.float32), deviations.astype(np.float32))
