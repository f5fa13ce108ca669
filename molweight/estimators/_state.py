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
_SEEN: Final = "molecules.seen"
State = dict[str, Any]


def dump_run(run: Run) -> State:
    """The model of a run, its history and the data of its intervals as bytes and text, without its table."""
    parts = run.parts(complete=True)
    kept = {**parts.calibration, **({} if parts.seen is None else {_SEEN: parts.seen})}
    state = _dump(dict(parts.model), {"about": parts.about, "records": parts.records})
    return {**state, "kept": _to_bytes(kept)}


def load_run(state: State) -> Run:
    """Rebuild a run from :func:`dump_run`, on its device, or on the CPU if that device is missing.

    Raises:
        DataError: If it is damaged or of a newer format.
    """
    tensors, meta = _load(state)
    kept = _from_bytes(state["kept"]) if "kept" in state else {}  # not stored by earlier versions
    seen = kept.pop(_SEEN, None)
    parts = RunParts(meta["about"], tensors, records=meta["records"], seen=seen, calibration=kept)
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
    return {"format": _FORMAT, "tensors": _to_bytes(tensors), "meta": json.dumps(meta)}


def _to_bytes(tensors: dict[str, torch.Tensor]) -> bytes:
    return safetensors.torch.save({key: value.detach().cpu().contiguous() for key, value in tensors.items()})


def _load(state: State) -> tuple[dict[str, torch.Tensor], State]:
    if state["format"] != _FORMAT:
        raise DataError(
            f"this estimator was pickled in format {state['format']}, but this version reads {_FORMAT}. Update "
            "molweight, or fit again."
        )
    try:
        meta: State = json.loads(state["meta"])
    except ValueError as error:
        raise _damaged(error) from error
    return _from_bytes(state["tensors"]), meta


def _from_bytes(content: bytes) -> dict[str, torch.Tensor]:
    try:
        return safetensors.torch.load(content)
    except (SafetensorError, ValueError) as error:
        raise _damaged(error) from error


def _damaged(error: Exception) -> DataError:
    return DataError(f"this pickled estimator is damaged: {error}. Fit again, or restore the file.")
