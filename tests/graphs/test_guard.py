"""No single molecule can stop everything: it is given up when its time or memory is used up."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from molweight.descriptors._rdkit_descriptors import compute_descriptors
from molweight.graphs import TargetSpec, build_dataset, featurize, target_column
from molweight.graphs.internal import guarded_list
from molweight.objectives._conformers import CONFORMERS

LONG = "C" * 200
"""Long enough to be computed in a process of its own."""


def _names(texts: Sequence[str]) -> list[str]:
    return [_name(text) for text in texts]


def _name(text: str) -> str:
    if "F" in text:
        os.kill(os.getpid(), signal.SIGSEGV)
    if "N" in text:
        return str(len(bytearray(1 << 40)))
    while "O" in text:
        pass
    if "S" in text:
        raise ValueError("no name")
    return text[:1]


def _unnamed(_: str) -> str:
    return "none"


def _guarded(texts: Sequence[str]) -> list[str]:
    return guarded_list(_names, _unnamed, "naming it")(texts)


def test_a_molecule_that_crashes_or_takes_too_long_or_too_much_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    started = time.process_time()
    assert _guarded(["C", LONG + "F", LONG, LONG + "N", LONG + "O", "C"]) == ["C", "none", "C", "none", "none", "C"]
    assert time.process_time() - started < 1, "the time was taken by another process"
    reasons = [record.getMessage().rpartition(": ")[2] for record in caplog.records]
    assert reasons == [
        "naming it crashes with SIGSEGV",
        "naming it takes too much memory",
        "naming it takes more than 2 s of CPU time",
    ]


def test_errors_of_large_molecules_are_raised_where_small_ones_raise_them() -> None:
    with pytest.raises(ValueError, match="no name"):
        _guarded([LONG + "S"])


def _children() -> set[str]:
    """Numbers of the child processes, those included that ended and were not waited for."""
    lists = [thread / "children" for thread in Path("/proc/self/task").iterdir()]
    return {number for path in lists for number in path.read_text().split()}


def test_no_process_is_left() -> None:
    before = _children()
    _guarded([LONG, LONG + "F", LONG])
    assert _children() <= before


def test_a_hostile_row_is_a_reject_and_the_others_are_used() -> None:
    diene = "F/C=C/" + "C(=C/C)/" * 1500 + "C"
    molecules, rejects = featurize(["CCO", diene, "C1CC", LONG], n_jobs=1)
    assert molecules.rows.tolist() == [0, 3]
    assert [(reject.row, reject.reason) for reject in rejects] == [
        (1, "reading it takes more than 2 s of CPU time"),
        (2, "ring 1 is not closed"),
    ]


def test_a_target_over_its_budget_is_missing(caplog: pytest.LogCaptureFixture) -> None:
    part = "C"
    for _ in range(8):
        part = f"C({part}){part}"
    data = build_dataset(["CCO", f"C({part}){part}"], name="two", cache=False)
    found = target_column(data, TargetSpec("descriptors", 1, 132, "float32", compute_descriptors), n_jobs=1)
    assert np.isnan(found).all(axis=1).tolist() == [False, True]
    assert "has no descriptors: computing descriptors takes more than 2 s of CPU time" in caplog.text


def _stuck(texts: Sequence[str]) -> np.ndarray:
    while any(len(text) > 1 for text in texts):
        pass
    return np.ones((len(texts), 1), dtype=np.float32)


def test_time_of_the_preparation_does_not_count() -> None:
    ready: list[bool] = []

    def prepare() -> None:
        if not ready:
            sum(range(10**7))
            ready.append(True)

    def count(texts: Sequence[str]) -> list[str]:
        prepare()
        return [str(len(text)) for text in texts]

    guarded = guarded_list(count, instead=lambda _: "given up", doing="counting", alone=lambda _: True)
    limited = replace(guarded, seconds=0.05)
    assert limited(["CC", "CCC"]) == ["given up", "given up"]
    assert replace(limited, prepare=prepare)(["CC", "CCC"]) == ["2", "3"]


def test_small_molecules_have_a_budget_too_where_a_target_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("molweight.graphs._columns.SLOW_SECONDS", 0.2)
    data = build_dataset(["C", "CC", "N"], name="three", cache=False)
    spec = TargetSpec("stuck", 1, 1, "float32", _stuck, slow=True)
    assert np.isnan(target_column(data, spec, n_jobs=1)).ravel().tolist() == [False, True, False]
    per_atom = TargetSpec("stuck", 1, 1, "float32", _stuck, per="atom", slow=True)
    assert np.isnan(target_column(data, per_atom, n_jobs=1)).ravel().tolist() == [False, True, True, False]


def test_plain_molecules_are_computed_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fork")
    assert _guarded(["C", "c1ccccc1"]) == ["C", "c"]
    assert _guarded([LONG]) == ["C"], "without fork there is no limit"


def test_threads_may_ask_at_once() -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(_guarded, [[LONG, "C", LONG + "F", LONG]] * 16))
    assert answers == [["C", "C", "none", "C"]] * 16


def test_no_operation_takes_longer_than_its_budget(root: Path) -> None:
    """A few of the molecules of ``experiments/stress/hostile.py``."""
    code = "import functools; from experiments.stress import hostile as script\n"
    code += "script.hostile_molecules = functools.cache(script.hostile_molecules); script.main()"  # a second each time
    command = [sys.executable, "-c", code, "--count", "1"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("1 molecules (1 readable), 19 operations")
    assert done.stdout.splitlines()[-1].endswith("0 beyond their budget")


def _impossible(texts: Sequence[str]) -> list[str]:
    if any("N" in text for text in texts):
        raise RuntimeError(
            "Invariant Violation\n\tupper bound not greater than lower bound\n\tViolation occurred on ..."
        )
    return [text[:1] for text in texts]


def test_a_molecule_on_which_rdkit_fails_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    """In this process and in one of its own; errors of other kinds are raised."""
    for length in (1, 200):
        caplog.clear()
        texts = ["C" * length, "N" * length, "O" * length, "N" * length]
        assert guarded_list(_impossible, _unnamed, "naming it")(texts) == ["C", "none", "O", "none"]
        said = [record.getMessage().rpartition(": ")[2] for record in caplog.records]
        assert said == 2 * ["naming it fails in RDKit (upper bound not greater than lower bound)"]


def test_a_molecule_that_rdkit_cannot_embed_has_no_conformer(caplog: pytest.LogCaptureFixture) -> None:
    ends = [[f"%{10 + 5 * one + other}" for other in range(5)] for one in range(5)]
    crossed = ".".join(f"*{''.join(row)}" for row in (*ends, *zip(*ends, strict=True)))
    data = build_dataset(["CCO", crossed], name="crossed", cache=False)
    positions = target_column(data, CONFORMERS, n_jobs=1)
    assert np.isnan(positions).any(axis=1).tolist() == [False] * 3 + [True] * 10
    assert "computing etkdg_conformer fails in RDKit (upper bound not greater than lower bound)" in caplog.text
