"""New models from names and options."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from molweight import encoders, objectives
from molweight.arrays import Indices
from molweight.datasets.internal import exact_labels
from molweight.errors import ConfigError
from molweight.graphs import MoleculeDataset, Task
from molweight.graphs.internal import tasks_of
from molweight.models._predictor import Predictor
from molweight.models._pretrainer import Pretrainer
from molweight.seeding import seeded

__all__ = ["build_predictor", "build_pretrainer", "check_models", "label_statistics"]

_log = logging.getLogger(__name__)


def build_pretrainer(
    encoder: str, encoder_options: Mapping[str, Any], names: Sequence[str], objective_options: Mapping[str, Any]
) -> Pretrainer:
    """A new encoder with the heads of the objectives; warns where these alone let it collapse.

    Args:
        encoder: Name of the encoder.
        encoder_options: Its options.
        names: Names of the objectives.
        objective_options: Options by name of objective.

    Raises:
        UnknownNameError: If a name is unknown.
        ConfigError: If an option is unknown, or options are given for an objective that is not used.
    """
    made = _pretrainer(encoder, encoder_options, names, objective_options)
    heads = {name: made.objective(name) for name in names}
    if heads and all(head.collapses for head in heads.values()):
        _log.warning(
            "pretraining with nothing but %s may end with the same vector for all molecules, where its loss is least. "
            "Add another objective, e.g. attribute_masking.",
            ", ".join(heads),
        )
    return made


def _pretrainer(
    encoder: str, encoder_options: Mapping[str, Any], names: Sequence[str], objective_options: Mapping[str, Any]
) -> Pretrainer:
    for name in objective_options:
        if name not in names:
            raise ConfigError(f"options are given for objective {name!r}, which is not among {', '.join(names)}.")
    body = encoders.create(encoder, **encoder_options)
    heads = {name: objectives.create(name, width=body.width, **objective_options.get(name, {})) for name in names}
    return Pretrainer(body, heads)


def check_models(
    encoder: str, encoder_options: Mapping[str, Any], names: Sequence[str], objective_options: Mapping[str, Any]
) -> None:
    """Refuse options of the encoder and the objectives, before any data is loaded, by building both once.

    Args:
        encoder: Name of the encoder.
        encoder_options: Its options.
        names: Names of the objectives.
        objective_options: Options by name of objective.

    Raises:
        UnknownNameError: If a name is unknown.
        ConfigError: If an option is unknown or out of range, or options are given for an objective that is not used.
    """
    with seeded(0):
        _pretrainer(encoder, encoder_options, names, objective_options)


def build_predictor(
    encoder: str, encoder_options: Mapping[str, Any], task: Task, mean: Tensor, scale: Tensor
) -> Predictor:
    """A new encoder with the head of a task; see :class:`Predictor`."""
    return Predictor(encoders.create(encoder, **encoder_options), task, mean, scale)


def label_statistics(data: MoleculeDataset, train: Indices) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each label over the training molecules; 0 and 1 for classes.

    Labels that are bounds count only where a target has no others. A label that is constant there gets a standard
    deviation of 1.
    """
    count = len(data.target_names)
    if data.task in ("classification", "multiclass"):
        return torch.zeros(count), torch.ones(count)
    labels, exact = data.targets[train].astype(np.float64), exact_labels(data, train).astype(np.float64)
    labels = np.where(np.isnan(exact).all(axis=0), labels, exact)
    known = ~np.isnan(labels)
    number = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, labels, 0.0).sum(axis=0) / number
    deviation = np.sqrt(np.where(known, (labels - mean) ** 2, 0.0).sum(axis=0) / number)
    classes = np.array([task == "classification" for task in tasks_of(data.task, count)])
    mean, deviation = np.where(classes, 0.0, mean), np.where(classes, 1.0, deviation)
    return torch.tensor(mean).float(), torch.tensor(np.where(deviation > 0, deviation, 1.0)).float()
