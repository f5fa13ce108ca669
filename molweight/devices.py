"""Choice of the device."""

import torch

from molweight.errors import OptionError

__all__ = ["check_device", "resolve_device"]


def check_device(name: str) -> None:
    """Refuse what names no device on any machine.

    Args:
        name: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...

    Raises:
        OptionError: If it is no name of a device.

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
