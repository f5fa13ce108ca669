"""Predictions for molecules of a dataset, in chunks."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np
import torch

from molweight.arrays import Float32Matrix, Indices
from molweight.encoders.internal import calibrate, one_mask_for_all_rows
from molweight.errors import ConfigError
from molweight.graphs import MoleculeDataset
from molweight.models._predictor import Predictor
from molweight.models._task_model import Answer, TaskModel

__all__ = ["answer_positions", "calibrate_on", "evaluating", "predict_positions", "with_dropout"]


_CALIBRATION: Final = 2048
"""Maximum number of molecules for estimating the statistics of batch normalisation."""
_EVALUATION_BATCH: Final = 512


def calibrate_on(model: Predictor, data: MoleculeDataset, indices: Indices, device: torch.device) -> None:
    """Estimate the statistics of batch normalisation on (at most 2,048 of) the molecules at ``indices``."""
    chosen = indices[:: max(1, -(-len(indices) // _CALIBRATION))]
    calibrate(model.encoder, (data.graphs(part, device) for part in _chunks(chosen)))


@contextmanager
def evaluating(model: Predictor) -> Iterator[None]:
    """Put a model into evaluation mode, and restore its mode at the end.

    Args:
        model: The model.

    Yields:
        Nothing.
    """
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def with_dropout(model: TaskModel) -> TaskModel:
    """A copy whose encoder applies dropout, with everything else in evaluation mode.

    It is a copy because a mode is shared state: toggling it on a model that other threads predict with would change
    their predictions.

    Args:
        model: The model.
    """
    sampler = copy.deepcopy(model).eval()
    sampler.first_encoder().training = True  # only the dropout of the encoder: its norms keep their statistics
    return sampler


def predict_positions(
    model: TaskModel, data: MoleculeDataset, indices: Indices, device: torch.device, seed: int | None = None
) -> Float32Matrix:
    """Predictions for molecules of a dataset. Nothing is changed, so several threads may share the model.

    Args:
        model: The model, in evaluation mode; see :func:`evaluating` and :func:`with_dropout`.
        data: The molecules.
        indices: Their positions.
        device: Device to compute on.
        seed: Seed of the dropout masks, for a model of :func:`with_dropout`. They are the same for all atoms and
            molecules, so that a prediction depends on the molecule and the seed alone.

    Returns:
        Probabilities or labels, ``len(indices) x T``.

    Raises:
        ConfigError: If the model is in training mode, where predictions depend on the batch.
    """
    if model.training:
        raise ConfigError("predictions need a model in evaluation mode, but this one is in training mode. Call eval().")
    featured = model.with_features(data)
    with torch.no_grad(), one_mask_for_all_rows():
        parts = [model.predict(featured.graphs(part, device), seed).cpu().numpy() for part in _chunks(indices)]
    return np.concatenate([np.empty((0, len(model.mean)), dtype=np.float32), *parts])


def answer_positions(model: TaskModel, data: MoleculeDataset, indices: Indices, device: torch.device) -> Answer:
    """Predictions, deviations and vectors for molecules of a dataset, each of which is encoded once.

    Args:
        model: The model, in evaluation mode.
        data: The molecules.
        indices: Their positions.
        device: Device to compute on.

    Returns:
        float32 arrays with ``len(indices)`` rows.
    """
    featured = model.with_features(data)
    parts = [model.answer(featured.graphs(part, device)) for part in _chunks(indices)]
    count, width = len(model.mean), model.first_encoder().width
    start = Answer(*(np.empty((0, size), dtype=np.float32) for size in (count, count, width)))
    return Answer(*(np.concatenate(column) for column in zip(start, *parts, strict=True)))


def _chunks(indices: Indices) -> Iterator[Indices]:
    for start in range(0, len(indices), _EVALUATION_BATCH):
        yield indices[start : start + _EVALUATION_BATCH]
