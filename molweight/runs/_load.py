"""A run from its folder, ready to predict; pretraining objectives and their plug-ins are not needed."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from molweight.devices import resolve_device
from molweight.ensemble import Ensemble
from molweight.ensemble.internal import EnsembleSpec
from molweight.errors import ConfigError, DataError, UnknownNameError, out_of_memory
from molweight.graphs import Featuriser
from molweight.models import TaskModel
from molweight.models.internal import build_predictor
from molweight.options.internal import current_names
from molweight.runs._archive import RunParts, read_model
from molweight.runs._calibration import Calibration
from molweight.runs._check_parts import problem_of
from molweight.runs._finetuning import Finetuning
from molweight.runs._learned_labels import LearnedLabels
from molweight.runs._manifest import check_manifest
from molweight.runs._run import Run

_log = logging.getLogger(__name__)

__all__ = ["load", "restore"]


def load(folder: str | Path, device: str = "auto") -> Run:
    """Load a run saved by :meth:`Run.save`.

    Args:
        folder: The run's folder.
        device: Device to put it on.

    Returns:
        The run, without its table.

    Raises:
        DataError: If the folder holds no run, a file of it is damaged, was changed or has another format, or its
            encoder is registered by a plug-in that has not been imported.
        ConfigError: If there is no such device.
    """
    place = Path(folder)
    where = resolve_device(device)
    check_manifest(place)
    parts = read_model(place)
    problem = problem_of(parts)
    if problem:
        raise DataError(f"{place} is not a valid run: {problem}. Restore it, or fit again.")
    try:
        run = restore(parts, where)
    except UnknownNameError as error:
        raise DataError(
            f"{place}: {error} It was registered by a plug-in. Name it: --plugin MODULE; in Python, import it first."
        ) from error
    except (ConfigError, RuntimeError, LookupError, TypeError) as error:  # its parts are not consistent
        reason = "does not fit into memory" if out_of_memory(error) else "is not a valid run"
        raise DataError(f"{place} {reason}: {error}. Restore it, or fit again.") from error
    run.folder = place
    return run


def restore(parts: RunParts, device: torch.device) -> Run:
    """A run from its parts, without its table.

    Args:
        parts: The parts, from files or from memory.
        device: Device to put it on.
    """
    about = parts.about
    options = current_names(about["options"], warn=False)
    model = _model(about, options, parts.model)
    run = Run(
        options,
        pretrained=dict(parts.pretrained),
        model=model.to(device),
        data=None,
        splits=None,
        weights=about["weights"],
        records=parts.records,
        finetuning=Finetuning(**about["finetuning"]),
        seconds=about["seconds"],
        device=device,
    )
    run.target_names, run.trained_on = about["target_names"], about["data"]
    run.featuriser = Featuriser.from_description(about["featuriser"])
    if about.get("learned") is not None:
        run.learned = [LearnedLabels.from_json(values) for values in about["learned"]]
    run.keep_seen(parts.seen)
    if set(about.get("factors") or [1.0]) != {1.0}:
        _log.warning(
            "the run was written by an earlier version: its deviations from dropout are not calibrated. Fit again."
        )
    run.calibration = Calibration.from_tensors(parts.calibration) if parts.calibration else None
    run.factors, run.test_results = about.get("dropout_factors"), parts.test_results
    return run


def _model(about: Mapping[str, Any], options: Mapping[str, Any], state: Mapping[str, Tensor]) -> TaskModel:
    """The ensemble or the single predictor of a run."""
    if about.get("ensemble") is not None:
        return Ensemble.from_state(EnsembleSpec.from_json(about["ensemble"]), state)
    encoder = options["encoder"], options["encoder_options"]
    model = build_predictor(*encoder, about["task"], state["mean"], state["scale"])
    model.load_state_dict(dict(state))
    return model
