"""Provenance of results (command, commit, machine, versions), and writing of result files."""

import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

__all__ = ["COMMIT", "provenance", "write_result"]

_PACKAGES = ("molweight", "torch", "torch-geometric", "rdkit", "ogb", "numpy")
_ROOT = Path(__file__).resolve().parents[1]


def provenance(seeds: list[int], packages: Sequence[str] = _PACKAGES) -> dict[str, Any]:
    """Command, commit, machine, versions and seeds, as JSON values.

    Args:
        seeds: Seeds that the measurement used.
        packages: The packages whose versions are recorded.
    """
    return {
        "command": " ".join(["python", "-m", _module(), *sys.argv[1:]]),
        "commit": COMMIT,
        "machine": {
            "processor": _processor(),
            "cores": torch.get_num_threads(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            "python": platform.python_version(),
        },
        "versions": {name: version(name) for name in packages},
        "seeds": seeds,
    }


def _module() -> str:
    """The running script, as named for ``python -m``."""
    return ".".join(Path(sys.argv[0]).resolve().relative_to(_ROOT).with_suffix("").parts)


def write_result(path: Path, result: dict[str, Any]) -> None:
    """Write a result as JSON, and print it.

    Args:
        path: The file.
        result: JSON values.
    """
    text = json.dumps(result, indent=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n", encoding="utf-8")
    print(text)


def _commit() -> str:
    """The commit, marked if the measured code differs from it; changed result files do not count."""
    run = ["git", "-C", str(_ROOT), "rev-parse", "--short=12", "HEAD"]
    commit = subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip()
    changed = ["git", "-C", str(_ROOT), "status", "--porcelain", "--", ".", ":!experiments/results"]
    dirty = subprocess.run(changed, capture_output=True, text=True, check=True).stdout.strip()
    return f"{commit}-dirty" if dirty else commit


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor()
    lines = info.read_text(encoding="utf-8").splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


COMMIT = _commit()  # read at import: the tree may change during a long run
