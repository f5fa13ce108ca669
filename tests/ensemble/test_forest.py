"""The forest: against scikit-learn, missing labels, damaged states."""

from dataclasses import fields

import numpy as np
import pytest
import torch
from sklearn.ensemble import ExtraTreesRegressor

from molweight.ensemble import _forest
from molweight.ensemble._forest import Forest
from molweight.errors import DataError


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(80, 30))


@pytest.fixture(scope="module")
def labels(rows: np.ndarray) -> np.ndarray:
    return (rows[:, :3] + 0.5 * rows[:, 3:6] > 0).astype(float)


def test_it_predicts_as_the_trees_of_scikit_learn(rows: np.ndarray, labels: np.ndarray) -> None:
    fitted = Forest.fit(rows, labels, seed=3)
    scaled = fitted.standardiser(torch.from_numpy(rows)).numpy()
    model = ExtraTreesRegressor(200, max_features="sqrt", min_samples_leaf=2, random_state=3).fit(scaled, labels)
    new = np.random.default_rng(1).normal(size=(300, 30))
    expected = model.predict(fitted.standardiser(torch.from_numpy(new)).numpy())
    np.testing.assert_allclose(fitted.predict(new), expected, atol=5e-4)  # leaves are kept in half precision


def test_trees_that_are_grown_in_groups_are_those_of_one_model(rows: np.ndarray, labels: np.ndarray) -> None:
    fitted = Forest.fit(rows, labels, seed=3)
    scaled = fitted.standardiser(torch.from_numpy(rows)).numpy()
    model = ExtraTreesRegressor(200, max_features="sqrt", min_samples_leaf=2, random_state=3)
    trees = [tree.tree_ for tree in model.fit(scaled, labels, sample_weight=np.ones(80)).estimators_]
    np.testing.assert_array_equal(
        fitted.thresholds.numpy(), np.concatenate([tree.threshold for tree in trees]).astype(np.float32)
    )
    tested = np.concatenate([tree.feature for tree in trees])
    np.testing.assert_array_equal(fitted.columns.numpy()[tested >= 0], tested[tested >= 0])


def test_no_tree_of_scikit_learn_stays_in_memory(rows: np.ndarray, labels: np.ndarray) -> None:
    """A view of a tree's nodes would keep the float64 values of all its nodes, for every target."""
    tree = next(_forest._trees(rows.astype(np.float32), labels, np.ones(80), 0))
    grown = _forest._Grown.of(tree)
    assert all(getattr(grown, part.name).base is None for part in fields(grown))


def test_trees_of_a_large_table_are_grown_on_drawn_rows_and_their_leaves_hold_all(
    rows: np.ndarray, labels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_forest, "_DRAWN", 30)
    fitted = Forest.fit(rows, labels, seed=3)
    scaled = fitted.standardiser(torch.from_numpy(rows)).numpy()
    model = ExtraTreesRegressor(
        200, max_features="sqrt", min_samples_leaf=2, random_state=3, bootstrap=True, max_samples=30
    ).fit(scaled, labels, sample_weight=np.ones(80))
    leaves = model.apply(scaled)
    means = [[labels[leaves[:, tree] == leaves[row, tree]].mean(axis=0) for tree in range(200)] for row in range(80)]
    np.testing.assert_allclose(fitted.predict(rows), np.mean(means, axis=1), atol=5e-4)


def test_a_leaf_holds_the_mean_of_the_labels_that_are_known(rows: np.ndarray, labels: np.ndarray) -> None:
    missing = np.where(np.random.default_rng(2).random(labels.shape) < 0.4, np.nan, labels)
    fitted = Forest.fit(rows, missing, seed=0)
    leaves = np.concatenate(list(fitted._leaves(fitted.standardiser(torch.from_numpy(rows)).numpy())))
    values, mean = fitted.values.double().numpy(), np.nanmean(missing, axis=0)
    for tree in (0, 57, 199):
        for leaf in np.unique(leaves[:, tree]):
            inside = missing[leaves[:, tree] == leaf]
            known = ~np.isnan(inside).all(axis=0)
            expected = np.where(known, np.nanmean(np.where(known, inside, 0.0), axis=0), mean)
            np.testing.assert_allclose(values[leaf], expected, atol=1e-3)


def test_labels_without_weight_do_not_count(rows: np.ndarray, labels: np.ndarray) -> None:
    wrong = labels.copy()
    wrong[40:] = 1 - wrong[40:]
    weights = np.where(np.arange(80) < 40, 1.0, 0.0)[:, None] * np.ones(labels.shape)
    found = Forest.fit(rows, wrong, seed=0, weights=weights).predict(rows[:40])
    assert ((found > 0.5) == (labels[:40] > 0.5)).mean() > 0.95


def test_missing_features_are_imputed_and_constant_ones_do_no_harm(rows: np.ndarray, labels: np.ndarray) -> None:
    holes = rows.copy()
    holes[3, 1] = np.nan
    assert np.isfinite(Forest.fit(holes, labels, seed=0).predict(holes)).all()
    found = Forest.fit(np.ones((6, 2)), np.eye(6)[:, :1], seed=0).predict(np.ones((2, 2)))
    np.testing.assert_allclose(found, 1 / 6, atol=1e-3)
    assert Forest.fit(rows, labels, seed=0).predict(rows[:0]).shape == (0, 3)


def test_the_state_restores_it(rows: np.ndarray, labels: np.ndarray) -> None:
    fitted = Forest.fit(rows, labels, seed=0)
    state = fitted.state()
    np.testing.assert_array_equal(Forest.from_state(state).predict(rows), fitted.predict(rows))
    with pytest.raises(DataError, match="lacks roots"):
        Forest.from_state({name: tensor for name, tensor in state.items() if name != "roots"})


@pytest.mark.parametrize("name", ["left", "right", "columns", "roots"])
@pytest.mark.parametrize("value", [0, -1_000_000, 1_000_000])
def test_a_damaged_state_is_named(rows: np.ndarray, labels: np.ndarray, name: str, value: int) -> None:
    state = {key: tensor.clone() for key, tensor in Forest.fit(rows, labels, seed=0).state().items()}
    inner = int((state["columns"] >= 0).nonzero()[-1])
    state[name][-1 if name == "roots" else inner] = value
    if value == 0 and name in ("columns", "roots"):
        assert np.isfinite(Forest.from_state(state).predict(rows)).all()  # another forest, but a whole one
        return
    with pytest.raises(DataError, match="leads outside its trees"):
        Forest.from_state(state)
