"""Time and memory of a run."""

import platform
from pathlib import Path
from typing import Any

import torch

__all__ = ["Footprint", "machine"]


class Footprint:
    """Peak memory of the process, and of its allocations on the GPU, since the object was created.

    Args:
        device: Device of the models.

    Example:
        >>> sorted(Footprint(torch.device("cpu")).facts())
        ['machine', 'peak_memory_mib']
    """

    def __init__(self, device: torch.device) -> None:
        """Reset the peaks."""
        self.device = device
        _forget_peak()
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    def facts(self) -> dict[str, Any]:
        """The machine and the peaks, as columns of the results; the GPU's peak only if there is a GPU."""
        host = {"machine": machine(self.device), "peak_memory_mib": _peak()}
        if self.device.type != "cuda":
            return host
        return {**host, "peak_gpu_memory_mib": torch.cuda.max_memory_allocated(self.device) / 2**20}


def machine(device: torch.device) -> str:
    """Description of the machine.

    Args:
        device: Device of the models.

    Example:
        >>> machine(torch.device("cpu")).split(", ")[-1].split()[0]
        'Python'
    """
    gpu = f", {torch.cuda.get_device_name(device)}" if device.type == "cuda" else ""
    return f"{platform.machine()}, {torch.get_num_threads()} threads{gpu}, Python {platform.python_version()}"


def _forget_peak() -> None:
    """Reset peak RSS where supported."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:  # not supported: the peak is then that since the start of the process
        return


def _peak() -> float | None:
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    lines = status.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))
