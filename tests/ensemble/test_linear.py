"""The linear partner: against scikit-learn, odd tables, and its state."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeCV

from molweight.ensemble._linear import LinearModel
from molweight.errors import DataError

NUMBERS, CLASSES = np.array([False]), np.array([True])


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(80, 5))


def test_it_is_ridge_regression_on_standard_units(rows: np.ndarray) -> None:
    labels = rows @ np.array([[1.0], [2.0], [0.0], [0.0], [-1.0]]) + 3
    scaled = ((rows - rows.mean(axis=0)) / rows.std(axis=0)).astype(np.float32).astype(float)
    expected = RidgeCV(np.geomspace(1, 1e4, 9)).fit(scaled, labels[:, 0]).predict(scaled)
    np.testing.assert_allclose(LinearModel.fit(rows, labels, NUMBERS).predict(rows)[:, 0], expected, atol=1e-4)


def test_classes_are_predicted_as_probabilities(rows: np.ndarray) -> None:
    labels = (rows[:, :1] > 0).astype(float)
    found = LinearModel.fit(rows, labels, CLASSES).predict(rows)
    assert ((found > 0) & (found < 1)).all()
    assert found[labels == 1].mean() > found[labels == 0].mean() + 0.2


def test_missing_features_and_labels_are_left_out(rows: np.ndarray) -> None:
    labels, holes = rows[:, :1] * 2, rows.copy()
    holes[3, 1], labels[5] = np.nan, np.nan
    assert np.isfinite(LinearModel.fit(holes, labels, NUMBERS).predict(holes)).all()


@pytest.mark.parametrize(
    ("labels", "classes", "expected"),
    [
        (np.full((80, 1), 2.5), NUMBERS, 2.5),
        (np.full((80, 1), np.nan), NUMBERS, 0.0),
        (np.ones((80, 1)), CLASSES, 81 / 82),
        (np.eye(80)[:, :1], CLASSES, 2 / 82),
    ],
)
def test_too_few_labels_give_their_mean(
    rows: np.ndarray, labels: np.ndarray, classes: np.ndarray, expected: float
) -> None:
    np.testing.assert_allclose(LinearModel.fit(rows, labels, classes).predict(rows), expected)


def test_weights_count(rows: np.ndarray) -> None:
    labels = np.where(np.arange(80) < 40, rows[:, 0], -rows[:, 0])[:, None]
    weights = np.where(np.arange(80) < 40, 1.0, 0.0)[:, None]
    found = LinearModel.fit(rows, labels, NUMBERS, weights=weights)
    assert found.coefficients[0, 0] > 0.5


def test_the_state_restores_it(rows: np.ndarray) -> None:
    fitted = LinearModel.fit(rows, np.stack([rows[:, 0], rows[:, 1] > 0], axis=1), np.array([False, True]))
    state = fitted.state()
    np.testing.assert_array_equal(LinearModel.from_state(state).predict(rows), fitted.predict(rows))
    with pytest.raises(DataError, match="lacks offset"):
        LinearModel.from_state({name: tensor for name, tensor in state.items() if name != "offset"})
    assert all(isinstance(tensor, torch.Tensor) for tensor in state.values())
