"""Feature sets that partners share: the same numbers as in one matrix."""

import numpy as np
import pytest
import torch

from molweight import datasets
from molweight.ensemble import _joined_features
from molweight.ensemble._joined_features import JoinedFeatures
from molweight.ensemble._kernel import GaussianProcess, _Overlap
from molweight.ensemble._out_of_fold import PartnerData, partner_data
from molweight.ensemble._partner_kinds import PARTNERS, partner_features
from molweight.ensemble._recipe import Recipe
from molweight.features import feature_matrix
from molweight.features.internal import feature_values, is_sparse
from molweight.graphs import MoleculeDataset

SETS = ("descriptors", "ecfp_counts", "functional_groups", "torsion_counts")
ROWS = np.arange(0, 120, 3)


@pytest.fixture(scope="module")
def table() -> MoleculeDataset:
    return datasets.load("freesolv").subset(range(120))


def joined(table: MoleculeDataset, names: tuple[str, ...]) -> JoinedFeatures:
    return JoinedFeatures(tuple(feature_values(table, name) for name in names), tuple(map(is_sparse, names)))


def test_its_matrix_is_the_feature_matrix(table: MoleculeDataset) -> None:
    found, expected = joined(table, SETS), feature_matrix(table, SETS)
    assert found.shape == expected.shape
    assert np.array_equal(found.matrix(), expected, equal_nan=True)
    assert np.array_equal(found[ROWS].matrix(), expected[ROWS], equal_nan=True)
    assert found[ROWS].matrix().dtype == np.float32
    assert found.missing == np.isnan(expected).sum()


def test_counts_keep_their_type(table: MoleculeDataset) -> None:
    both = joined(table, SETS)
    dense, counts = both.dense(), both.counts()
    assert counts.dtype == np.uint8
    assert np.array_equal(counts, feature_matrix(table, ["ecfp_counts", "torsion_counts"]))
    assert np.array_equal(dense, feature_matrix(table, ["descriptors", "functional_groups"]), equal_nan=True)


def test_a_selection_of_a_selection(table: MoleculeDataset) -> None:
    found, expected = joined(table, SETS)[ROWS][[3, 1]], feature_matrix(table, SETS)[ROWS[[3, 1]]]
    assert len(found) == 2
    assert np.array_equal(found.matrix(), expected, equal_nan=True)
    assert np.array_equal(np.hstack(list(found.columns())), expected, equal_nan=True)


def test_the_sparse_matrix_has_the_same_values_and_keeps_missing_ones(
    table: MoleculeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_joined_features, "_ROWS", 7)
    numbers = np.where(np.arange(len(table)) % 5, 1.5, np.nan).astype(np.float32)[:, None]
    features = JoinedFeatures((numbers, feature_values(table, "ecfp_counts")), (False, True))[ROWS]
    found = features.csr()
    assert np.array_equal(found.toarray(), features.matrix(), equal_nan=True)
    assert found.nnz == np.count_nonzero(features.matrix())
    assert found.dtype == np.float32
    assert features[[]].csr().shape == (0, features.shape[1])


@pytest.mark.parametrize("name", PARTNERS)
def test_blocks_of_molecules_change_nothing(table: MoleculeDataset, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = partner_features(name, ("descriptors",))
    data = PartnerData(
        {name: sets}, {name: joined(table, sets)}, table.targets, None, "regression", absolute=False, seed=0
    )
    whole = data.predict_fold(name, "none", ROWS, 20)
    monkeypatch.setattr(_joined_features, "_ROWS", 11)
    monkeypatch.setattr(_joined_features, "_COLUMNS", 50)
    assert data.predict_fold(name, "none", ROWS, 20) == pytest.approx(whole, rel=1e-9)


def test_partners_without_features_predict_the_mean(table: MoleculeDataset) -> None:
    recipe = Recipe("gin", {}, members=2, features=(), partners=("trees", "linear"))
    data = partner_data(recipe, table, np.arange(100), torch.device("cpu"), {})
    assert data.matrices["trees"].shape == (100, 0)
    expected = np.delete(table.targets[:100], ROWS[:30], axis=0).mean()
    assert data.predict_fold("linear", "none", ROWS[:30]) == pytest.approx(expected)


@pytest.mark.parametrize("name", PARTNERS)
def test_partners_predict_the_same_from_either(table: MoleculeDataset, name: str) -> None:
    sets = partner_features(name, ("descriptors",))
    predicted = [
        PartnerData(
            {name: sets}, {name: features}, table.targets, None, "regression", absolute=False, seed=0
        ).predict_fold(name, "none", ROWS, 20)
        for features in (joined(table, sets), feature_matrix(table, sets))
    ]
    assert np.array_equal(predicted[0], predicted[1])


@pytest.mark.parametrize("rows", [1, 7, 300])
def test_similarity_is_the_sum_of_the_smaller_counts_divided_by_that_of_the_larger(rows: int) -> None:
    """Counts of which some occur in most rows, some in few and some in none; those above 4 are equal to 4."""
    rng = np.random.default_rng(0)
    rates = np.geomspace(0.001, 3, 200)
    rates[:10] = 0
    known, new = rng.poisson(rates, (rows, 200)).astype(np.uint8), rng.poisson(rates, (9, 200)).astype(np.uint8)
    new[0] = 0
    one, other = np.minimum(new, 4).astype(float)[:, None], np.minimum(known, 4).astype(float)[None]
    larger = np.maximum(one, other).sum(axis=2)
    expected = np.minimum(one, other).sum(axis=2) / np.where(larger > 0, larger, 1)
    assert np.array_equal(_Overlap.of(known).to(new), expected)


def test_a_process_without_counts() -> None:
    inputs = np.linspace(0, 1, 40, dtype=np.float32)[:, None]
    fitted = GaussianProcess.fit(inputs, np.zeros((40, 0)), inputs.astype(float), np.array([False]), seed=0)
    assert np.abs(fitted.predict(inputs, np.zeros((40, 0))) - inputs).max() < 0.05
