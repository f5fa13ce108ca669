"""Label weights: only their ratios matter."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from molweight import datasets
from molweight.ensemble._cross_fit import _Work
from molweight.ensemble._label_transform import LabelTransform
from molweight.ensemble._label_weights import relative_weights
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
