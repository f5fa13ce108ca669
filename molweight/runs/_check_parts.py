"""Checks that the description, options and tensors of a loaded run are consistent."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor

from molweight.graphs.internal import tasks_of
from molweight.options import Job
from molweight.options.internal import current_names, option_names
from molweight.runs._archive import RunParts

__all__ = ["problem_of"]

_KINDS: Final[dict[str, type | tuple[type, ...]]] = {
    "data": dict,
    "featuriser": (dict, int),
    "finetuning": dict,
    "options": dict,
    "seconds": (int, float),
    "target_names": list,
    "task": str,
    "test_methods": list,
    "weights": dict,
}
"""Keys of the description of a run."""
_TASKS: Final = {"classification", "regression"}
_MODEL: Final = ("mean", "scale")


def problem_of(parts: RunParts) -> str | None:
    """The defect of a run, as the end of a sentence; ``None`` if there is none.

    Args:
        parts: The parts as read.
    """
    return (
        _problem_of_description(parts.about) or _problem_of_options(parts.about["options"]) or _problem_of_model(parts)
    )


def _problem_of_description(about: Mapping[str, Any]) -> str | None:
    for name, kind in _KINDS.items():
        if name not in about:
            return f"its description has no {name}"
        if not isinstance(about[name], kind):
            return f"its {name} are {about[name]!r}"
    names = about["target_names"]
    if not set(tasks_of(about["task"], len(names))) <= _TASKS:
        return f"its task is {about['task']!r}"
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        return f"its targets are named {names!r}"
    return _problem_of_data(about["data"], names)


def _problem_of_data(card: Mapping[str, Any], names: Sequence[str]) -> str | None:
    if not _are_codes(card.get("codes", {}), names):
        return "its classes have no codes of 0 and 1"
    if not _are_units(card.get("units", {}), names):
        return "its units are no texts"
    return None if _are_texts(card.get("standardize", [])) else "its steps of standardisation are no texts"


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def _are_codes(codes: Any, names: Sequence[str]) -> bool:
    """Whether a value gives a class, 0 or 1, to each text of some targets."""
    if not isinstance(codes, dict) or not set(codes) <= set(names):
        return False
    return all(isinstance(own, dict) and set(own.values()) <= {0, 1} for own in codes.values())


def _are_units(units: Any, names: Sequence[str]) -> bool:
    """Whether a value gives a unit to some targets."""
    if not isinstance(units, dict) or not set(units) <= set(names):
        return False
    return all(isinstance(unit, str) for unit in units.values())


def _problem_of_options(recorded: Mapping[str, Any]) -> str | None:
    options = current_names(dict(recorded), warn=False)
    known = option_names(Job)
    unknown = [name for name in options if name not in known]
    if unknown:
        return f"it was made with the option {unknown[0]!r}, which this version of molweight does not have"
    missing = [name for name in ("encoder", "encoder_options", "weighting", "init") if name not in options]
    return f"its options have no {missing[0]}" if missing else None


def _problem_of_model(parts: RunParts) -> str | None:
    missing = [name for name in _MODEL if name not in parts.model]
    if missing:
        return f"its model has no {missing[0]}"
    names, width = parts.about["target_names"], len(parts.model["mean"])
    if len(names) != width:
        return f"it names {len(names)} targets, but its model has {width}"
    broken = _not_finite(parts.model)
    return f"the model's {broken!r} is not finite everywhere" if broken else None


def _not_finite(state: Mapping[str, Tensor]) -> str | None:
    return next((name for name, tensor in state.items() if not bool(torch.isfinite(tensor).all())), None)
