"""Target specs refuse what would fail later, in a worker process or as a file name."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from molweight.errors import ConfigError, DataError
from molweight.graphs import TargetSpec


def lengths(smiles: Sequence[str]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.array([[len(text)] for text in smiles])


GOOD: dict[str, Any] = {"name": "size", "version": 1, "dim": 1, "dtype": "float32", "compute": lengths}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "a/b", "letters, digits"),
        ("name", "", "letters, digits"),
        ("version", 0, "version=0 must be at least 1"),
        ("dim", 0, "dim=0 must be at least 1"),
        ("dtype", "flaot32", "dtype='flaot32' is not numeric"),
        ("dtype", "U5", "dtype='U5' is not numeric"),
        ("compute", None, "compute=None must be a function"),
        ("missing", 0, "missing=0 must be None or a value of float32, for integers per molecule"),
    ],
)
def test_fields_are_checked(field: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TargetSpec(**{**GOOD, field: value})


def test_a_mark_has_to_fit_the_type() -> None:
    with pytest.raises(ConfigError, match="missing=256 must be None or a value of uint8"):
        TargetSpec(**{**GOOD, "dtype": "uint8", "missing": 256})
    with pytest.raises(ConfigError, match="missing=0 must be None"):
        TargetSpec(**{**GOOD, "dtype": "uint8", "missing": 0, "per": "atom"})


def test_values_come_in_the_declared_type_and_shape() -> None:
    spec = TargetSpec(**GOOD)
    assert spec(["C", "CCO"]).dtype == np.float32
    with pytest.raises(DataError, match=r"shape \(2, 1\) for 2 molecules.*must return \(2, 3\)"):
        TargetSpec(**{**GOOD, "dim": 3})(["C", "CCO"])
