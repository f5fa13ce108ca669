"""A few of the cases of ``experiments/stress/fuzz.py``: no input ends in a traceback."""

import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType

import pytest

from molweight.cli import main

COUNT = 60


@pytest.fixture(scope="module")
def fuzz(root: Path) -> ModuleType:
    folder = str(root)
    spec = importlib.util.spec_from_file_location("fuzz", f"{folder}/experiments/stress/fuzz.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(folder)
    return module


@pytest.mark.filterwarnings("default")  # those that a user would be shown, too
def test_odd_input_never_ends_in_a_traceback(fuzz: ModuleType) -> None:
    found = fuzz.fuzz(seed=1, numbers=range(COUNT), seconds=20)
    assert found["failures"] == []
    assert sum(found["ended"].values()) == COUNT
    refused = sum(count for kind, count in found["ended"].items() if kind.endswith(": 2"))
    assert 0.3 * COUNT < refused < COUNT  # what is damaged is mostly refused, and some of it is right nevertheless


def test_a_case_is_the_same_whenever_it_is_made(fuzz: ModuleType) -> None:
    first, again = (fuzz.options_case(random.Random("3/7"), None, 7) for _ in range(2))  # noqa: S311 - as the script
    assert first == again


def test_what_is_raised_is_a_failure_with_its_place(fuzz: ModuleType) -> None:
    with fuzz.Caught() as caught:
        main(["list", "--plugin", None])  # type: ignore[list-item]  # something that no command line can hold
    assert caught.error is not None
    assert fuzz._place(caught.error).startswith(type(caught.error).__name__)
    assert " in _" in fuzz._place(caught.error)


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (0, "anything", ""),
        (130, "\nmolweight: interrupted.\n", ""),
        (2, "a note\nmolweight: table.csv: the file is empty. Add rows.\n", ""),
        (2, "molweight: first line\nsecond line\n", "no paragraph"),
        (2, "", "no paragraph"),
        (2, "molweight: a file: None. Free up disk space or choose another path.", "no reason"),
        (1, "molweight: what", "status 1"),
        (0, "Traceback (most recent call last):\n", "a traceback"),
    ],
)
def test_endings(fuzz: ModuleType, status: int, text: str, expected: str) -> None:
    assert fuzz._complaint(status, text).startswith(expected)
    assert bool(fuzz._complaint(status, text)) == bool(expected)
