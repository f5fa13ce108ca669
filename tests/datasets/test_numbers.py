"""Numbers as people write them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molweight.datasets._numbers import molar_factor, read_numbers, sign_of, unit_in_name
from molweight.errors import Message

FINITE = st.floats(-1e30, 1e30, allow_nan=False).filter(lambda value: value == 0 or abs(value) > 1e-30)


@settings(max_examples=200, deadline=None)
@given(st.lists(FINITE, min_size=1, max_size=20))
def test_what_python_writes_comes_back_exactly(values: list[float]) -> None:
    found = read_numbers([repr(value) for value in values])
    assert found.values.tolist() == values
    assert not found.signs.any()
    assert found.notes == []
    assert found.ambiguous == ""


@settings(max_examples=200, deadline=None)
@given(st.lists(st.decimals(-10_000, 10_000, places=2, allow_nan=False), min_size=1, max_size=20))
def test_decimal_commas_are_the_same_numbers(values: list[object]) -> None:
    texts = [str(value) for value in values]
    commas = [text.replace(".", ",") for text in texts]
    assert read_numbers(commas).values.tolist() == [float(text) for text in texts]
    assert read_numbers(commas).ambiguous == ""  # two decimals are not a group of three digits


GROUPED = st.integers(-(10**9), 10**9)


@settings(max_examples=200, deadline=None)
@given(st.lists(GROUPED, min_size=1, max_size=10), st.sampled_from([" ", "'", "\u00a0", "\u202f", "\u2019"]))
def test_groups_of_digits_are_one_number(values: list[int], separator: str) -> None:
    texts = [f"{value:,}".replace(",", separator) for value in values]
    assert read_numbers(texts).values.tolist() == values


@settings(max_examples=200, deadline=None)
@given(st.lists(GROUPED, min_size=1, max_size=10))
def test_commas_between_thousands_are_read_or_refused_but_never_mistaken(values: list[int]) -> None:
    texts = [f"{value:,}" for value in values]
    found = read_numbers(texts)
    assert found.ambiguous or found.values.tolist() == values
    assert read_numbers(texts, decimal=".").values.tolist() == values


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(max_size=12), max_size=8), st.sampled_from([None, ".", ","]))
def test_any_text_is_a_number_missing_or_unreadable(cells: list[str], decimal: str | None) -> None:
    cells = [cell.strip() for cell in cells]
    found = read_numbers(cells, decimal)  # type: ignore[arg-type]  # drawn as text
    assert len(found.values) == len(found.signs) == len(found.units) == len(cells)
    assert set(found.signs.tolist()) <= {-1, 0, 1}
    for cell, value in zip(cells, found.values.tolist(), strict=True):
        assert not math.isfinite(value) or any(letter.isdigit() for letter in cell)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["<", ">", "<=", "\u2265", ">>"]), FINITE), min_size=1, max_size=9))
def test_bounds_keep_number_and_side(pairs: list[tuple[str, float]]) -> None:
    found = read_numbers([f"{sign} {value!r}" for sign, value in pairs])
    assert found.values.tolist() == [value for _, value in pairs]
    assert found.signs.tolist() == [1 if sign in (">", "\u2265", ">>") else -1 for sign, _ in pairs]


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["\u22120.5", "\u2013 1.5", "2"], [-0.5, -1.5, 2]),
        (["27.6%", "3 %"], [27.6, 3]),
        (["$1.50", "2.25 \u20ac", "\u00a33"], [1.5, 2.25, 3]),
        (["5.3 nM", "12 nM"], [5.3, 12]),
        (["5.3 \u00b1 0.2", "4.1 +/- 0.1"], [5.3, 4.1]),
        (["1.5x10^-3", "2 \u00d7 10-4"], [1.5e-3, 2e-4]),
        (["'0.5'", '"1.5"'], [0.5, 1.5]),
        (["1.234.567,5", "2,5"], [1234567.5, 2.5]),
        (["1,234.5", "12"], [1234.5, 12]),
        (["1 234,5", "2,25"], [1234.5, 2.25]),
        (["~5", "\u2248 6.5"], [5, 6.5]),
        ([" 603", "1.55e+03"], [603, 1550]),
        (["1e-9", "2.5E-10"], [1e-9, 2.5e-10]),
        (["+1.5", ".5", "2."], [1.5, 0.5, 2]),
        (["-", "1.5", "not tested"], [math.nan, 1.5, math.nan]),
        (["#DIV/0!", "1.5"], [math.nan, 1.5]),
    ],
)
def test_usual_ways(cells: list[str], values: list[float]) -> None:
    found = read_numbers([cell.strip() for cell in cells])
    assert np.allclose(found.values, values, equal_nan=True, rtol=1e-15)
    assert found.ambiguous == ""


@pytest.mark.parametrize(
    "cell", ["5-10", "1.0e", "1_000", "abc", "1.2.3", "2024-01-05", "C1CC1", "3/4", "NDA", "0x1F", "(5)"]
)
def test_other_text_is_no_number(cell: str) -> None:
    assert read_numbers([cell, "1.5"]).values.tolist() == [math.inf, 1.5]


def test_what_is_not_plain_is_said() -> None:
    assert read_numbers(["1,234.5"]).notes == ["commas are read as thousands separators"]
    assert read_numbers(["3%"]).notes == ["percent signs are ignored: 3% is read as 3"]
    assert read_numbers(["-", "2"]).notes == ["'-' treated as missing"]
    assert "1.5 with a decimal comma and 1500" in read_numbers(["1,500"]).ambiguous
    assert read_numbers(["1,500"], ",").values.tolist() == [1.5]
    assert read_numbers(["1,500"], ".").values.tolist() == [1500]


def test_relations_and_units() -> None:
    assert [sign_of(text) for text in ("'='", '">"', "<<", "\u2264", "=>", "nM")] == [0, 1, -1, -1, None, None]
    assert [molar_factor(unit) for unit in ("uM", "\u00b5M", "\u03bcM", "nmol/l", "MICROMOLAR", "mg/ml")] == [
        *([1e-6] * 3),
        1e-9,
        1e-6,
        None,
    ]
    assert [unit_in_name(name) for name in ("Ki [pM]", "EC50_nM", "kM", "IC50 (mean)")] == ["pM", "nM", "", ""]


def test_lakhs_and_points_that_may_separate_thousands() -> None:
    assert read_numbers(["1,23,456.5", "12,34,567", "1,000"]).values.tolist() == [123456.5, 1234567.0, 1000.0]
    grouped = [f"{number}.{number + 100}" for number in range(1, 12)]
    (note,) = read_numbers(grouped).notes
    assert "if they separate thousands (1101): decimal=','" in str(Message(note))
    assert read_numbers(grouped, ",").values.tolist() == [1000 * number + number + 100 for number in range(1, 12)]
    assert read_numbers(["0.125", *grouped]).notes == read_numbers(grouped, ".").notes == []
