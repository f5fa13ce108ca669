"""New models from names and options."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from molweight import encoders, objectives
from molweight.errors import ConfigError
from molweight.graphs import Task
from molweight.models._predictor import Predictor
from molweight.models._pretrainer import Pretrainer
from molweight.seeding import seeded

__all__ = ["build_predictor", "build_pretrainer", "check_models"]

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
