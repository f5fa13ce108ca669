"""Calibration of probabilities: order kept, log-loss not worse on unseen rows, rare positives no longer at 1e-5."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from molweight.ensemble._beta_calibration import BetaCalibration, log_loss

ONE = np.array([True])


def flattened(count: int, rate: float) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Probabilities whose logits are too large by a factor and a shift, with labels, in three folds."""
    rng = np.random.default_rng(0)
    logits = rng.normal(np.log(rate / (1 - rate)), 1.5, (count, 1))
    labels = (rng.random((count, 1)) < 1 / (1 + np.exp(-logits))).astype(float)
    folds = [np.arange(start, count, 3) for start in range(3)]
    return 1 / (1 + np.exp(-(2 * logits - 1))), labels, folds


def test_calibrated_probabilities_are_met() -> None:
    predicted, labels, folds = flattened(6000, 0.05)
    fitted, unseen = BetaCalibration.fit(predicted, labels, ONE, folds)
    assert fitted.kinds[0] != "none"
    assert log_loss(labels, unseen) < log_loss(labels, predicted) - 0.01
    mapped = fitted(predicted)
    for low, high in ((0.0, 0.02), (0.02, 0.1), (0.1, 0.4)):
        inside = (mapped >= low) & (mapped < high)
        assert mapped[inside].mean() == pytest.approx(labels[inside].mean(), abs=0.02)


@given(arrays.arrays(np.float64, 60, elements=st.floats(0, 1)))
def test_the_order_of_predictions_stays(values: np.ndarray) -> None:
    labels = np.tile([[0.0], [1.0], [0.0]], (20, 1))
    fitted, _ = BetaCalibration.fit(values[:, None], labels, ONE, [np.arange(0, 30), np.arange(30, 60)])
    assert (fitted.values[:, :2] > 0).all()  # increasing, but for rounding
    order = np.argsort(values, kind="stable")
    mapped = fitted(values[:, None])[order, 0]
    assert (np.diff(mapped) >= 0).all()
    distinct = np.diff(np.clip(values[order], 1e-7, 1 - 1e-7)) > 1e-3
    # Where predictions separate the classes the map is so steep that its ends are rounded to 0 and to 1.
    inside = (mapped[1:] > 1e-12) & (mapped[:-1] < 1 - 1e-12)
    assert (np.diff(mapped)[distinct & inside] > 0).all()


def test_what_is_calibrated_already_is_hardly_moved() -> None:
    rng = np.random.default_rng(1)
    predicted = rng.random((3000, 1))
    labels = (rng.random((3000, 1)) < predicted).astype(float)
    fitted, _ = BetaCalibration.fit(predicted, labels, ONE, [np.arange(0, 1500), np.arange(1500, 3000)])
    np.testing.assert_allclose(fitted(predicted), predicted, atol=0.05)


def test_numbers_and_few_labels_are_left_as_they_are() -> None:
    predicted = np.array([[0.1, 3.0, 0.2]] * 40)
    labels = np.zeros((40, 3))
    labels[:20, 1], labels[0, 2] = 5.0, 1.0
    fitted, _ = BetaCalibration.fit(
        predicted, labels, np.array([True, False, True]), [np.arange(20), np.arange(20, 40)]
    )
    assert fitted.kinds == ("none",) * 3
    np.testing.assert_array_equal(fitted(predicted), predicted)


def test_what_is_not_labelled_does_not_count() -> None:
    predicted, labels, folds = flattened(900, 0.3)
    some = labels.copy()
    some[::2] = np.nan
    other = predicted.copy()
    other[::2] = 0.5
    for rows in (predicted, other):
        assert (
            BetaCalibration.fit(rows, some, ONE, folds)[0].to_json()
            == BetaCalibration.fit(other, some, ONE, folds)[0].to_json()
        )


def test_it_goes_through_json() -> None:
    predicted, labels, folds = flattened(900, 0.3)
    fitted, _ = BetaCalibration.fit(predicted, labels, ONE, folds)
    again = BetaCalibration.from_json(json.loads(json.dumps(fitted.to_json())))
    assert again.kinds == fitted.kinds
    np.testing.assert_array_equal(again(predicted), fitted(predicted))


@pytest.mark.parametrize("count", [12, 20, 40])
def test_separated_classes_do_not_become_certain(count: int) -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([[0.0], [1.0]], count, axis=0)
    predicted = np.concatenate([rng.uniform(0.15, 0.42, (count, 1)), rng.uniform(0.55, 0.85, (count, 1))])
    folds = np.array_split(rng.permutation(2 * count), 5)
    fitted, _ = BetaCalibration.fit(predicted, labels, ONE, folds)
    assert fitted.kinds[0] != "none"
    ends = fitted(np.array([[0.3], [0.7]]))[:, 0]
    assert 1 / (2 * count + 4) < ends[0] < 0.1
    assert 0.9 < ends[1] < 1 - 1 / (2 * count + 4)


def test_a_gain_within_its_standard_error_is_no_reason_to_calibrate() -> None:
    kinds = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        predicted = rng.uniform(0.05, 0.95, (60, 1))
        labels = (rng.random((60, 1)) < predicted).astype(float)
        folds = np.array_split(rng.permutation(60), 5)
        fitted, unseen = BetaCalibration.fit(predicted, labels, ONE, folds)
        kinds.append(fitted.kinds[0])
        if kinds[-1] == "none":
            np.testing.assert_array_equal(unseen, predicted)
    assert kinds.count("none") >= 17
