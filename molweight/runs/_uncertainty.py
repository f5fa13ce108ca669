"""Uncertainty of predictions: their spread under dropout, or over the models of an ensemble."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from molweight.arrays import Float32Array, Float32Matrix, Indices
from molweight.datasets.internal import exact_labels
from molweight.errors import ConfigError, OptionError, mention
from molweight.graphs import MoleculeDataset
from molweight.graphs.internal import tasks_of
from molweight.models import TaskModel
from molweight.models.internal import predict_positions, with_dropout

__all__ = [
    "Uncertainty",
    "calibrate_std",
    "dropout_factors",
    "dropout_rate",
    "dropout_samples",
    "predict_with_dropout_std",
    "spread_of",
]


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """Predictions with their standard deviations, ``n x T`` each; NaN for a row without a valid molecule.

    Args:
        prediction: Probabilities, or labels in their own units: of the run, or means over an ensemble.
        deviation: Standard deviation over dropout masks, for regression times the factor fitted on ``select``; or over
            the models of an ensemble.
    """

    prediction: Float32Matrix
    deviation: Float32Matrix


def dropout_rate(model: TaskModel) -> float:
    """Share of entries that the encoder drops; 0 for one without dropout."""
    return float(getattr(model.first_encoder(), "dropout", 0.0))


def predict_with_dropout_std(
    model: TaskModel,
    data: MoleculeDataset,
    indices: Indices,
    device: torch.device,
    *,
    factors: Sequence[float] | None = None,
    samples: int = 30,
    seed: int = 0,
) -> Uncertainty:
    """Predictions of a run, and their standard deviations over dropout masks.

    Args:
        model: The model; its encoder needs dropout.
        data: The molecules.
        indices: Their positions.
        device: Device to compute on.
        factors: Factor on the deviations for each target; ``None`` for 1.
        samples: Number of masks.
        seed: Seed of the masks.

    Raises:
        ConfigError: See :func:`dropout_samples`.
    """
    drawn = dropout_samples(model, data, indices, device, samples=samples, seed=seed)
    scale = np.ones(drawn.shape[2]) if factors is None else np.asarray(factors)
    deviation = (drawn.astype(np.float64).std(axis=0, ddof=1) * scale).astype(np.float32)
    return Uncertainty(predict_positions(model, data, indices, device), deviation)


def dropout_factors(model: TaskModel, data: MoleculeDataset, rows: Indices, device: torch.device) -> list[float] | None:
    """The factors of :func:`calibrate_std` for deviations under dropout; ``None`` for an encoder without dropout.

    Args:
        model: The model.
        data: The table.
        rows: Positions of molecules that the model was not trained on.
        device: Device to compute on.
    """
    if not dropout_rate(model) > 0:
        return None
    return calibrate_std(exact_labels(data, rows), predict_with_dropout_std(model, data, rows, device), model.task)


def dropout_samples(
    model: TaskModel, data: MoleculeDataset, indices: Indices, device: torch.device, *, samples: int, seed: int = 0
) -> Float32Array:
    """Predictions under dropout masks, the same masks for every call with the same molecules.

    Source: Gal and Ghahramani, *Dropout as a Bayesian Approximation*, ICML 2016.

    Args:
        model: The model; its encoder needs dropout.
        data: The molecules.
        indices: Their positions.
        device: Device to compute on.
        samples: Number of masks, at least 2.
        seed: Seed of the masks.

    Returns:
        Predictions, ``samples x n x T``.

    Raises:
        OptionError: If there are fewer than two samples, or the seed is negative.
        ConfigError: If the encoder has no dropout.
    """
    if samples < 2:  # noqa: PLR2004 - what a deviation needs
        raise OptionError("samples", samples, "must be at least 2")
    if seed < 0:
        raise OptionError("seed", seed, "must be at least 0")
    if not dropout_rate(model) > 0:
        raise ConfigError(
            "this run is a single model whose encoder has no dropout, so it has no standard deviations. Ask for "
            f"intervals or sets of classes ({mention('interval', 0.9)}), name runs with different seeds (molweight "
            "predict --ensemble), or fit with encoder_options.dropout=0.1 or several members."
        )
    seeds = np.random.default_rng(seed).integers(2**31, size=samples)
    sampler = with_dropout(model)
    drawn: Float32Array = np.stack(
        [predict_positions(sampler, data, indices, device, seed=int(value)) for value in seeds]
    )
    return drawn


def spread_of(samples: Iterable[Float32Matrix]) -> Uncertainty:
    """Mean and standard deviation over predictions of the same molecules.

    Args:
        samples: At least two, ``n x T`` each.

    Raises:
        ConfigError: If there are fewer than two.

    Example:
        >>> found = spread_of([np.array([[1.0]], dtype=np.float32), np.array([[3.0]], dtype=np.float32)])
        >>> float(found.prediction[0, 0]), round(float(found.deviation[0, 0]), 4)
        (2.0, 1.4142)
    """
    stack = np.stack(list(samples)).astype(np.float64)
    if len(stack) < 2:  # noqa: PLR2004 - what a deviation needs
        raise ConfigError("a single prediction has no spread. Give at least two runs.")
    deviation = stack.std(axis=0, ddof=1)
    return Uncertainty(stack.mean(axis=0).astype(np.float32), deviation.astype(np.float32))


def calibrate_std(labels: np.ndarray[Any, Any], found: Uncertainty, task: str = "regression") -> list[float]:
    """The factor per target that scales deviations to the size of the errors.

    ``s^2 = mean((y - prediction)^2 / deviation^2)`` over the known labels: the maximum-likelihood factor for normal
    errors. Source: Laves et al., *Well-calibrated regression uncertainty in medical imaging with deep learning*, MIDL
    2020.

    Args:
        labels: ``n x T``, NaN where missing; molecules that the model was not trained on.
        found: Unscaled.
        task: Task of the targets, or several separated by commas; the factor of a class is 1.

    Example:
        >>> one = np.ones((2, 1), dtype=np.float32)
        >>> calibrate_std(np.array([[3.0], [-1.0]]), Uncertainty(one, one))
        [2.0]
    """
    factors = []
    for place, own in enumerate(tasks_of(task, labels.shape[1])):
        if own != "regression":
            factors.append(1.0)
            continue
        usable = ~np.isnan(labels[:, place]) & (found.deviation[:, place] > 0)
        errors = labels[usable, place].astype(np.float64) - found.prediction[usable, place]
        ratio = errors / found.deviation[usable, place]
        factors.append(float(np.sqrt(np.mean(ratio**2))) if usable.any() else 1.0)
    return factors
