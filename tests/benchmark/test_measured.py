"""Time and memory of commands, as the scripts in ``experiments`` measure them."""

import resource
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run_measured(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT))
    return import_module("experiments._measured").run_measured


def test_memory_is_that_of_the_command_alone(run_measured: Any) -> None:
    """Neither that of an earlier, larger command, nor that of the process that measures."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    large, small = (run_measured(command) for command in (["list", "objectives"], ["--version"]))
    assert small.peak_mb < 100 < large.peak_mb
    assert small.peak_mb < own  # torch is imported here
    assert 0 < small.cpu_seconds < large.cpu_seconds
    assert large.seconds > 0


def test_a_failed_command_ends_the_measurement_with_its_message(run_measured: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("smiles,y\nCCO,1\nCCC,2\nCCN,1.5\n")
    with pytest.raises(SystemExit, match=r"molweight audit mine\.csv failed:\n[\s\S]*3 molecules are too few"):
        run_measured(["audit", "mine.csv"], folder=tmp_path, cache=tmp_path / "cache")
    assert (tmp_path / "cache").exists()
