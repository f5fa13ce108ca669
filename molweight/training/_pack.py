"""Nested states, as optimisers and generators have them, as flat tensors and JSON values."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

__all__ = ["pack", "unpack"]


def pack(state: Any) -> tuple[Any, dict[str, Tensor]]:
    """Take a nested state apart.

    Args:
        state: Any nesting of mappings, lists and tuples of tensors, numbers, texts, ``None`` and booleans.

    Returns:
        JSON values in which tensors are references, and the tensors by reference.

    Raises:
        TypeError: If it holds anything else.

    Example:
        >>> import torch
        >>> skeleton, tensors = pack({"lr": 0.1, "state": {0: torch.zeros(2)}, "betas": (0.9, 0.99)})
        >>> skeleton["lr"], list(tensors)
        (0.1, ['0'])
        >>> unpack(skeleton, tensors)
        {'lr': 0.1, 'state': {0: tensor([0., 0.])}, 'betas': (0.9, 0.99)}
    """
    tensors: dict[str, Tensor] = {}
    return _pack(state, tensors), tensors


def _pack(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, tuple):
        return {"tuple": [_pack(item, tensors) for item in value]}
    if isinstance(value, list):
        return [_pack(item, tensors) for item in value]
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value) and not value.keys() & {"tensor", "tuple", "pairs"}:
            return {key: _pack(item, tensors) for key, item in value.items()}
        return {"pairs": [[key, _pack(item, tensors)] for key, item in value.items()]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a state cannot hold a {type(value).__name__}")


def unpack(skeleton: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Put a state together again.

    Args:
        skeleton: What :func:`pack` returned first.
        tensors: What it returned second.
    """
    if isinstance(skeleton, list):
        return [unpack(item, tensors) for item in skeleton]
    if not isinstance(skeleton, dict):
        return skeleton
    if skeleton.keys() == {"tensor"}:
        return tensors[skeleton["tensor"]]
    if skeleton.keys() == {"tuple"}:
        return tuple(unpack(item, tensors) for item in skeleton["tuple"])
    if skeleton.keys() == {"pairs"}:
        return {key: unpack(item, tensors) for key, item in skeleton["pairs"]}
    return {key: unpack(item, tensors) for key, item in skeleton.items()}
