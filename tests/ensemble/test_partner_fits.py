"""Partners fitted in another process: the same as in this one, and the process ends with the context."""

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from molweight.arrays import Indices
from molweight.ensemble import _partner_fits
from molweight.ensemble._out_of_fold import PartnerData
from molweight.ensemble._partner_fits import FittedPartners, fits_at_once, partners_ahead
from molweight.errors import ConfigError

FOLDS: list[Indices] = list(np.arange(160).reshape(2, 80))


@pytest.fixture
def data() -> PartnerData:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(160, 5)).astype(np.float32)
    labels = inputs[:, :1].astype(np.float64) + 0.1 * rng.normal(size=(160, 1))
    names = ("trees", "linear", "torsion_trees")
    sets = dict.fromkeys(names, ("descriptors",))
    return PartnerData(sets, dict.fromkeys(names, inputs), labels, None, "regression", absolute=False, seed=3)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="Linux has it")
@pytest.mark.usefixtures("two_cores")
def test_another_process_fits_the_same(data: PartnerData, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _workers()
    with partners_ahead(data, "none", FOLDS) as result:
        fitted = result()
        assert len(_workers() - before) == 1
    _wait_until(lambda: _workers() <= before)  # it ends in the background
    monkeypatch.setattr(_partner_fits, "_LEAST_ROWS", 1000)
    with partners_ahead(data, "none", FOLDS) as result:
        here = result()
        assert _workers() <= before
    _assert_same(fitted, here, data)


@pytest.mark.usefixtures("two_cores")
def test_threads_fit_the_same(data: PartnerData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_partner_fits, "_LEAST_ROWS", 1000)
    seen = set()

    def noted(*args: Any, **options: Any) -> Any:
        seen.add(threading.get_ident())
        return PartnerData.fit(*args, **options)

    with partners_ahead(data, "none", FOLDS) as result:
        alone = result()
    monkeypatch.setattr(_partner_fits, "_MOST_ROWS", 100)
    watched = replace(data)
    object.__setattr__(watched, "fit", partial(noted, watched))
    with partners_ahead(watched, "none", FOLDS) as result:
        together = result()
    assert threading.get_ident() not in seen
    _assert_same(together, alone, data)


def _assert_same(fitted: FittedPartners, here: FittedPartners, data: PartnerData) -> None:
    assert list(fitted.out_of_fold) == list(here.out_of_fold) == ["trees", "linear", "torsion_trees"]
    for name, values in here.out_of_fold.items():
        np.testing.assert_allclose(fitted.out_of_fold[name], values, rtol=1e-9)
    inputs = data.matrices["trees"]
    for own, other in zip(fitted.partners, here.partners, strict=True):
        np.testing.assert_allclose(own.predict(inputs, "cpu"), other.predict(inputs, "cpu"), rtol=1e-9)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="Linux has it")
@pytest.mark.usefixtures("two_cores")
def test_an_error_ends_the_process_at_once(data: PartnerData) -> None:
    def fails() -> None:
        with partners_ahead(large, "none", FOLDS):
            started.append(time.monotonic())
            raise ConfigError("meanwhile")

    large = replace(data, matrices={"trees": np.random.default_rng(0).normal(size=(160, 4000)).astype(np.float32)})
    started: list[float] = []
    before = _workers()
    with pytest.raises(ConfigError, match="meanwhile"):
        fails()
    assert time.monotonic() - started[0] < 10
    assert _workers() <= before


def _wait_until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 60  # its priority is low
    while not condition():
        assert time.monotonic() < limit, "the process did not end"
        time.sleep(0.05)


def _workers() -> set[int]:
    """Living processes of loky that this process started."""
    found = set()
    for place in Path("/proc").glob("[0-9]*"):
        try:
            status, command = (place / "stat").read_text(), (place / "cmdline").read_text()
        except OSError:  # it has ended
            continue
        parent = int(status.rpartition(")")[2].split()[1])
        if parent == os.getpid() and "popen_loky" in command:
            found.add(int(place.name))
    return found


@pytest.mark.parametrize("cores", ["1", "2"])
def test_the_time_limit_leaves_all_out_but_the_first(
    data: PartnerData, cores: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", cores)
    with caplog.at_level(logging.WARNING), partners_ahead(data, "none", FOLDS, seconds=0) as result:
        fitted = result()
    assert list(fitted.out_of_fold) == ["trees"]
    assert fitted.left_out == ["linear", "torsion_trees"]
    assert caplog.messages == ["ensemble: without linear, torsion_trees, because of the time limit"]


def test_fits_of_many_labels_do_not_run_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_partner_fits, "cpu_count", lambda: 8)
    assert [fits_at_once(rows, targets) for rows, targets in ((2_000, 1), (200_000, 1), (5_000, 12))] == [1, 8, 8]
    assert [fits_at_once(rows, targets) for rows, targets in ((3_000, 100), (3_000, 200), (90_000, 17))] == [3, 1, 1]
