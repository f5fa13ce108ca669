"""Files with message passing layers written by chemprop 2, including CheMeleon's."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from torch import Tensor

from molweight._torch_file import read_torch_dictionary
from molweight.errors import DataError, OptionError

__all__ = ["read_chemprop"]

_EXPECTED: Final = {"d_v": 72, "d_e": 14, "bias": False, "undirected": False, "d_vd": None}
"""Hyperparameters that the encoder ``chemprop`` supports; chemprop's defaults."""
_NAMES: Final = {
    "W_i.weight": "start.weight",
    "W_h.weight": "pass_on.weight",
    "W_o.weight": "finish.weight",
    "W_o.bias": "finish.bias",
}
_PREFIX: Final = "message_passing."
_EXPORT: Final = "docs/own-encoder.md shows how to write such a file from a model of chemprop."


def read_chemprop(path: Path) -> tuple[dict[str, Any], dict[str, Tensor], str]:
    """Options, tensors and digest of the encoder in a file of chemprop.

    The file holds a dictionary with ``hyper_parameters`` and ``state_dict``, as CheMeleon's ``chemeleon_mp.pt`` does
    and chemprop's ``--from-foundation`` expects. It is read by ``torch.load(weights_only=True)``, which creates tensors
    and plain containers and runs no code from the file.

    Args:
        path: The file.

    Returns:
        Options of the encoder ``chemprop``; its tensors by name, float32; and the SHA-256 of the file.

    Raises:
        OptionError: If it is not such a file, is damaged, or holds other layers.
    """
    content = _read(path)
    about, state = content.get("hyper_parameters"), content.get("state_dict")
    if not isinstance(about, Mapping) or not isinstance(state, Mapping):
        _refuse(path, f"holds {', '.join(map(repr, content)) or 'nothing'}", "'hyper_parameters', 'state_dict'")
    for name, value in _EXPECTED.items():
        if about.get(name, value) != value:
            _refuse(path, f"was made with {name}={about[name]!r}", f"{name}={value!r}")
    activation = str(about.get("activation", "relu")).rpartition(".")[2].lower()
    if activation != "relu":
        _refuse(path, f"was made with the activation {activation}", "relu")
    width, depth = (_number(path, about, name) for name in ("d_h", "depth"))
    tensors = _tensors(path, state, width)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"layers": depth, "width": width}, tensors, digest


def _read(path: Path) -> dict[str, Any]:
    """The dictionary in a file.

    Raises:
        OptionError: If there is none.
    """
    try:
        return read_torch_dictionary(path)
    except DataError as error:
        _refuse(path, str(error), "only tensors and plain values")


def _number(path: Path, about: Mapping[str, Any], name: str) -> int:
    value = about.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        _refuse(path, f"says {name}={value!r}", "a positive number")
    return value


def _tensors(path: Path, state: Mapping[str, Any], width: int) -> dict[str, Tensor]:
    """Tensors by their names in the encoder, from a state of message passing or of a whole model.

    Raises:
        OptionError: If some are missing, of other shapes, or not finite.
    """
    shapes = {"W_i.weight": (width, 86), "W_h.weight": (width, width), "W_o.weight": (width, 72 + width)}
    found = {}
    for name, own in _NAMES.items():
        tensor = state.get(name, state.get(_PREFIX + name))
        expected = shapes.get(name, (width,))
        if not isinstance(tensor, Tensor) or tuple(tensor.shape) != expected:
            held = f"of shape {tuple(tensor.shape)}" if isinstance(tensor, Tensor) else "that is missing"
            _refuse(path, f"has a {name} {held}", f"{' x '.join(map(str, expected))}")
        if not tensor.is_floating_point() or not bool(tensor.isfinite().all()):
            _refuse(path, f"has values in {name} that are not finite numbers", "finite ones")
        found[own] = tensor.float()
    return found


def _refuse(path: Path, found: str, expected: str) -> NoReturn:
    """Raise the error for a file.

    Raises:
        OptionError: Always.
    """
    remedy = f"Expected {expected}, as in a file of message passing of chemprop 2. {_EXPORT}"
    raise OptionError("init", str(path), found, remedy)
