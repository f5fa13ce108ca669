"""Label weights: only their ratios matter."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from molweight import datasets
from molweight.datasets import score
from molweight.ensemble._cross_fit import _Work
from molweight.ensemble._folds import cross_folds
from molweight.ensemble._label_transform import LabelTransform
from molweight.ensemble._label_weights import relative_weights, weighted_score
from molweight.ensemble._out_of_fold import PartnerData, partner_data
from molweight.ensemble._partner_kinds import PARTNERS
from molweight.ensemble._stacking import convex_weights
from molweight.ensemble.internal import Recipe


@pytest.fixture(scope="module")
def data() -> PartnerData:
    """Sixty molecules with their labels and a second target, half of whose labels are missing."""
    table = datasets.load("freesolv").subset(range(60))
    found = partner_data(Recipe("gin", {}), table, np.arange(60), torch.device("cpu"), {})
    other = np.where(np.arange(60) % 2, found.labels[:, 0] ** 2, np.nan)
    return replace(found, labels=np.stack([found.labels[:, 0], other], axis=1))


def predicted(data: PartnerData, name: str, weights: np.ndarray | None) -> np.ndarray:
    partner = replace(data, weights=weights).fit(name, data.kind_of("none"), rounds=30)
    return partner.predict(data.matrices[name])


@pytest.mark.parametrize("name", PARTNERS)
@pytest.mark.parametrize("unit", [1e-9, 0.1, 1.0, 1e9])
def test_equal_weights_change_nothing(data: PartnerData, name: str, unit: float) -> None:
    weights = np.full(data.labels.shape, unit)
    np.testing.assert_array_equal(predicted(data, name, weights), predicted(data, name, None))


@pytest.mark.parametrize("name", PARTNERS)
def test_the_unit_of_weights_does_not_matter(data: PartnerData, name: str) -> None:
    weights = np.random.default_rng(0).uniform(0.5, 2, data.labels.shape)
    weights[::7] = 0
    before = predicted(data, name, weights)
    np.testing.assert_allclose(predicted(data, name, weights * 2.0**-20), before)
    assert not np.allclose(before, predicted(data, name, None))


@pytest.mark.parametrize("name", [name for name in PARTNERS if name != "forest"])
def test_weights_of_targets_do_not_matter_to_models_of_single_targets(data: PartnerData, name: str) -> None:
    weights = np.tile([1.0, 0.01], (60, 1))
    np.testing.assert_array_equal(predicted(data, name, weights), predicted(data, name, None))


def test_weights_of_targets_matter_to_the_forest_and_to_the_combination(data: PartnerData) -> None:
    weights = np.tile([1.0, 0.01], (60, 1))
    assert not np.allclose(predicted(data, "forest", weights), predicted(data, "forest", None))
    draw = np.random.default_rng(0)
    parts = [data.labels + draw.normal(scale=scale, size=(60, 2)) for scale in ([0.1, 9], [1, 1])]
    plain = convex_weights(parts, data.labels)
    assert convex_weights(parts, data.labels, importance=weights)[0] > plain[0]
    assert convex_weights(parts, data.labels, importance=np.full((60, 2), 1e-9)) == plain


def test_parts_are_combined_by_their_errors_on_rows_with_weight() -> None:
    table = datasets.load("freesolv").subset(range(60))
    weights = np.ones((60, 1), dtype=np.float32)
    weights[::2] = 0
    labels = table.targets.astype(float)
    on_others, everywhere = labels + 9 * (1 - weights), labels + 0.5

    def weighed(**columns: np.ndarray) -> list[float]:
        recipe = Recipe("gin", {}, members=2, label_transform="none")
        work = _Work.of(recipe, table.with_columns(columns), np.arange(60), torch.device("cpu"))
        return work.weigh([on_others, everywhere], shrinkage=0.0)

    assert weighed(label_weight=weights) == pytest.approx([1, 0], abs=1e-6)
    assert weighed()[1] > 0.9


@pytest.mark.parametrize(
    "metric", ["rmse", "mae", "r2", "scaled_rmse", "roc_auc", "ap", "prc_auc", "roc_auc,rmse", "ogbg-molesol:rmse"]
)
def test_a_weight_counts_as_repeated_rows_do(metric: str) -> None:
    draw, classes = np.random.default_rng(0), metric.startswith(("roc", "ap", "prc"))
    labels = draw.integers(0, 2, (40, 2)).astype(float) if classes else draw.normal(size=(40, 2))
    if "," in metric:
        labels[:, 1] = draw.normal(size=40)
    labels = labels[:, :1] if metric.startswith("ogbg") else labels
    labels[3:6, 0] = np.nan
    predicted, times = labels + draw.normal(size=labels.shape), draw.integers(1, 4, 40)
    predicted = np.where(np.isnan(labels), 0, predicted)
    expected = score(metric, labels.repeat(times, axis=0), predicted.repeat(times, axis=0)).value
    assert weighted_score(metric, labels, predicted, 1e-3 * times[:, None]) == pytest.approx(expected)
    assert weighted_score(metric, labels, predicted, None) == score(metric, labels, predicted).value
    assert weighted_score(metric, labels, predicted, np.full((40, 1), 0.1)) == score(metric, labels, predicted).value


def test_a_target_without_labels_has_no_weighted_score() -> None:
    labels, weights = np.full((20, 2), np.nan), np.arange(1.0, 21)[:, None]
    labels[:, 1] = np.arange(20)
    predicted = np.tile(labels[:, 1:] + 1, 2)
    assert weighted_score("rmse", labels, predicted, weights) == pytest.approx(1)
    assert np.isnan(weighted_score("roc_auc", np.ones((20, 1)), predicted[:, :1], weights))


def test_a_transform_is_chosen_by_the_labels_with_weight() -> None:
    """A quarter of the labels is noise, with a small weight: without weights, its errors decide."""
    table = datasets.load("freesolv").subset(range(160))
    found = partner_data(Recipe("gin", {}, partners=("trees",)), table, np.arange(160), torch.device("cpu"), {})
    labels, noise = np.exp(found.labels / 2), np.arange(160) % 4 == 0
    labels[noise, 0] *= np.exp(np.random.default_rng(2).normal(0, 2, noise.sum()))
    data = replace(found, labels=labels, weights=np.where(noise, 0.02, 1)[:, None])
    folds = cross_folds(found.labels, 4, np.random.default_rng(0))
    chosen, tried = data.choose_transforms(folds, "rmse", labels)
    plain = {kind: score("rmse", labels, data.out_of_fold("trees", kind, folds, 150)).value for kind in tried}
    assert (chosen, min(tried, key=tried.__getitem__), min(plain, key=plain.__getitem__)) == ("log", "log", "none")


def test_missing_labels_and_weights_of_zero_do_not_count() -> None:
    labels = np.array([[1.0, np.nan], [2.0, 3.0], [3.0, np.nan]])
    weights = np.array([[2.0, 9.0], [2.0, 5.0], [0.0, 7.0]])
    found = relative_weights(weights, labels, per_target=True)
    np.testing.assert_array_equal(found[~np.isnan(labels)], [1, 1, 1, 0])
    nothing = relative_weights(np.zeros((2, 1)), np.zeros((2, 1)), per_target=True)
    np.testing.assert_array_equal(nothing, np.zeros((2, 1)))


def test_a_transform_does_not_depend_on_the_unit() -> None:
    labels = np.random.default_rng(0).lognormal(size=(30, 1))
    plain = LabelTransform.fit("log", labels).to_json()
    assert LabelTransform.fit("log", labels, np.full((30, 1), 1e-3)).to_json() == plain
