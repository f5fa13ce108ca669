"""Label transforms against scikit-learn, their inverses, and JSON."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import yeojohnson
from sklearn.preprocessing import PowerTransformer

from molweight import datasets
from molweight.ensemble._folds import cross_folds
from molweight.ensemble._label_transform import TRANSFORMS, LabelTransform, possible_transforms
from molweight.ensemble._out_of_fold import partner_data
from molweight.ensemble.internal import Recipe
from molweight.errors import ConfigError

SKEWED = np.random.default_rng(0).lognormal(mean=1, sigma=2, size=(200, 2))


def test_yeo_johnson_is_scikit_learns() -> None:
    labels = SKEWED - 3
    expected = PowerTransformer().fit_transform(labels)
    np.testing.assert_allclose(
        LabelTransform.fit("yeo_johnson", labels).forward(labels), expected, rtol=1e-6, atol=1e-8
    )


@given(st.sampled_from([-1.5, 0.0, 0.4, 1.0, 2.0, 3.2]), st.floats(-50, 50))
def test_yeo_johnson_is_scipys_for_every_power_and_is_inverted(power: float, value: float) -> None:
    one = np.array([1.0])
    fitted = LabelTransform("yeo_johnson", one * power, one * 0, one, one * -np.inf, one * np.inf)
    mapped = fitted.forward(np.array([[value]]))
    assert mapped[0, 0] == pytest.approx(float(yeojohnson(np.array([value]), lmbda=power)[0]), rel=1e-9, abs=1e-9)
    assert fitted.inverse(mapped)[0, 0] == pytest.approx(value, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_labels_come_back_and_json_keeps_everything(kind: str) -> None:
    fitted = LabelTransform.fit(kind, SKEWED)
    again = LabelTransform.from_json(json.loads(json.dumps(fitted.to_json())))
    np.testing.assert_allclose(again.inverse(fitted.forward(SKEWED)), SKEWED, rtol=1e-6)
    np.testing.assert_allclose(fitted.forward(SKEWED).mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(fitted.forward(SKEWED).std(axis=0), 1, atol=1e-9)


@pytest.mark.parametrize("kind", ["log", "yeo_johnson"])
def test_an_extreme_output_is_not_extrapolated(kind: str) -> None:
    fitted = LabelTransform.fit(kind, SKEWED)
    assert np.isfinite(fitted.inverse(np.array([[1e6, -1e6]]))).all()


def test_missing_labels_are_left_out() -> None:
    labels = np.array([[1.0], [np.nan], [np.e**2]])
    fitted = LabelTransform.fit("log", labels)
    np.testing.assert_allclose(fitted.forward(labels), [[-1.0], [np.nan], [1.0]])


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_constant_and_empty_labels(kind: str) -> None:
    labels = np.array([[2.0, np.nan], [2.0, np.nan]])
    fitted = LabelTransform.fit(kind, labels)
    assert fitted.inverse(np.array([[0.0, 0.0]]))[0, 0] == pytest.approx(2.0)
    assert np.isfinite(fitted.inverse(np.array([[0.3, 0.3]]))).all()


def test_log_of_negative_labels_is_refused() -> None:
    with pytest.raises(ConfigError, match="positive labels, but the smallest is -1"):
        LabelTransform.fit("log", np.array([[-1.0], [2.0]]))


def test_what_is_tried_depends_on_the_skewness() -> None:
    assert possible_transforms(SKEWED[:, 0]) == ["none", "log"]
    assert possible_transforms(SKEWED[:, 0] - 5) == ["none", "yeo_johnson"]
    assert possible_transforms(np.random.default_rng(1).normal(size=300)) == ["none"]
    assert possible_transforms(np.full(5, 3.0)) == ["none"]


def test_targets_of_their_own_kinds_and_classes() -> None:
    labels = np.column_stack([SKEWED, np.arange(200) % 2])
    fitted = LabelTransform.fit("none,log,class", labels)
    assert fitted.classes.tolist() == [False, False, True]
    mapped = fitted.forward(labels)
    np.testing.assert_array_equal(mapped[:, 2], labels[:, 2])
    np.testing.assert_allclose(fitted.inverse(mapped), labels, rtol=1e-6)
    np.testing.assert_allclose(mapped[:, 1], LabelTransform.fit("log", labels[:, 1:2]).forward(labels[:, 1:2])[:, 0])


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_an_output_for_equal_labels_is_that_label(kind: str) -> None:
    labels = np.column_stack([np.full(7, 0.1), np.linspace(1, 2, 7)])
    fitted = LabelTransform.fit(kind, labels)
    assert fitted.scale[0] == 1
    outputs = fitted.inverse(np.full((3, 2), 0.7))
    np.testing.assert_allclose(outputs[:, 0], 0.1, rtol=1e-12)
    np.testing.assert_allclose(fitted.forward(outputs)[:, 1], 0.7)


def test_bounds_do_not_decide_on_a_transform() -> None:
    """Exact labels are not skewed; the detection limit is far from them."""
    table = datasets.load("freesolv").subset(range(80))
    found = partner_data(Recipe("gin", {}, partners=("trees",)), table, np.arange(80), torch.device("cpu"), {})
    signs = np.where(np.arange(80) % 4 == 0, 1, 0).astype(np.int8)[:, None]
    data = replace(found, labels=np.where(signs > 0, 200.0, found.labels), bounds=signs)
    folds = cross_folds(data.labels, 4, np.random.default_rng(0))
    truth = np.where(signs > 0, np.nan, data.labels)
    assert possible_transforms(data.labels[:, 0]) == ["none", "yeo_johnson"]
    assert data.choose_transforms(folds, "rmse", truth) == ("none", {})
    few = replace(data, bounds=np.where(np.arange(80) < 8, 0, 1).astype(np.int8)[:, None])
    assert few.choose_transforms(folds, "rmse", data.labels)[1], "with fewer than ten exact labels, all are exact"


def test_a_transform_maps_bounds_too() -> None:
    labels, exact = SKEWED[:, 0].copy(), SKEWED[:, 0].copy()
    labels[0], exact[0] = 0.0, np.nan
    assert possible_transforms(exact) == ["none", "log"]
    assert possible_transforms(labels, exact) == ["none", "yeo_johnson"]
