"""Choice of the device and of the precision of its matrix products."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch

from molweight.errors import OptionError

__all__ = ["PRECISIONS", "check_device", "matmul_precision", "resolve_device"]

PRECISIONS: Final = {"float32": "highest", "tf32": "high", "bf16": "medium"}
"""Precisions of float32 matrix products, with PyTorch's names for them."""


def check_device(name: str) -> None:
    """Refuse a text that is not the name of a device on any machine.

    Args:
        name: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...

    Raises:
        OptionError: If it is not the name of a device.

    Example:
        >>> check_device("cuda:7")
    """
    try:
        torch.device("cpu" if name == "auto" else name)
    except RuntimeError as error:
        raise OptionError("device", name, "is unknown", "Use 'auto', 'cpu', 'cuda' or 'cuda:1'.") from error


def resolve_device(name: str) -> torch.device:
    """The device for ``name``: ``"auto"`` is the first CUDA device if there is one, else the CPU.

    Args:
        name: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...

    Raises:
        OptionError: If there is no such device on this machine.

    Example:
        >>> resolve_device("cpu")
        device(type='cpu')
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    check_device(name)
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise OptionError(
            "device", name, f"does not exist: this machine has {found} CUDA devices", "Use 'auto' or 'cpu'."
        )
    return device


@contextmanager
def matmul_precision(name: str) -> Iterator[None]:
    """Context in which the factors of float32 matrix products are rounded.

    Unlike autocast, this changes neither tensor types nor differentiability: gradients, curvature products and forward
    mode run as usual, with faster products. Sums are still accumulated in float32.

    Args:
        name: ``"float32"``, ``"tf32"`` (10 bits; on CUDA) or ``"bf16"`` (7 bits; on CPUs that have instructions for it,
            on CUDA as ``"tf32"``). A device without such products computes in float32.

    Example:
        >>> with matmul_precision("bf16"):
        ...     torch.get_float32_matmul_precision()
        'medium'
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(PRECISIONS[name])
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
