"""Pools of worker processes."""

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from joblib import delayed

from molweight import plugins
from molweight.graphs.internal import map_chunks, shielded, watched_pool


def test_large_arrays_of_a_job_can_be_written_in_its_worker_only() -> None:
    # joblib maps arrays of a megabyte and more into the workers, read-only by default: torch warns of those.
    rows = np.zeros(2_000_000, dtype=np.uint8)
    with shielded():
        found = list(
            watched_pool(2)(delayed(lambda part: (part.flags.writeable, part.fill(1)))(rows) for _ in range(2))
        )
    assert found == [(True, None), (True, None)]
    assert not rows.any()


GROWING = """
import time
kept = []

def small(texts):
    return len(texts)

def large(texts):
    if not kept:
        kept.append(b"x" * 400_000_000)
    time.sleep(0.6)
    return len(texts)
"""
RUN = """
import warnings
import growing
from molweight.graphs._parallel import map_chunks

warnings.simplefilter("error")
for function in (growing.small, growing.large):
    print(list(map_chunks(function, ["C"] * 8, chunk=1, n_jobs=2, parallel_from=1)))
"""


def test_workers_that_load_a_network_are_kept(tmp_path: Path) -> None:
    """Without a larger limit loky ends them, warns of a leak, and starts others."""
    (tmp_path / "growing.py").write_text(GROWING)
    done = subprocess.run(
        [sys.executable, "-c", RUN], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == f"{[1] * 8}\n{[1] * 8}\n", done.stderr
    assert "A worker stopped" not in done.stderr


def test_workers_start_without_a_plugin_that_is_no_longer_available(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file may have been removed since; work that does not need it is not affected."""
    monkeypatch.setitem(plugins._imported, "removed_plugin", str(tmp_path))
    found = map_chunks(len, ["C"] * 8, chunk=2, n_jobs=2, parallel_from=1)
    assert list(found) == [2] * 4


def test_a_plugin_that_is_no_longer_available_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        plugins.import_again({"removed_plugin": str(tmp_path)})
    assert "in a worker process: --plugin 'removed_plugin' cannot be imported" in caplog.text
