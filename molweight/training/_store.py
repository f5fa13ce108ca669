"""Tensors and their description on disk: safetensors and JSON, never pickle."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from molweight.errors import DataError
from molweight.graphs import partial_name

__all__ = ["FORMAT", "read_tensors", "write_file", "write_tensors"]

FORMAT: Final = 1
"""Version of what is written; a newer one is refused."""


def write_file(path: Path, content: bytes) -> None:
    """Write to a temporary name and rename, so that a file is there whole or as it was.

    Raises:
        DataError: If the place cannot be written or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial_name(path) as partial:
            partial.write_bytes(content)
            partial.replace(path)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}. Free the place or choose another.") from error


def write_tensors(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write tensors as safetensors, and beside them ``<name>.json`` with ``meta`` and the tensors' SHA-256.

    Args:
        path: Where to write; ends in ``.safetensors``.
        tensors: What to write, from any device.
        meta: JSON values that describe them.
    """
    content = save({name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()})
    described = {"format": FORMAT, "sha256": hashlib.sha256(content).hexdigest(), **meta}
    write_file(path, content)
    write_file(path.with_suffix(".json"), json.dumps(described, indent=2).encode())


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What :func:`write_tensors` wrote.

    Raises:
        DataError: If a file is missing, damaged, or of a newer format.
    """
    try:
        content = path.read_bytes()
        meta = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{error.filename} does not exist. Name the folder of a finished run.") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path.with_suffix('.json')} cannot be read: {error}.") from error
    if meta.get("format") != FORMAT:
        raise DataError(f"{path} has format {meta.get('format')}; this version reads {FORMAT}. Update molweight.")
    if meta.get("sha256") != hashlib.sha256(content).hexdigest():
        raise DataError(f"{path} is damaged: its SHA-256 is not the one recorded beside it. Restore or rebuild it.")
    try:
        return load(content), meta
    except SafetensorError as error:
        raise DataError(f"{path} is not a safetensors file: {error}.") from error
