"""State of an estimator as safetensors bytes and JSON, in place of pickled modules."""

import json
from typing import Any, Final

import safetensors.torch
import torch
from safetensors import SafetensorError

from molweight import encoders
from molweight.devices import resolve_device
from molweight.encoders import Encoder
from molweight.errors import DataError
from molweight.runs import Run
from molweight.runs.internal import RunParts, restore

__all__ = ["dump_encoder", "dump_run", "load_encoder", "load_run"]

_FORMAT: Final = 2
State = dict[str, Any]


def dump_run(run: Run) -> State:
    """The model of a run and its history as bytes and text, without its table."""
    parts = run.parts()
    return _dump(dict(parts.model), {"about": parts.about, "records": parts.records})


def load_run(state: State) -> Run:
    """Rebuild a run from :func:`dump_run`, on its device, or on the CPU if that device is missing.

    Raises:
        DataError: If it is damaged or of a newer format.
    """
    tensors, meta = _load(state)
    parts = RunParts(meta["about"], tensors, records=meta["records"])
    return restore(parts, _device(meta["about"]["options"]["device"]))


def dump_encoder(encoder: Encoder, name: str, options: dict[str, Any], device: str) -> State:
    """An encoder as bytes and text."""
    return _dump(encoder.state_dict(), {"encoder": name, "options": options, "device": device})


def load_encoder(state: State) -> Encoder:
    """Rebuild an encoder from :func:`dump_encoder`.

    Raises:
        DataError: If it is damaged or of a newer format.
    """
    tensors, meta = _load(state)
    encoder = encoders.create(meta["encoder"], **meta["options"])
    encoder.load_state_dict(tensors)
    return encoder.to(_device(meta["device"]))


def _device(asked: str) -> torch.device:
    """The CPU if the estimator was set to use it, or if no other device is available."""
    return resolve_device("cpu" if asked == "cpu" else "auto")


def _dump(tensors: dict[str, torch.Tensor], meta: State) -> State:
    content = safetensors.torch.save({key: value.detach().cpu().contiguous() for key, value in tensors.items()})
    return {"format": _FORMAT, "tensors": content, "meta": json.dumps(meta)}


def _load(state: State) -> tuple[dict[str, torch.Tensor], State]:
    if state["format"] != _FORMAT:
        raise DataError(
            f"this estimator was pickled in format {state['format']}, but this version reads {_FORMAT}. Update "
            "molweight, or fit again."
        )
    try:
        meta: State = json.loads(state["meta"])
        return safetensors.torch.load(state["tensors"]), meta
    except (SafetensorError, ValueError) as error:
        raise DataError(f"this pickled estimator is damaged: {error}. Fit again, or restore the file.") from error
