"""The standardiser: exact numbers, and everything RDKit and tables can throw at it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from molweight.errors import ConfigError, DataError
from molweight.features import Standardiser, _standardiser


def test_training_rows_come_out_with_mean_0_and_deviation_1() -> None:
    rows = np.random.default_rng(0).normal(3, 5, size=(100, 4))
    scaled = Standardiser.fit(rows)(torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(scaled.std(axis=0), 1, rtol=1e-5)


def test_missing_values_become_the_median_of_the_training_rows() -> None:
    train = np.array([[1.0, np.nan], [2.0, np.nan], [6.0, np.nan], [np.inf, np.nan]])
    fitted = Standardiser.fit(train)
    assert fitted.median.tolist() == [2.0, 0.0]
    assert fitted.kept.tolist() == [True, False]
    rows = torch.tensor([[2.0, 5.0], [-torch.inf, torch.nan], [1e30, 0.0]])
    values = fitted(rows)
    assert values.shape == (3, 1)
    assert values[0] == values[1] == values[2]
    assert fitted.missing(rows).tolist() == [0, 2, 1]


def test_outliers_are_clipped() -> None:
    fitted = Standardiser.fit(np.array([[0.0], [1.0], [2.0]]), limit=4.0)
    assert fitted(torch.tensor([[1e9], [-1e9]])).ravel().tolist() == [4.0, -4.0]


@given(
    arrays(np.float64, (5, 3), elements=st.floats(width=64)), arrays(np.float64, (2, 3), elements=st.floats(width=64))
)
def test_the_result_is_finite_whatever_comes(train: np.ndarray, rows: np.ndarray) -> None:
    fitted = Standardiser.fit(train)
    values = fitted(torch.from_numpy(rows))
    assert values.shape == (2, fitted.width)
    assert values.isfinite().all()
    assert values.abs().max() <= 6 if values.numel() else True


@pytest.mark.parametrize("unit", [1e-9, 1e-3, 1e6])
def test_units_do_not_matter(unit: float) -> None:
    rows = np.random.default_rng(0).uniform(1, 20, size=(50, 2)) * [1.0, unit]
    rows[:, 0] /= rows[0, 0]
    fitted = Standardiser.fit(rows)
    assert fitted.kept.all()
    np.testing.assert_allclose(fitted(torch.from_numpy(rows)).std(dim=0, correction=0), 1, rtol=1e-5)


def test_rounding_errors_of_a_constant_are_constant() -> None:
    assert not Standardiser.fit(np.array([[1e-17], [0.0], [-3e-17]])).kept.any()
    assert not Standardiser.fit(np.array([[1e6], [1e6 + 1e-6]])).kept.any()


def test_everything_is_in_the_state() -> None:
    rows = np.random.default_rng(0).normal(size=(20, 3))
    fitted, fresh = Standardiser.fit(rows), Standardiser(3)
    fresh.load_state_dict(fitted.state_dict())
    assert torch.equal(fresh(torch.from_numpy(rows)), fitted(torch.from_numpy(rows)))


def test_counts_are_taken_as_they_are() -> None:
    rows = np.array([[0, 3], [2, 3]], dtype=np.uint8)
    assert Standardiser.fit(rows)(torch.from_numpy(rows)).tolist() == [[-1.0], [1.0]]


def test_other_columns_are_refused() -> None:
    with pytest.raises(ConfigError, match="2 feature columns were given, but the model was fitted with 3"):
        Standardiser.fit(np.zeros((4, 3)))(torch.zeros(1, 2))


def test_no_rows_are_refused() -> None:
    with pytest.raises(DataError, match="without training rows"):
        Standardiser.fit(np.zeros((0, 3)))


def test_blocks_of_rows_and_columns_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(0).normal(size=(50, 20)) * np.arange(20)
    rows[::7, 3] = np.nan
    whole = Standardiser.fit(rows)
    expected = whole(torch.from_numpy(rows))
    monkeypatch.setattr(_standardiser, "_COLUMNS", 6)
    monkeypatch.setattr(_standardiser, "_ROWS", 16)
    torch.testing.assert_close(Standardiser.fit(rows)(torch.from_numpy(rows)), expected, rtol=1e-6, atol=1e-6)
    assert Standardiser.fit(rows)(torch.empty(0, 20)).shape == (0, 19)
